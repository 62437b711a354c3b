"""A file that grows to its announced size and no further, whatever a hub sends."""

import io
import os
from pathlib import Path
from typing import Any


class TooLong(OSError):
    """More came than was announced."""


class BoundedFile(io.BufferedWriter):
    """Appends to a file; ``TooLong`` before it would be longer than ``most`` bytes.

    A symbolic link is not followed (``OSError`` with ELOOP): it would lead out of the folder.
    """

    def __init__(self, path: Path, *, most: int) -> None:
        super().__init__(io.FileIO(path, "ab", opener=_no_link))
        self._most = most

    def write(self, content: Any, /) -> int:
        if self.tell() + memoryview(content).nbytes > self._most:
            raise TooLong
        return super().write(content)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)
