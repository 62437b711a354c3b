"""Texts that strangers chose (names in a file, a server's words), made fit for a terminal."""

import re
from typing import Final

# A word that nobody reads to its end: no path on a terminal is as long.
_LONG_WORD: Final = re.compile(r"(\S{60})\S{240,}?(?=[:;.,']*(?:\s|$))")


def printable(text: str) -> str:
    """Return a text in one line, with a blank for each character that could steer a terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)


def sentence(said: object) -> str:
    """Return what went wrong in one line that a person can read: words of 300 letters are cut."""
    return _LONG_WORD.sub(r"\1…", printable(str(said)))


def sentence_of(error: OSError, *, doing: str) -> str:
    """Return that a file can't be read (written, used), and why."""
    named = error.filename if error.filename is not None else "A file"
    return sentence(f"{named} can't be {doing}: {error.strerror or error}.")
