"""`manage.py qwencam_doctor`: is everything there and well, and if not, how to mend it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandParser
from django.db import connections

from apps.maintenance.command import MaintenanceCommand, argument_type
from apps.maintenance.doctor.findings import Check, Result
from apps.maintenance.doctor.report import Paint, as_json, summary, text_lines, worst
from apps.maintenance.doctor.running import run_checks
from qwencam_site import __version__

_ROOT = Path(__file__).resolve().parents[4]


class Command(MaintenanceCommand):
    help = (
        "Checks every dependency and setting, changes nothing, and says in one sentence how to "
        "mend what is not well. Run it with the settings and as the user of the platform."
    )
    examples = """\
  manage.py qwencam_doctor
  manage.py qwencam_doctor --timeout 10
  manage.py qwencam_doctor --json | jq '.checks[] | select(.status == "failed")'"""
    # What they would complain about is for the doctor to report.
    requires_system_checks = []

    def __init__(self, *args: Any, settings_problem: str = "", **options: Any) -> None:
        """Take `settings_problem` for why there are no settings; empty where there are."""
        super().__init__(*args, **options)
        self._settings_problem = settings_problem

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--timeout",
            type=argument_type(_timeout),
            default=2.0,
            metavar="SECONDS",
            help="longest time for each check (default: %(default)g)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        timeout = options["timeout"]
        checks = self._checks(timeout=timeout)
        running = run_checks(checks, timeout=timeout, after=_close_connections)
        results: list[Result] = []
        if options["json"]:
            results = list(running)
            self.write_json({"version": __version__, **as_json(results)})
        else:
            self.stdout.write(f"QwenCam {__version__}")
            for line in text_lines(_kept(running, results), checks=checks, paint=self._paint()):
                self.stdout.write(line)
                self.stdout.flush()
            self.stdout.write(f"\n{summary(results)}")
        if worst(results) == "failed":
            sys.exit(1)

    def _checks(self, *, timeout: float) -> list[Check]:
        # Needs settings, which may be what is wrong.
        if self._settings_problem:
            from apps.maintenance.doctor.host import checks_without_settings

            return checks_without_settings(_ROOT, problem=self._settings_problem)
        from apps.maintenance.doctor.examination import all_checks

        return all_checks(timeout=timeout)

    def _paint(self) -> Mapping[str, Paint]:
        return {
            "ok": self.style.SUCCESS,
            "warning": self.style.WARNING,
            "failed": self.style.ERROR,
            "skipped": str,
            "group": self.style.MIGRATE_HEADING,
        }


def _kept(results: Iterator[Result], kept: list[Result]) -> Iterator[Result]:
    """Pass `results` on as they come, and keep them."""
    for result in results:
        kept.append(result)
        yield result


def _close_connections() -> None:
    """Close what a check's thread has opened of the database; without settings there is none."""
    with suppress(ImproperlyConfigured):
        connections.close_all()


def _timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 60:
        raise ValueError(f"{text!r} is no number of seconds from 0.1 to 60.")
    return seconds
