"""Where facts about a machine come from: its files, its tools, its devices, its disks.

A `Machine` is asked for raw text only. `LiveMachine` reads this one, `RecordedMachine` reads a
folder that `RecordingMachine` wrote, so that a test, or somebody far away, sees what it said.

A recording holds ``files/`` (the files that were read, at their paths), ``tools/`` (what each
command printed) and ``machine.json`` (what there was to find, devices, the disk, UDP ports).
"""

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from deploy.models.paths import expanded

# A tool of a broken driver may wait for ever. amd-smi of eight cards takes a few seconds.
TOOL_TIMEOUT_SECONDS: Final = 20.0
# ROCm installs its tools outside the PATH of most accounts.
TOOL_FOLDERS: Final = ("/opt/rocm/bin", "/usr/sbin", "/sbin")
_MOST_BYTES: Final = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class ToolOutput:
    """What a command printed.

    Attributes:
        code: its exit status; None where it was cut off at the timeout.
    """

    code: int | None
    stdout: str = ""
    stderr: str = ""

    @property
    def complaint(self) -> str:
        """The first lines of what it said, in one line: errors often go to standard output."""
        text = self.stderr.strip() or self.stdout.strip()
        return " ".join(text.split())[:200]


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device file and what the current user may do with it."""

    readable: bool
    writable: bool
    group: str


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Free and total bytes of the file system that a folder is on."""

    free: int
    total: int


class Machine(Protocol):
    """Raw facts. Nothing here raises: what isn't there is None or empty."""

    def read(self, path: str) -> str | None:
        """Return a text file, or None."""

    def find(self, pattern: str) -> list[str]:
        """Return the paths that a glob pattern matches, sorted; digits by value."""

    def run(self, *command: str) -> ToolOutput | None:
        """Return what a command printed, or None where it isn't installed."""

    def device(self, path: str) -> Device | None:
        """Return a device file's rights, or None where there is none."""

    def disk(self, folder: str) -> Disk | None:
        """Return the disk that a folder is on (or will be, for one that isn't there yet)."""

    def taken_udp_ports(self, low: int, high: int) -> int:
        """Return how many UDP ports from low to high can't be bound."""


def natural(text: str) -> list[str | int]:
    """Return a sort key by which ``card10`` follows ``card9``."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


class LiveMachine:
    """This machine."""

    def __init__(self, *, tool_timeout: float = TOOL_TIMEOUT_SECONDS) -> None:
        self._tool_timeout = tool_timeout

    def read(self, path: str) -> str | None:
        """Return a text file, or None."""
        return _read(Path(path))

    def find(self, pattern: str) -> list[str]:
        """Return the paths that a glob pattern matches."""
        return _find(Path("/"), pattern)

    def run(self, *command: str) -> ToolOutput | None:
        """Return what a command printed, cut off at the timeout with all that it started."""
        program = shutil.which(command[0], path=os.pathsep.join((_path(), *TOOL_FOLDERS)))
        if program is None:
            return None
        try:
            with (
                subprocess.Popen(  # noqa: S603 -- the commands are ours
                    [program, *command[1:]],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    env={**os.environ, "LC_ALL": "C"},
                    start_new_session=True,
                ) as process
            ):
                return _wait(process, timeout=self._tool_timeout)
        except OSError as error:
            return ToolOutput(code=127, stderr=f"{command[0]}: {error.strerror}")

    def device(self, path: str) -> Device | None:
        """Return a device's rights, by trying to open it: access(2) knows no device cgroups."""
        place = Path(path)
        if not place.exists():
            return None
        return Device(
            readable=_opens(place, os.O_RDONLY),
            writable=_opens(place, os.O_RDWR),
            group=_group(place),
        )

    def disk(self, folder: str) -> Disk | None:
        """Return the disk that a folder is on."""
        place = expanded(folder).absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        try:
            usage = shutil.disk_usage(place)
        except OSError:
            return None
        return Disk(free=usage.free, total=usage.total)

    def taken_udp_ports(self, low: int, high: int) -> int:
        """Try to bind each port on all addresses, and give it back at once."""
        taken = 0
        for port in range(low, high + 1):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind(("0.0.0.0", port))  # noqa: S104 -- streams bind all addresses
                except OSError as error:
                    taken += error.errno in {errno.EADDRINUSE, errno.EACCES}
        return taken


def _path() -> str:
    return os.environ.get("PATH", os.defpath)


def _wait(process: "subprocess.Popen[str]", *, timeout: float) -> ToolOutput:
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        _abandon(process)
        return ToolOutput(code=None, stderr=f"no answer within {timeout:g} s")
    return ToolOutput(code=process.returncode, stdout=stdout, stderr=stderr)


def _abandon(process: "subprocess.Popen[str]") -> None:
    """End with a process that was killed, even if it hangs in the driver and can't die yet."""
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.returncode = -signal.SIGKILL


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        # Some files of sysfs exist and answer EINVAL or EPERM where the card has no such value.
        return None


def _find(root: Path, pattern: str) -> list[str]:
    found = root.glob(pattern.lstrip("/"))
    return sorted((f"/{path.relative_to(root)}" for path in found), key=natural)


def _opens(path: Path, flags: int) -> bool:
    try:
        os.close(os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def _group(path: Path) -> str:
    try:
        return path.group()
    except KeyError:
        return str(path.stat().st_gid)  # A container often lacks the name.
    except OSError:
        return "?"


class RecordedMachine:
    """A machine as it was recorded in a folder."""

    def __init__(self, folder: Path) -> None:
        self._files = folder / "files"
        self._tools = folder / "tools"
        self._notes: dict[str, Any] = json.loads(_read(folder / "machine.json") or "{}")

    def read(self, path: str) -> str | None:
        """Return a file of the recording, or None."""
        return _read(self._files / path.lstrip("/"))

    def find(self, pattern: str) -> list[str]:
        """Return what matched then."""
        found = self._notes.get("found", {}).get(pattern)
        return _find(self._files, pattern) if found is None else list(found)

    def run(self, *command: str) -> ToolOutput | None:
        """Return what the command printed then; None where it was not installed."""
        text = _read(self._tools / file_name_of(command))
        return None if text is None else parse_transcript(text)

    def device(self, path: str) -> Device | None:
        """Return the rights of then."""
        found = self._notes.get("devices", {}).get(path)
        return Device(**found) if found else None

    def disk(self, folder: str) -> Disk | None:
        """Return the disk of then; of whatever folder, since one disk is enough to know."""
        found = self._notes.get("disk")
        return Disk(**found) if found else None

    def taken_udp_ports(self, low: int, high: int) -> int:
        """Return how many ports were taken then."""
        return int(self._notes.get("taken_udp_ports", 0))


class RecordingMachine:
    """Another machine, whose answers are written into a folder as they come."""

    def __init__(self, machine: Machine, *, folder: Path) -> None:
        self._machine = machine
        self._folder = folder
        self._notes: dict[str, Any] = {"devices": {}, "found": {}}
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, path: str) -> str | None:
        """Return a file, and keep it."""
        text = self._machine.read(path)
        if text is not None:
            self._write(f"files/{path.lstrip('/')}", text)
        return text

    def find(self, pattern: str) -> list[str]:
        """Return what matches, and keep the list."""
        found = self._notes["found"][pattern] = self._machine.find(pattern)
        self._save()
        return found

    def run(self, *command: str) -> ToolOutput | None:
        """Return what a command printed, and keep it."""
        output = self._machine.run(*command)
        if output is not None:
            self._write(f"tools/{file_name_of(command)}", transcript(command, output))
        return output

    def device(self, path: str) -> Device | None:
        """Return a device's rights, and keep them."""
        device = self._machine.device(path)
        if device is not None:
            self._notes["devices"][path] = asdict(device)
            self._save()
        return device

    def disk(self, folder: str) -> Disk | None:
        """Return a disk, and keep it."""
        disk = self._machine.disk(folder)
        if disk is not None:
            self._notes["disk"] = asdict(disk)
            self._save()
        return disk

    def taken_udp_ports(self, low: int, high: int) -> int:
        """Return how many ports are taken, and keep the number."""
        taken = self._notes["taken_udp_ports"] = self._machine.taken_udp_ports(low, high)
        self._save()
        return taken

    def _save(self) -> None:
        self._write("machine.json", json.dumps(self._notes, indent=2, sort_keys=True) + "\n")

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def file_name_of(command: Sequence[str]) -> str:
    """Return the file that a command's output is kept in."""
    return re.sub(r"[^A-Za-z0-9.,=]+", "_", " ".join(command))[:120] + ".txt"


def transcript(command: Sequence[str], output: ToolOutput) -> str:
    """Return a command and its output as text that a person can read and write."""
    code = "timeout" if output.code is None else output.code
    text = f"$ {' '.join(command)}\nexit {code}\n--- stdout\n{output.stdout}"
    return text if not output.stderr else f"{_closed(text)}--- stderr\n{output.stderr}"


def _closed(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def parse_transcript(text: str) -> ToolOutput:
    """Return the output that a transcript holds."""
    head, _, rest = text.partition("--- stdout\n")
    stdout, _, stderr = rest.partition("--- stderr\n")
    code = head.rpartition("exit ")[2].strip()
    return ToolOutput(code=None if code == "timeout" else int(code), stdout=stdout, stderr=stderr)
