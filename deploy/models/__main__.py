"""``python3 -m deploy.models``: the models that are known by a short name."""

import argparse
import sys
from collections.abc import Sequence

from deploy.models.catalogue import DEFAULT_MODEL, KNOWN_MODELS
from deploy.models.command_line import run_command


def main(arguments: Sequence[str]) -> int:
    """Print the list; return the exit status."""
    argparse.ArgumentParser(
        prog="python3 -m deploy.models",
        description="Lists the models that are known by a short name: what each is, and for whom.",
    ).parse_args(arguments)
    for model in KNOWN_MODELS:
        size = f"{'about ' if model.estimated else ''}{model.shape.weight_bytes / 1e9:.1f} GB"
        default = " (default)" if model is DEFAULT_MODEL else ""
        print(f"{model.name}{default}: {model.repository}, {size}, for {model.made_for}.")  # noqa: T201
        print(f"    {model.differs}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
