"""What a hub says about a repository at one commit, and which of its files vLLM reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from deploy.models.download.record import RECORD

# Weights, settings, tokenizers, chat templates and the licence. Never code: it isn't run, so it
# isn't fetched; and no second copy of the weights (*.bin, *.pth, *.gguf, onnx/).
NEEDED = (
    "*.safetensors",
    "*.json",
    "*.jinja",
    "*.txt",
    "*.model",
    "*.tiktoken",
    "LICENSE*",
    "NOTICE*",
)
# Ours to write beside the model: a repository's own would be taken for them, or be overwritten.
OURS = (RECORD, "SHA256SUMS*")
# Mistral's own format of weights that are there in the usual one as well.
SECOND_COPY = "consolidated*"


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a repository: its path there, size in bytes, and what its content must hash to.

    ``git_blob`` is Git's SHA-1 of the file as a blob, which a hub gives for what is not in LFS.
    """

    path: str
    size: int
    sha256: str | None = None
    git_blob: str | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A repository at one commit. ``revision`` is what was asked for, ``commit`` what that was."""

    source: str
    repository: str
    revision: str
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Hub(Protocol):
    """A place that models come from. They raise ``DownloadError``, or ``OSError`` of the disk."""

    def snapshot(self, repository: str, *, revision: str | None) -> Snapshot:
        """Return what the repository holds now; ``None`` is its main branch."""
        ...

    def fetch(self, snapshot: Snapshot, file: RemoteFile, *, folder: Path) -> None:
        """Put the file into the folder, going on where an earlier try was cut off."""
        ...

    def part(self, file: RemoteFile, *, folder: Path) -> Path:
        """Return where ``fetch`` keeps the file until it has arrived."""
        ...


def needed_by_vllm(files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    """Return the files of the repository's top folder that vLLM reads, the small ones first.

    No path of a subfolder is taken, so none can lead out of the target folder.
    """
    top = [file for file in files if "/" not in file.path and "\\" not in file.path]
    wanted = [file for file in top if _is_one_of(NEEDED, file) and not _is_one_of(OURS, file)]
    weights = [file for file in wanted if file.path.endswith(".safetensors")]
    if any(not fnmatch(file.path, SECOND_COPY) for file in weights):
        wanted = [file for file in wanted if not fnmatch(file.path, f"{SECOND_COPY}.safetensors")]
    return tuple(sorted(wanted, key=lambda file: (file.size, file.path)))


def _is_one_of(patterns: Iterable[str], file: RemoteFile) -> bool:
    return any(fnmatch(file.path, pattern) for pattern in patterns)
