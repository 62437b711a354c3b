"""What processes write to files and whom they connect to, as the kernel sees it (strace)."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

_CALLS = (
    "open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,connect,"
    "sendfile,copy_file_range,splice,memfd_create,rename,renameat,renameat2"
)
_OPENS = {"open", "openat", "openat2", "creat"}
_MAKES = {"memfd_create", "rename", "renameat", "renameat2"}
# With -xx every path, argument and name is written in hex, so none can be taken for syntax. A call
# that another thread interrupts still shows all its arguments on its first line.
_CALL = re.compile(r"\d+ +(\w+)\((?:\w+<([^<>]*)>)?")
_QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_WRITING = re.compile(r"O_WRONLY|O_RDWR")
_ADDRESS = re.compile(r'inet_(?:addr|pton)\([^"]*"([^"]*)"')
_NOT_ON_DISK = ("/dev/null", "/dev/pts/", "/dev/tty", "/proc/")


class WrittenFiles:
    """Watches processes, all their threads and children, from ``start`` to ``stop``.

    Attributes:
        opened: paths that were opened for writing, made or renamed.
        written: what was written to each file, whether it was opened before or since.
        reached: IP addresses that were connected to.
    """

    def __init__(self, record: Path) -> None:
        self.opened: set[str] = set()
        self.written: dict[str, bytes] = {}
        self.reached: set[str] = set()
        self._record = record
        self._strace: subprocess.Popen[bytes] | None = None

    def start(self, pids: list[int]) -> None:
        """Attach to the processes; return once the kernel reports every one of them."""
        assert shutil.which("strace"), "strace is missing: apt-get install strace."
        command = ["strace", "-f", "-y", "-xx", "-s", "10000000", "-e", f"trace={_CALLS}"]
        command += ["-o", str(self._record)]
        for pid in pids:
            command += ["-p", str(pid)]
        notices = self._record.with_suffix(".notices")
        with notices.open("wb") as file:
            self._strace = subprocess.Popen(command, stderr=file)
        deadline = time.monotonic() + 20
        while not all(f"Process {pid} attached" in notices.read_text() for pid in pids):
            assert self._strace.poll() is None, notices.read_text()
            assert time.monotonic() < deadline, notices.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """Detach, and read what happened."""
        assert self._strace is not None
        self._strace.send_signal(signal.SIGINT)
        self._strace.wait(timeout=60)
        for line in self._record.read_text().splitlines():
            found = _CALL.match(line)
            if found:
                self._take(found[1], _plain(found[2] or ""), line)

    def _take(self, call: str, path: str, line: str) -> None:
        quoted = [_bytes(text) for text in _QUOTED.findall(line)]
        if call == "connect":
            self.reached.update(_plain(address) for address in _ADDRESS.findall(line))
        elif call in _MAKES:
            self.opened.update(text.decode("latin-1") for text in quoted)
        elif call in _OPENS:
            # A path that is not absolute begins at the folder the call names.
            name = str(Path(path) / quoted[0].decode("latin-1"))
            if (call == "creat" or _WRITING.search(line)) and _on_disk(name):
                self.opened.add(name)
        elif path.startswith("/") and _on_disk(path):
            self.written[path] = self.written.get(path, b"") + b"".join(quoted)


def _on_disk(path: str) -> bool:
    return not path.startswith(_NOT_ON_DISK)


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _plain(escaped: str) -> str:
    return _bytes(escaped).decode("latin-1") if escaped.startswith("\\x") else escaped
