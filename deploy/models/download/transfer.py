"""Fetches a snapshot into a folder beside the target, checks it, and only then renames it."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from deploy.models.amounts import amount
from deploy.models.download.checksums import SUMS, sha256_if_right, write_sums
from deploy.models.download.errors import DownloadError
from deploy.models.download.place import SPARE_BYTES, partial_of, real_place
from deploy.models.download.progress import Progress
from deploy.models.download.record import RECORD, Record, write_record
from deploy.models.download.snapshot import Hub, RemoteFile, Snapshot
from deploy.models.download.verification import check_model

# Files at once: one connection seldom fills a line, and hubs limit many.
WORKERS = 4
# A file that arrives damaged is fetched once more; twice is no accident.
TRIES = 2
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def gathering(target: Path) -> Iterator[Path]:
    """Make the target's partial folder and hold it; ``DownloadError`` if somebody else does."""
    partial = partial_of(target)
    try:
        if not partial.is_symlink():
            partial.mkdir(parents=True, exist_ok=True)
        lock = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if partial.is_symlink():
            raise DownloadError(_link_sentence(partial)) from error
        raise DownloadError(f"{partial} can't be written: {error.strerror}.") from error
    try:
        _hold(lock, target=target)
        _refuse_links(partial)
        yield partial
    finally:
        os.close(lock)


def _hold(lock: int, *, target: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DownloadError(f"Another download into {target} is running: wait for it.") from error
    # What was locked may have become the target meanwhile, and another folder have its name.
    held, partial = os.fstat(lock), partial_of(target)
    if not partial.is_dir() or not os.path.samestat(held, partial.stat()):
        raise DownloadError(f"Another download into {target} has just ended: run this again.")


def _refuse_links(partial: Path) -> None:
    """Nothing here makes links, and what one leads to would be overwritten."""
    for path in partial.rglob("*"):
        if path.is_symlink():
            raise DownloadError(_link_sentence(path))


def _link_sentence(path: Path) -> str:
    return f"{path} is a symbolic link, which no download makes: delete it."


def arrived(hub: Hub, snapshot: Snapshot, *, partial: Path) -> int:
    """Return how many bytes of the snapshot are on the disk."""
    return sum(
        min(file.size, max(_size(partial / file.path), _size(hub.part(file, folder=partial))))
        for file in snapshot.files
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def need_room(snapshot: Snapshot, *, folder: Path, present: int) -> None:
    """Raise ``DownloadError`` unless the rest of the snapshot fits on the folder's disk."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if not os.access(existing, os.W_OK | os.X_OK):
        raise DownloadError(f"{existing} can't be written: choose another folder with --to.")
    missing = snapshot.size - present
    if missing and free < missing + SPARE_BYTES:
        kept = f", {amount(present)} of it are here already" if present else ""
        raise DownloadError(
            f"Not enough disk: {snapshot.repository} is {amount(snapshot.size)}{kept}, and "
            f"{existing} has {amount(free)} free. Make room, or choose another folder with --to."
        )


def fetch_all(hub: Hub, snapshot: Snapshot, *, partial: Path) -> dict[str, str]:
    """Fetch what is missing into the partial folder; return each file's SHA-256 by name.

    Raises ``DownloadError``; files that are under way then go on until the process ends.
    """
    first, *rest = snapshot.files
    try:
        # Alone, since a hub that wants a login or a licence says so at the first file.
        sums = {first.path: _fetch(hub, snapshot, file=first, partial=partial)}
        pool = ThreadPoolExecutor(WORKERS)
        running = {
            pool.submit(_fetch, hub, snapshot, file=file, partial=partial): file for file in rest
        }
        try:
            sums |= {running[done].path: done.result() for done in as_completed(running)}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    except OSError as error:
        raise DownloadError(_disk_sentence(error, partial=partial)) from error
    return sums


def _disk_sentence(error: OSError, *, partial: Path) -> str:
    if error.errno in DISK_FULL:
        return (
            f"The disk filled up under {partial}: make room and run this again; what has arrived "
            "is kept."
        )
    return f"{error.filename or partial} can't be written: {error.strerror or error}."


def _fetch(hub: Hub, snapshot: Snapshot, *, file: RemoteFile, partial: Path) -> str:
    path = partial / file.path
    for _ in range(TRIES):
        if not path.is_file():
            hub.fetch(snapshot, file, folder=partial)
        if digest := sha256_if_right(path, expected=file):
            return digest
        path.unlink()
    raise DownloadError(
        f"{file.path} arrived damaged {TRIES} times: its checksum is not the hub's. It was "
        "deleted; run this again, and if it stays so, check the disk, and any proxy in between."
    )


def publish(snapshot: Snapshot, *, sums: dict[str, str], partial: Path, target: Path) -> None:
    """Write checksums and record, flush all to the disk, and rename the folder to the target."""
    wanted = {file.path for file in snapshot.files}
    for left in partial.iterdir():
        if left.name in wanted:
            continue
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    check_model(partial)
    write_sums(partial, sums=sums)
    record = Record(
        source=snapshot.source,
        repository=snapshot.repository,
        revision=snapshot.revision,
        commit=snapshot.commit,
        sizes={file.path: file.size for file in snapshot.files},
    )
    write_record(partial, record=record)
    for name in (*wanted, SUMS, RECORD, "."):
        _flush(partial / name)
    place = real_place(target)
    partial.rename(place)
    _flush(place.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def transfer(hub: Hub, snapshot: Snapshot, *, target: Path) -> None:
    """Bring the snapshot into the target folder, whole. Raises ``DownloadError``."""
    with gathering(target) as partial:
        present = arrived(hub, snapshot, partial=partial)
        need_room(snapshot, folder=partial, present=present)

        def measure() -> int:
            return arrived(hub, snapshot, partial=partial)

        with Progress(measure, total=snapshot.size):
            sums = fetch_all(hub, snapshot, partial=partial)
        try:
            publish(snapshot, sums=sums, partial=partial, target=target)
        except OSError as error:
            raise DownloadError(_disk_sentence(error, partial=partial)) from error
