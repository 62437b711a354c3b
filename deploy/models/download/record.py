"""Where a folder's model came from: written last, so a folder that has it is whole."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

RECORD = "SOURCE.json"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished download. ``sizes`` are the bytes of each file, by name."""

    source: str
    repository: str
    revision: str
    commit: str
    sizes: Mapping[str, int]

    def answers(self, *, source: str, repository: str, revision: str | None) -> bool:
        """Say whether this is what is asked for, as far as that can be said without the hub."""
        return (
            self.source == source
            and self.repository.lower() == repository.lower()
            and revision in (None, self.revision, self.commit)
        )

    def missing(self, folder: Path) -> list[str]:
        """Return the files that are not there any more, or have another size."""
        return [
            name
            for name, size in self.sizes.items()
            if not (folder / name).is_file() or (folder / name).stat().st_size != size
        ]


def read_record(folder: Path) -> Record | None:
    """Return the folder's record, or None if it has none that can be read."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Record(
            source=str(record["source"]),
            repository=str(record["repository"]),
            revision=str(record["revision"]),
            commit=str(record["commit"]),
            sizes={str(name): int(size) for name, size in record["sizes"].items()},
        )
    except (
        OSError,
        ValueError,
        RecursionError,
        OverflowError,
        KeyError,
        TypeError,
        AttributeError,
    ):
        return None


def write_record(folder: Path, *, record: Record) -> None:
    """Write the folder's record."""
    text = json.dumps(asdict(record), indent=2, sort_keys=True) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")
