"""Checks of the machine and of what is installed on it. They need no settings."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from apps.inference.gpus import Gpu, read_gpus
from apps.maintenance.doctor.findings import Check, Finding, failed, ok, skipped, warning

OLDEST_PYTHON: Final = (3, 11)
DISK_LOW_BYTES: Final = 1 << 30
DISK_FULL_BYTES: Final = 100 << 20
_MOST_NAMED: Final = 4
_REINSTALL: Final = (
    "Install the pinned versions: pip install --require-hashes --no-deps -r requirements.txt."
)


def host_checks(root: Path) -> list[Check]:
    """The checks of this machine, for the platform whose files are in `root`."""
    return [
        Check(group="Host", name="Python", run=lambda: check_python(sys.version_info[:3])),
        Check(
            group="Host",
            name="packages",
            run=lambda: check_packages(root / "requirements.txt"),
        ),
        Check(group="Host", name="ffmpeg", run=check_ffmpeg),
        Check(group="Host", name="GPU", run=check_gpu),
    ]


def checks_without_settings(root: Path, *, problem: str) -> list[Check]:
    """What can be checked when the settings can't be read; `problem` says why they can't."""
    return [
        *host_checks(root),
        Check(group="Settings", name="settings", run=partial(_settings_wrong, problem)),
    ]


def _settings_wrong(problem: str) -> Finding:
    return failed(
        problem, mend="Correct it in .env or in the environment; env.example explains each setting."
    )


def check_python(version: tuple[int, ...]) -> Finding:
    """Is the interpreter new enough?"""
    found = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return failed(found, mend=f"Make the virtual environment with Python {wanted} or newer.")
    return ok(found)


def check_packages(pins: Path) -> Finding:
    """Is what requirements.txt pins installed, in those versions?"""
    if not pins.is_file():
        return skipped("There is no requirements.txt to compare with.")
    wanted = list(_pinned(pins.read_text(encoding="utf-8")))
    missing = [one.name for one in wanted if not _installed(one.name)]
    if missing:
        return failed(f"Missing: {_listed(missing)}", mend=_REINSTALL)
    others = [
        f"{one.name} {_installed(one.name)} instead of {str(one.specifier).removeprefix('==')}"
        for one in wanted
        if _installed(one.name) not in one.specifier
    ]
    if others:
        return warning(_listed(others), mend=_REINSTALL)
    return ok(f"all {len(wanted)} as pinned")


def _pinned(text: str) -> Iterable[Requirement]:
    """The requirements in `text` that are for this platform."""
    for line in text.splitlines():
        if not line or line.startswith(("#", " ", "-")):
            continue
        # Its hashes follow on lines of their own.
        requirement = Requirement(line.removesuffix("\\"))
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement


def _installed(name: str) -> str:
    """The version of the package that is installed, empty without one."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _listed(items: Sequence[str]) -> str:
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def check_ffmpeg() -> Finding:
    """Do FFmpeg's libraries load, and do the decoders of cameras' streams open?"""
    try:
        import av
        from av.codec import CodecContext

        libraries = av.library_versions
        for name in ("vp8", "h264"):
            context = CodecContext.create(name, "r")
            context.open(strict=False)
    except (ImportError, OSError, ValueError) as error:
        return failed(
            f"The video decoders don't work: {error}",
            mend="Install the av wheel for this platform: pip install --force-reinstall av.",
        )
    codecs, util = (".".join(map(str, libraries[key])) for key in ("libavcodec", "libavutil"))
    return ok(f"libavcodec {codecs}, libavutil {util}; VP8 and H.264 decoders open")


def check_gpu() -> Finding:
    """Which GPUs does this machine have? Having none is no fault."""
    gpus = read_gpus()
    if not gpus:
        return skipped("No GPU here: the model runs on the CPU or on another host.")
    return ok(", ".join(map(_gpu_text, gpus)))


def _gpu_text(gpu: Gpu) -> str:
    return f"{gpu.name} ({gpu.memory_total >> 30} GiB)" if gpu.memory_total else gpu.name


@dataclass(frozen=True)
class Space:
    """Bytes free in a folder."""

    folder: Path
    free: int


def check_disk(folders: Iterable[Path]) -> Finding:
    """Is there room where the platform writes?"""
    spaces = [_space(folder) for folder in folders]
    if not spaces:
        return skipped("The platform writes to no disk here.")
    return judge_space(spaces)


def judge_space(spaces: Sequence[Space]) -> Finding:
    """Is every one of `spaces` large enough?"""
    found = ", ".join(
        f"{space.free / (1 << 30):.1f} GiB free in {space.folder}" for space in spaces
    )
    least = min(space.free for space in spaces)
    mend = "Make room there, or move the database and the logs to a larger disk."
    if least < DISK_FULL_BYTES:
        return failed(found, mend=mend)
    return warning(found, mend=mend) if least < DISK_LOW_BYTES else ok(found)


def _space(folder: Path) -> Space:
    """The room in `folder`, or where it would be made."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return Space(folder, shutil.disk_usage(there).free)


def check_log_file(path: str) -> Finding:
    """Can the log file be written?"""
    if not path:
        return skipped("LOG_FILE is empty: logs go to standard error.")
    if not os.access(path, os.W_OK):
        return failed(
            f"{path} can't be written.",
            mend="Make the file and its folder writable for the platform's user.",
        )
    return ok(path)
