"""A real vLLM of a test's own, started as operators start it."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import httpx
import psutil

from tests.ports import free_port
from tests.settings import USER_ENVIRONMENT
from tests.stack import ROOT

NEVER_SAID = "<|quad_end|>"
CHECKPOINT = ROOT / "deploy" / "demo_model" / "checkpoint"


class VllmServer:
    """``scripts/start_vllm_server.sh`` on a port of its own.

    Args:
        log: where its output goes.
        model: folder of the checkpoint.
    """

    def __init__(self, log: Path, *, model: Path = CHECKPOINT) -> None:
        self.port = free_port()
        self._log = log
        self.model = model
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """What VLLM_BASE_URL should be."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Begin to start; ``wait`` waits for the end of that."""
        cache = ROOT / ".venv-vllm" / "cache"
        environment = {
            **USER_ENVIRONMENT,
            "VLLM_PORT": str(self.port),
            "MODEL_PATH": str(self.model),
            "VLLM_CACHE_ROOT": str(cache),
        }
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                ["scripts/start_vllm_server.sh"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, *, patience: float) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + patience
        while True:
            assert self._process is not None
            over = self._process.poll() is not None or time.monotonic() > deadline
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
