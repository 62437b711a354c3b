"""The command line of `scripts/measure_privacy.py`."""

import argparse
import json
import os
from pathlib import Path
from typing import Final

from deploy import privacy_check
from deploy.privacy_check import dlib_models, photos
from deploy.privacy_check.judges import judges_with
from deploy.privacy_check.measuring import measure
from deploy.privacy_check.report import report

SIZES: Final = (40, 60, 90, 140, 200)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=privacy_check.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "qwencam-privacy"
    add = parser.add_argument
    add("--cache", type=Path, default=cache, help=f"fetched files ({cache})")
    add("--json", type=Path, help="write the figures here")
    add("--sheets", type=Path, help="write pictures of misses and samples here")
    add("--sizes", type=int, nargs="+", default=SIZES, help="faces' heights, px")
    add("--runs", type=int, default=100, help="timed runs of each filter")
    add("--no-independent", action="store_true", help="without dlib (saves 104 MB and minutes)")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure and tell."""
    options = parse(arguments)
    listed = photos.listed()
    photos.fetch(options.cache, listed)
    independent = not options.no_independent
    if independent:
        dlib_models.fetch(options.cache)
    loaded = photos.load(options.cache, listed)
    backgrounds = photos.backgrounds(options.cache)
    judges = judges_with(dlib_models.Dlib(options.cache) if independent else None)
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
    findings = measure(loaded, backgrounds, sizes=options.sizes, judges=judges)
    figures = json.dumps(report(findings, loaded, judges=judges, runs=options.runs), indent=2)
    print(figures)
    if options.json:
        options.json.write_text(figures + "\n")
    if options.sheets:
        findings.sheets.write(options.sheets)
    return 0
