"""Hashes of files, and ``SHA256SUMS`` as ``sha256sum --check`` reads it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from deploy.models.download.errors import DownloadError
from deploy.models.download.snapshot import RemoteFile

SUMS = "SHA256SUMS"
BLOCK = 4 * 1024 * 1024


def sha256_if_right(path: Path, *, expected: RemoteFile) -> str | None:
    """Return the file's SHA-256, or None if its size or a hash is not what the hub says."""
    size = path.stat().st_size
    if size != expected.size:
        return None
    sha256 = hashlib.sha256()
    # Git hashes a blob with this header in front.
    blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as content:
        while block := content.read(BLOCK):
            sha256.update(block)
            if expected.sha256 is None:
                blob.update(block)
    if expected.sha256 is not None:
        return sha256.hexdigest() if sha256.hexdigest() == expected.sha256.lower() else None
    if expected.git_blob is not None and blob.hexdigest() != expected.git_blob:
        return None
    return sha256.hexdigest()


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_sums(folder: Path, *, sums: Mapping[str, str]) -> None:
    """Write the folder's ``SHA256SUMS``: a line of hash, two blanks and name for each file."""
    lines = [f"{sums[name]}  {name}\n" for name in sorted(sums)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def read_sums(folder: Path) -> dict[str, str]:
    """Return the hashes by file name; ``DownloadError`` if there are none or they can't be read."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DownloadError(
            f"{folder / SUMS} is missing or can't be read: download again."
        ) from error
    sums = {}
    for line in lines:
        digest, blanks, name = line.partition("  ")
        if not blanks or len(digest) != 64 or not name or "/" in name:
            raise DownloadError(f"{folder / SUMS} has a line that is no checksum.")
        sums[name] = digest
    if not sums:
        raise DownloadError(f"{folder / SUMS} is empty.")
    return sums
