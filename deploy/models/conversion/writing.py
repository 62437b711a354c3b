"""Makes a converted folder appear whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.models.amounts import amount
from deploy.models.conversion.errors import ConversionError
from deploy.models.download.checksums import SUMS, sha256_of, write_sums

_SPARE_BYTES = 64 * 1024**2


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a conversion needs of a disk, and what is free there; bytes."""

    place: Path
    needed: int
    free: int


def room_for(folder: Path, *, weights: int) -> Room:
    """Return what a folder with so many bytes of weights takes, and what its disk has free."""
    place = _existing(folder)
    needed = weights + weights // 20 + _SPARE_BYTES
    return Room(place=place, needed=needed, free=shutil.disk_usage(place).free)


def check_writable(target: Path) -> None:
    """Raise ``ConversionError`` unless a folder can be made there, before hours of work."""
    place = _existing(target.parent)
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConversionError(f"{place} can't be written: name another folder with --output.")


def check_disk(room: Room) -> None:
    """Raise ``ConversionError`` unless there is room."""
    if room.free < room.needed:
        raise ConversionError(
            f"Not enough disk: {room.place} has {amount(room.free)} free and "
            f"{amount(room.needed)} are needed beside the original. "
            "Make room, or name a folder on another disk with --output."
        )


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.absolute().parents) if each.exists())


@contextmanager
def whole(target: Path, *, last: Callable[[Path], object]) -> Iterator[Path]:
    """Give a folder to write into; when the context ends well, it becomes ``target``.

    It is called ``target``.part, written to the disk and given its ``SHA256SUMS`` first. A failure
    leaves nothing; what a power cut has left is cleared away by the next run.

    Args:
        last: called with the finished folder; if it raises, nothing is kept.
    """
    part = target.with_name(f"{target.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    folder = os.open(part, os.O_RDONLY)
    try:
        _lock(folder, part=part)
        _empty(part)
        try:
            yield part
            _finish(part)
            last(part)
            # In place of an empty folder, too; one with files in it stays and is an error.
            part.rename(target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    finally:
        os.close(folder)
    _sync(target.parent)


def _lock(folder: int, *, part: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConversionError(f"Another conversion is writing {part}: wait for it.") from error


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _finish(folder: Path) -> None:
    """Write checksums, give the files the rights that new files have, and wait for the disk."""
    (folder / SUMS).unlink(missing_ok=True)  # The original's, copied like all that is no weights.
    write_sums(
        folder, sums={path.name: sha256_of(path) for path in folder.iterdir() if path.is_file()}
    )
    umask = os.umask(0)
    os.umask(umask)
    for path in folder.iterdir():
        if path.is_file():
            path.chmod(0o666 & ~umask)
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
