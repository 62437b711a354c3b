"""A vLLM that is the bottleneck, on one core of its own: what throughput is measured against.

Its model has the demo checkpoint's vocabulary and random weights, is large enough that every token
costs a core some time, and never ends an answer by itself: so all answers are equally long, and
what is measured is the way of the requests, not the model.
"""

import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from deploy.benchmark.children import ROOT
from deploy.benchmark.platform import free_port, is_open

CHECKPOINT: Final = ROOT / "deploy" / "demo_model" / "checkpoint"
START_SECONDS: Final = 300
_NEVER_SAID: Final = 711
"""A token of the vocabulary that the chat template does not know as an end."""

_SIZES: Final[dict[str, Any]] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "eos_token_id": _NEVER_SAID,
}


def write_checkpoint(folder: Path) -> Path:
    """Write the model's folder, which has no weights: vLLM makes random ones."""
    copy = Path(
        shutil.copytree(CHECKPOINT, folder / "busy", ignore=shutil.ignore_patterns("*.safetensors"))
    )
    config = json.loads((copy / "config.json").read_text())
    vision = {**config["vision_config"], "out_hidden_size": _SIZES["hidden_size"]}
    (copy / "config.json").write_text(json.dumps({**config, **_SIZES, "vision_config": vision}))
    generation = json.loads((copy / "generation_config.json").read_text())
    generation["eos_token_id"] = _NEVER_SAID
    (copy / "generation_config.json").write_text(json.dumps(generation))
    return copy


class BusyVllm:
    """Runs it on the first core and keeps this process, and what it starts, on the others.

    Raises RuntimeError where there is one core only or vLLM does not come up.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="qwencam-busy-vllm-"))
        self._process: asyncio.subprocess.Process | None = None
        self._cores = os.sched_getaffinity(0)

    async def __aenter__(self) -> str:
        """Start it; return its base URL."""
        if len(self._cores) < 2:
            raise RuntimeError("Throughput needs two cores: one is vLLM's.")
        first, *others = sorted(self._cores)
        port = free_port()
        log = self._folder / "log"
        with log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *("taskset", "--cpu-list", str(first), "scripts/start_vllm_server.sh"),
                *("--load-format", "dummy"),
                cwd=ROOT,
                env={
                    **os.environ,
                    "MODEL_PATH": str(write_checkpoint(self._folder)),
                    "VLLM_DEVICE": "cpu",
                    "VLLM_PORT": str(port),
                    "OMP_NUM_THREADS": "1",
                    "VLLM_CACHE_ROOT": str(ROOT / ".venv-vllm" / "cache"),
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        os.sched_setaffinity(0, others)
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await is_open(port):
                    if self._process.returncode is not None:
                        said = await asyncio.to_thread(log.read_text)
                        raise RuntimeError("vLLM did not come up:\n" + said[-4000:])
                    await asyncio.sleep(0.5)
        except BaseException:
            await self.__aexit__()
            raise
        return f"http://127.0.0.1:{port}/v1"

    async def __aexit__(self, *_: object) -> None:
        """Stop it and give the cores back."""
        os.sched_setaffinity(0, self._cores)
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
