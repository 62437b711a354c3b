#!/usr/bin/env python
"""Django's command line for maintainers.

A wrong setting is one sentence and exit code 1, whichever command was asked for. Beside a
quickstart no settings need to be given.
"""

import os
import sys
from pathlib import Path

try:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
except ModuleNotFoundError:
    # The system's Python: the platform's own is the one to go on with.
    python = Path(__file__).resolve().parent / ".venv" / "bin" / "python"
    if not python.exists() or Path(sys.prefix) == python.parent.parent:
        sys.exit("Django is not installed here: ./scripts/quickstart.sh installs it into .venv.")
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 -- no shell wanted

from qwencam_site import quickstart_settings

INTERRUPTED = 130  # what shells report for Ctrl-C: 128 + SIGINT


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qwencam_site.settings")
    quickstart_settings.load_missing(Path(__file__).resolve().parent, environment=os.environ)
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if sys.argv[1:2] == ["qwencam_doctor"]:
            _examine_without_settings(str(error))
        hint = quickstart_settings.not_found_hint(environment=os.environ)
        sys.exit(f"A setting is wrong. {error}{hint}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _examine_without_settings(problem: str) -> None:
    """Let the doctor report what needs no settings beside `problem`, the settings' own sentence."""
    from apps.maintenance.management.commands.qwencam_doctor import Command

    Command(settings_problem=problem).run_from_argv(sys.argv)


if __name__ == "__main__":
    main()
