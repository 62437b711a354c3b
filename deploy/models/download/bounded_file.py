"""A file that grows to its announced size and no further, whatever a hub sends."""

import io
from pathlib import Path
from typing import Any


class TooLong(OSError):
    """More came than was announced."""


class BoundedFile(io.BufferedWriter):
    """Appends to a file; ``TooLong`` before it would be longer than ``most`` bytes."""

    def __init__(self, path: Path, *, most: int) -> None:
        super().__init__(io.FileIO(path, "ab"))
        self._most = most

    def write(self, content: Any, /) -> int:
        if self.tell() + memoryview(content).nbytes > self._most:
            raise TooLong
        return super().write(content)
