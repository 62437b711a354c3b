"""A small Linux host of a test's own: systemd as PID 1 in namespaces, by systemd-nspawn.

``/usr`` is this machine's, read-only; ``/etc``, ``/var``, ``/opt`` and ``/srv`` are its own, and
the network is shared. What it runs ends with the test, also when the test is killed.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import psutil

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
_HIDDEN = sys.base_prefix.startswith(("/root/", "/home/"))
PYTHON_HOME = Path("/opt/python" if _HIDDEN else sys.base_prefix)
"""Where it has the interpreter of the tests: services see nothing below /root or /home."""
_COPIED = (
    "alternatives debian_version ld.so.cache ld.so.conf ld.so.conf.d localtime login.defs "
    "nsswitch.conf pam.d postgresql-common protocols security services ssl"
)
_QUIET = (
    "console-getty.service dbus.service dbus.socket getty.target systemd-binfmt.service "
    "systemd-logind.service systemd-networkd.service systemd-resolved.service "
    "systemd-timesyncd.service systemd-update-utmp.service systemd-user-sessions.service"
)
"""Units of every system that nothing here needs."""
_GUARD = """
cat
echo 1 >"$1/cgroup.kill"
while [ -d "$1" ]; do
    find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
    sleep 0.05
done
"""
"""Ends the host when its standard input does: with the test, however that ends."""
_PASSWD = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
_GROUP = "root:x:0:\nshadow:x:42:\ntty:x:5:\nnogroup:x:65534:\n"


def why_not() -> str:
    """Return why no host can be booted here; empty where one can."""
    if os.geteuid() != 0:
        return "Only root can boot a systemd in namespaces: run the tests as root, or in CI."
    if shutil.which("systemd-nspawn") is None:
        return "systemd-nspawn is not installed: ./scripts/test.sh installs it."
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        return (
            "This root may not make namespaces (CAP_SYS_ADMIN): run the tests outside a container."
        )
    if not os.access(_cgroups() or "/absent", os.W_OK):
        return "There are no cgroups of version 2 that can be written here; systemd needs them."
    return ""


def _cgroups() -> Path | None:
    """Return the folder of this process's cgroup, of version 2; ``None`` where there is none."""
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    root = next((Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"), None)
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::")), "")
    return root / own if root else None


class BootedHost:
    """One host.

    Args:
        folder: where its files are.
        whole: a whole system is there already, in ``root`` of the folder; nothing is borrowed.
    """

    def __init__(self, folder: Path, *, whole: bool = False) -> None:
        self.root = folder / "root"
        self._whole = whole
        self._binds = {} if whole else {"/usr": Path("/usr")}
        if not whole and not PYTHON_HOME.is_relative_to("/usr"):
            self._binds[str(PYTHON_HOME)] = Path(sys.base_prefix)
        self._console = folder / "console"
        self._guard: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def see(self, binds: Mapping[str, Path]) -> None:
        """Let it see further folders of this machine, by their paths there, before it boots."""
        self._binds.update(binds)

    def boot(self) -> None:
        """Start it and wait until its systemd is there."""
        if not self._whole:
            self._make_root()
        binds = [f"--bind-ro={source}:{target}" for target, source in self._binds.items()]
        cgroup = new_cgroup()
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "sh", str(cgroup)], stdin=subprocess.PIPE, start_new_session=True
        )
        # systemd-nspawn makes the host's cgroups below its own: two hosts must not share one.
        enter = f'echo $$ >{cgroup}/cgroup.procs && exec "$@"'
        command = ["sh", "-c", enter, "sh", "unshare", "--mount", "--propagation", "private"]
        command += ["systemd-nspawn", "-D", str(self.root), "--boot", "--keep-unit"]
        command += ["--register=no", "--link-journal=no", "--console=pipe", "--quiet"]
        command += ["--resolv-conf=copy-host", *binds]
        command += [] if self._whole else ["--tmpfs=/usr/local:mode=755"]
        command += ["systemd.unit=multi-user.target"]
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                command,
                # Of cgroups' first version systemd does not hear when the last process has ended.
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self._wait_until_up()

    def _make_root(self) -> None:
        root = self.root
        folders = (
            "dev etc/systemd/system etc/sysusers.d etc/tmpfiles.d opt proc root run srv sys tmp usr"
        )
        for name in (*folders.split(), "var/log", "var/tmp"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            if Path("/", name).is_symlink():
                (root / name).symlink_to(f"usr/{name}")
        for name in ("tmp", "var/tmp"):
            (root / name).chmod(0o1777)
        for name in _COPIED.split():
            source = Path("/etc", name)
            if source.is_dir():
                shutil.copytree(source, root / "etc" / name, symlinks=True)
            elif source.exists():
                shutil.copy2(source, root / "etc" / name)
        shutil.copy("/usr/lib/os-release", root / "etc/os-release")
        for unit in _QUIET.split():
            (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
        files = {
            "passwd": _PASSWD,
            "group": _GROUP,
            "shadow": "root:*:1::::::\n",
            "machine-id": "",
            "hostname": "booted\n",
            "hosts": "127.0.0.1 localhost booted\n",
        }
        for name, content in files.items():
            (root / "etc" / name).write_text(content)

        # An interpreter that has moved finds its library there, before the system's.
        (root / "etc/ld.so.conf.d/000-tests.conf").write_text(f"{PYTHON_HOME}/lib\n")

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            assert self._process is not None
            over = self._process.poll() is not None or time.monotonic() > deadline
            assert not over, f"The host does not boot:\n{self._console.read_text()[-3000:]}"
            self._pid = self._find_init()
            if self._pid and self.run(
                "systemctl", "is-system-running", check=False
            ).stdout.strip() in {
                "running",
                "degraded",
            }:
                self.run("ldconfig")
                self.run("mkdir", "-p", "/usr/local/sbin")
                return
            time.sleep(0.1)

    def _find_init(self) -> int:
        assert self._process is not None
        for process in psutil.Process(self._process.pid).children(recursive=True):
            if process.name() == "systemd":
                return process.pid
        return 0

    def run(
        self, *command: str, check: bool = True, timeout: float = 600, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there as root; its output and its errors are in ``stdout`` together."""
        enter = [
            "nsenter",
            f"--target={self._pid}",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            "--root",
            "--wd",
        ]
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
        done = subprocess.run(
            [*enter, "--", *command],
            env={"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
        return done

    def property(self, unit: str, name: str) -> str:
        """Return one property of a unit, as ``systemctl show`` has it."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()

    def journal(self, lines: int = 80) -> str:
        """Return the end of the journal, for messages of failed tests."""
        return self.run("journalctl", "-n", str(lines), "--no-pager", check=False).stdout

    def end(self) -> None:
        """Kill it with all it runs."""
        if self._guard is None or self._guard.stdin is None:
            return
        self._guard.stdin.close()
        self._guard.wait(timeout=60)
        if self._process is not None:
            self._process.wait()
        self._guard = self._process = None


def new_cgroup() -> Path:
    """Make a cgroup below that of this process."""
    own = _cgroups()
    assert own is not None
    cgroup = own / f"tests-{uuid4().hex}"
    cgroup.mkdir()
    return cgroup


def environment_like(path: str, *, root: Path, of: Path) -> dict[str, Path]:
    """Make the Python environment ``path`` of a host with the packages of another one.

    Args:
        root: the host's files.
        of: the other environment.

    Returns:
        What the host must see besides, by its path there: the packages and the interpreter.
    """
    folder = root / path.removeprefix("/")
    packages = Path("lib", VERSION, "site-packages")
    (folder / "bin").mkdir(parents=True)
    (folder / packages).mkdir(parents=True)
    for name in ("python", "python3", VERSION):
        (folder / "bin" / name).symlink_to(PYTHON_HOME / "bin" / VERSION)
    (folder / "pyvenv.cfg").write_text(
        f"home = {PYTHON_HOME}/bin\ninclude-system-site-packages = false\n"
    )
    return {f"{path}/{packages}": of.resolve() / packages}
