"""The commands' common parts: examples in the help, `--json`, progress, argument types."""

import json
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
    OutputWrapper,
)
from django.db import DatabaseError

Value = TypeVar("Value")


class _WithExamples(DjangoHelpFormatter):
    """Django's help, with the line breaks of the examples at its end kept."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if not text.startswith("Examples:"):
            return super()._fill_text(text, width, indent)
        return "\n".join(indent + line for line in text.splitlines())


class MaintenanceCommand(BaseCommand):
    """A command with `--json` and with `examples` below its help.

    Exit codes: 0 done, 1 failed or nothing matched, 2 wrongly called.
    """

    examples: str = ""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Return Django's parser with the examples below it."""
        epilog = f"Examples:\n{self.examples}\n\nExit codes: 0 done, 1 failed, 2 wrongly called."
        parser = super().create_parser(
            prog_name, subcommand, epilog=epilog, formatter_class=_WithExamples, **options
        )
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; a database that fails is a sentence, not a traceback."""
        try:
            return super().execute(*args, **options)
        except DatabaseError as error:
            reason = " ".join(str(error).split())
            raise CommandError(
                f"The database can't be used ({reason}). manage.py qwencam_doctor says more."
            ) from error

    def write_json(self, value: object) -> None:
        """Print `value` for programs."""
        self.stdout.write(json.dumps(value, indent=2))

    def progress(self, of: int, what: str) -> "Progress":
        """Return a count that is shown on the terminal while it grows."""
        return Progress(self.stderr, of=of, what=what)


class Progress:
    """`120 of 500 sessions`, rewritten in place on standard error; silent unless a terminal."""

    def __init__(self, stream: OutputWrapper, *, of: int, what: str) -> None:
        self._stream = stream
        self._of = of
        self._what = what
        self._done = 0
        self._shows = stream.isatty() and of > 1

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shows:
            self._stream.write("\r\033[K", style_func=str, ending="")

    def add(self, count: int = 1) -> None:
        """Count what was just done."""
        self._done += count
        if self._shows:
            of = max(self._of, self._done)
            line = f"\r\033[K{self._done} of {of} {self._what}"
            self._stream.write(line, style_func=str, ending="")
            self._stream.flush()


def argument_type(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """Return `parse` as an argument's type: its ValueError's sentence becomes the usage error."""

    def typed(text: str) -> Value:
        try:
            return parse(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return typed


def positive(text: str) -> int:
    """Return a whole number of at least one."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise ValueError(f"{text!r} is no whole number of at least 1.")
    return number
