"""Runs a service as Compose describes it, from an image's root file system, without an engine.

What the resolved Compose file says is done by the kernel's own means: namespaces of its own for
mounts and processes, a read-only root, tmpfs, read-only files and secrets, the account, no
capabilities, no new privileges, the command as process 1. The network is the host's.
"""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

Service = Mapping[str, Any]
_PLAIN = "nosuid,nodev"
_DEVICES = ("null", "zero", "random", "urandom", "full")


def words(value: str | Sequence[str] | None) -> list[str]:
    """Return a command of a Compose file as a list."""
    return shlex.split(value) if isinstance(value, str) else list(value or [])


class Container:
    """One service of a resolved Compose project.

    Args:
        service: as ``docker compose config --format json`` has it.
        root: the image's root file system; empty mount points are made in it.
        image: what the image itself says (OCI configuration).
        secrets: the project's, by name.
        arguments: go behind the command, in place of what only an engine does.
        environment: over the service's own.
    """

    def __init__(
        self,
        service: Service,
        *,
        root: Path,
        image: Mapping[str, Any],
        secrets: Mapping[str, Any],
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        log: Path,
    ) -> None:
        # What these tests rely on.
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"] and "cap_add" not in service
        self._service = service
        self._root = root
        self._image = image
        self._secrets = secrets
        self._arguments = arguments
        self._log = log
        self._environment = {
            **dict(pair.split("=", 1) for pair in image.get("Env") or []),
            **{key: value or "" for key, value in (service.get("environment") or {}).items()},
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """Everything that it has printed."""
        return self._log.read_text()

    def start(self) -> None:
        """Start it; it is under way when this returns."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                # Whatever ends this test ends the container.
                [
                    *("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork"),
                    *("--kill-child", "sh", "-euc", self._script()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"]},
                start_new_session=True,
            )

    def wait(self, *, patience: float) -> int:
        """Wait until it ends; return its exit status."""
        assert self._process is not None
        return self._process.wait(timeout=patience)

    def run(self, *, patience: float) -> int:
        """Run it to its end; return its exit status."""
        self.start()
        return self.wait(patience=patience)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process 1."""
        self.first_process().send_signal(number)

    def first_process(self) -> psutil.Process:
        """Return its process 1, once that is what the command says."""
        assert self._process is not None
        deadline = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, self.output
            children = psutil.Process(self._process.pid).children()
            if children and children[0].cmdline()[:1] not in ([], ["sh"], ["setpriv"]):
                return children[0]
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def healthcheck(self) -> subprocess.CompletedProcess[str]:
        """Run its health check once, in it and as its account."""
        kind, *command = self._service["healthcheck"]["test"]
        return self.execute(*(["sh", "-c"] if kind == "CMD-SHELL" else []), *command)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside its process 1, as ``docker exec`` does."""
        pid = self.first_process().pid
        return subprocess.run(
            [
                *("nsenter", "--target", str(pid), "--mount", "--pid", "--root", "--wd"),
                *("env", "-i", *self._assignments(), *self._dropped(), *command),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )

    def wait_healthy(self, *, patience: float) -> None:
        """Wait until its health check is content."""
        deadline = time.monotonic() + patience
        while (result := self.healthcheck()).returncode:
            assert time.monotonic() < deadline, result.stdout + result.stderr + self.output
            time.sleep(0.5)

    def stop(self) -> None:
        """Kill it, unless it has ended."""
        if self._process is not None and self._process.poll() is None:
            for first in psutil.Process(self._process.pid).children():
                first.kill()  # Number 1 of its namespace, so all the others end with it.
            self._process.wait(timeout=60)

    def _assignments(self) -> list[str]:
        return [f"{key}={value}" for key, value in self._environment.items()]

    def _dropped(self) -> list[str]:
        user, _, group = self._service["user"].partition(":")
        return [
            *("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"),
            *("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"),
        ]

    def _command(self) -> list[str]:
        service, image = self._service, self._image
        entry = words(service.get("entrypoint") or image.get("Entrypoint"))
        # An entry point of the service's own takes the image's command away.
        standard = [] if service.get("entrypoint") else image.get("Cmd")
        return [*entry, *words(service.get("command") or standard), *self._arguments]

    def _script(self) -> str:
        """What a shell does in the new namespaces before it becomes the command."""
        root = shlex.quote(str(self._root))
        lines = [
            "mount --make-rprivate /",
            f"mount --bind {root} {root}",
            f"mount -t proc proc {root}/proc",
            *self._devices(),
            *(self._tmpfs(entry) for entry in self._service.get("tmpfs") or []),
            *(
                self._file(Path(v["source"]), v["target"])
                for v in self._service.get("volumes") or []
            ),
            *self._secret_files(),
            f"mount -o remount,bind,ro {root}",
            f"cd {root}",
            "pivot_root . mnt",
            "umount -l /mnt",
            f"cd {shlex.quote(self._service.get('working_dir') or self._image['WorkingDir'])}",
            shlex.join(
                [
                    *("exec", "env", "-i", *self._assignments()),
                    *(*self._dropped(), "--pdeathsig=KILL", *self._command()),
                ]
            ),
        ]
        return "\n".join(lines)

    def _devices(self) -> list[str]:
        dev = self._root / "dev"
        lines = [f"mount -t tmpfs -o mode=0755,size=64k tmpfs {dev}", f"mkdir -m 1777 {dev}/shm"]
        lines += [f"touch {dev}/{name}; mount --bind /dev/{name} {dev}/{name}" for name in _DEVICES]
        lines += [f"mount -t tmpfs -o {_PLAIN},size=64m tmpfs {dev}/shm"]
        return lines

    def _tmpfs(self, entry: str) -> str:
        target, _, options = entry.partition(":")
        inside = self._inside(target)
        inside.mkdir(parents=True, exist_ok=True)
        return f"mount -t tmpfs -o {options or 'size=64m'} tmpfs {inside}"

    def _file(self, source: Path, target: str) -> str:
        inside = self._inside(target)
        inside.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            inside.mkdir(exist_ok=True)
        else:
            inside.touch()
        quoted = shlex.quote(str(source))
        return f"mount --bind {quoted} {inside}; mount -o remount,bind,ro {inside}"

    def _secret_files(self) -> list[str]:
        return [
            self._file(Path(self._secrets[secret["source"]]["file"]), secret["target"])
            for secret in self._service.get("secrets") or []
        ]

    def _inside(self, target: str) -> Path:
        return self._root / target.removeprefix("/")
