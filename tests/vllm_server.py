"""Real vLLMs of a test's own, started by the command that operators start them by."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from tests.ports import free_port
from tests.settings import USER_ENVIRONMENT
from tests.stack import ROOT

NEVER_SAID = "<|quad_end|>"
CHECKPOINT = ROOT / "deploy" / "demo_model" / "checkpoint"
# More than one would not survive that a server forks its engine.
THREADS = {"OMP_NUM_THREADS": "1"}


class VllmForks:
    """Forks servers from one process that has imported vLLM; all end when it is closed.

    The command of each is what ``scripts/start_vllm_server.sh`` prints for it.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [
                *(str(ROOT / ".venv-vllm" / "bin" / "python"), "-P", "-W", "ignore"),
                str(ROOT / "tests" / "vllm_fork_server.py"),
            ],
            env={**USER_ENVIRONMENT, **THREADS, "VLLM_LOGGING_LEVEL": "INFO"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fork(self, settings: dict[str, str], *, log: Path) -> psutil.Process:
        """Begin to start a server; its output goes to the log."""
        arguments, environment = printed_command({**USER_ENVIRONMENT, **THREADS, **settings})
        request = {"arguments": arguments, "environment": environment, "log": str(log)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "vLLM could not be imported: what it said is above."
        return psutil.Process(int(answer))

    def close(self) -> None:
        """End it, and all servers that were not killed."""
        self._process.communicate()


def printed_command(environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return vLLM's arguments and environment, as the script says that a shell may have them."""
    printed = subprocess.run(
        ["scripts/start_vllm_server.sh", "--print-command"],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    before, _, command = printed.partition("exec ")
    environment = dict(environment)
    for word, value in (shlex.split(line) for line in before.splitlines()):
        if word == "unset":
            environment.pop(value, None)
        else:
            name, _, content = value.partition("=")
            environment[name] = content
    _python, module, _name, *arguments = shlex.split(command.replace("\\\n", " "))
    assert module == "-m"
    return arguments, environment


class VllmServer:
    """A server on a port of its own.

    Args:
        log: where its output goes.
        forks: what it is forked from.
        model: folder of the checkpoint.
    """

    def __init__(self, log: Path, *, forks: VllmForks, model: Path = CHECKPOINT) -> None:
        self.port = free_port()
        self._log = log
        self._forks = forks
        self.model = model
        self._process: psutil.Process | None = None

    @property
    def base_url(self) -> str:
        """What VLLM_BASE_URL should be."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Begin to start; ``wait`` waits for the end of that."""
        settings = {
            "VLLM_PORT": str(self.port),
            "MODEL_PATH": str(self.model),
            "VLLM_CACHE_ROOT": str(ROOT / ".venv-vllm" / "cache"),
        }
        self._process = self._forks.fork(settings, log=self._log)

    def wait(self, *, patience: float) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + patience
        while True:
            assert self._process is not None
            over = not self._process.is_running() or time.monotonic() > deadline
            assert not over, f"vLLM did not come up:\n{self._log.read_text()[-4000:]}"
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.5)

    def processes(self) -> list[psutil.Process]:
        """Return what it consists of, while it runs."""
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def kill(self) -> None:
        """Kill it and all it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def metric(base_url: str, name: str) -> float:
    """Return the sum of a vLLM's metric over its labels, 0 when it has none yet."""
    page = httpx.get(f"{base_url.removesuffix('/v1')}/metrics", timeout=30).text
    values = [
        float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if line.startswith((f"{name} ", f"{name}{{"))
    ]
    return sum(values)


def endless_checkpoint(folder: Path) -> Path:
    """Return a copy of the demo checkpoint that never ends an answer by itself.

    Its end-of-turn token is exchanged for one that it never says, so answers are as long as they
    may be: what a test of cancelling needs.
    """
    copy = Path(shutil.copytree(CHECKPOINT, folder / "endless"))
    vocabulary = json.loads((copy / "tokenizer.json").read_text())["added_tokens"]
    ids = {token["content"]: token["id"] for token in vocabulary}
    for name, key, value in (
        ("generation_config.json", "eos_token_id", ids[NEVER_SAID]),
        ("config.json", "eos_token_id", ids[NEVER_SAID]),
        ("tokenizer_config.json", "eos_token", NEVER_SAID),
    ):
        path = copy / name
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    return copy
