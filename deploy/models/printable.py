"""Texts that strangers chose (names in a file, a server's words), made fit for a terminal."""


def printable(text: str) -> str:
    """Return a text in one line, with a blank for each character that could steer a terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)
