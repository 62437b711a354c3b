"""Is a downloaded folder still what arrived? Offline."""

import json
from collections.abc import Callable
from pathlib import Path

from deploy.models.download.checksums import read_sums, sha256_of
from deploy.models.download.errors import DownloadError
from deploy.models.safetensors_files import UNREADABLE_JSON, WeightsError, read_weights


def verify(folder: Path, *, again: str, on_file: Callable[[str], None]) -> int:
    """Check hashes, headers and index of the folder; return how many files it has.

    ``on_file`` is called with each file's name before it is read. ``DownloadError`` names what is
    wrong; ``again`` is the command that fetches what is missing.
    """
    sums = read_sums(folder)
    for name, digest in sums.items():
        on_file(name)
        path = folder / name
        if not path.is_file():
            raise DownloadError(f"{path} is missing: fetch it with {again}.")
        if sha256_of(path) != digest:
            raise DownloadError(
                f"{path} is damaged: its SHA-256 is not the one in SHA256SUMS. "
                f"Delete this file and fetch it again with {again}."
            )
    if unlisted := [path.name for path in folder.glob("*.safetensors") if path.name not in sums]:
        raise DownloadError(f"{folder / unlisted[0]} is not in SHA256SUMS: delete it.")
    check_model(folder)
    return len(sums)


def check_model(folder: Path) -> None:
    """Raise ``DownloadError`` unless config.json can be read and the weights are complete."""
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, *UNREADABLE_JSON) as error:
        raise DownloadError(f"{folder} has no config.json that can be read.") from error
    try:
        read_weights(folder)
    except WeightsError as error:
        raise DownloadError(str(error)) from error
