"""``quickstart.sh --model``: from a name on a hub to an answer about the camera's frame.

The demo checkpoint plays the real model: under another name and revision, on a hub on loopback.
Guards: a second start that downloads again, a model served under the wrong name, context or dtype,
a platform that does not know of it.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from deploy.demo_model.questions import describe
from deploy.demo_model.scenes import draw, sample_scene
from tests.camera_client import CameraClient
from tests.chosen_model import choose_model, chosen_settings
from tests.stack import Stack
from tests.stub_hub import Faults, Repository, StubHub, stub_hub
from tests.vllm_server import CHECKPOINT

SEED = 52_000_000
NAME = "acme/Shapes-VL"
TOKEN = "hf_for-the-download-alone"


def vllm_environment(stack: Stack, *, patience: float) -> dict[str, str]:
    """Return the environment of the stack's vLLM, once it runs."""
    deadline = time.monotonic() + patience
    while not (found := stack.processes("start_vllm_server")):
        assert time.monotonic() < deadline, stack.output.read_text()
        time.sleep(0.2)
    environment: dict[str, str] = found[0].environ()
    return environment


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[StubHub]:
    """A hub that serves the demo checkpoint as somebody else's."""
    with stub_hub() as serving:
        folder = Path(shutil.copytree(CHECKPOINT, tmp_path / "repository"))
        serving.tokens = {TOKEN}
        serving.repositories[NAME] = Repository(
            folder=folder, revisions=("main", "v2"), token=TOKEN, gated=True
        )
        yield serving


@pytest.fixture
def stack(tmp_path: Path, hub: StubHub) -> Iterator[Stack]:
    """A platform that is asked for that model; not started yet."""
    (tmp_path / "home").mkdir()
    stack = Stack(
        tmp_path / "data",
        *("--model", f"{NAME}@v2"),
        HOME=str(tmp_path / "home"),
        HF_ENDPOINT=hub.url,
        HF_TOKEN=TOKEN,
    )
    yield stack
    assert stack.stop() == []


async def test_a_model_of_a_hub_answers_and_is_found_without_the_hub(
    stack: Stack, hub: StubHub, tmp_path: Path
):
    folder = f"{tmp_path}/home/models/shapes-vl"
    stack.start(patience=900)
    said = stack.output.read_text()
    assert "shapes-vl fits with 10.6 MB of weights" in said
    assert "Without a GPU it is slow" in said
    assert f"Checked and complete: {folder}" in said
    environment = vllm_environment(stack, patience=60)
    assert environment["MODEL_PATH"] == folder
    assert TOKEN not in environment.values()
    scene = sample_scene(np.random.default_rng(SEED), width=640, height=480)
    async with CameraClient(stack.url, stack.token()) as camera:
        assert (await camera.wait_for("ready"))["model"] == "shapes-vl"
        await camera.start_camera(draw(scene, 640, 480))
        await camera.wait_for("stream", state="connected", width=640)
        end = await camera.ask("What do you see?")
    assert end["text"] == describe(scene)
    assert stack.stop() == []

    hub.stop()
    done = choose_model(f"{NAME}@v2", home=tmp_path / "home", hub_url=hub.url)
    settings = chosen_settings(done)
    assert "shapes-vl fits with 10.6 MB of weights" in done.stdout
    assert (settings["DOWNLOAD"], settings["MODEL_PATH"]) == ("", folder)


def test_ctrl_c_during_the_download_ends_it_and_keeps_what_has_arrived(
    stack: Stack, hub: StubHub, tmp_path: Path
):
    hub.faults = Faults(stall={"model.safetensors": 10_500_000})
    stack.start(patience=300, until="into ")
    partial = tmp_path / "home" / "models" / "shapes-vl.partial"
    deadline = time.monotonic() + 60
    while not any(part.stat().st_size for part in partial.glob("model.safetensors.*")):
        assert time.monotonic() < deadline, stack.output.read_text()
        hub.faults.go.wait(0.1)
    assert stack.stop() == []
    assert not (tmp_path / "home" / "models" / "shapes-vl").exists()
    assert (partial / "config.json").exists()
