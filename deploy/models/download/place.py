"""Where a download gathers its files, and the room it leaves on the disk."""

from pathlib import Path

# Left free beside the model, for what is written around it.
SPARE_BYTES = 64_000_000


def real_place(target: Path) -> Path:
    """Return what a target's folder really is: one may be a link to a larger disk."""
    return target.resolve() if target.is_symlink() else target


def partial_of(target: Path) -> Path:
    """Return the folder that a target's files are gathered in until all are there."""
    place = real_place(target)
    return place.with_name(f"{place.name}.partial")
