"""Every argument and variable that we give vLLM is one that the installed vLLM knows.

vLLM renames its options from release to release, and one that it doesn't know ends the start; an
environment variable that it doesn't know is ignored without a word.
"""

import json
import subprocess
from itertools import product

import pytest

from deploy.models.catalogue import KNOWN_MODELS
from deploy.models.profiles import PROFILES
from deploy.models.serve import command_of
from deploy.models.serving import ServeSettings
from tests.stack import ROOT

# Reads commands, tells for each what its parser made of it. Runs in vLLM's environment; its import
# takes several seconds, so all commands go through one process.
_PARSE = """
import json, sys
from vllm import envs
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.model_executor.models.registry import ModelRegistry
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.attention.backends.registry import AttentionBackendEnum

parser = make_arg_parser(FlexibleArgumentParser())
asked = json.load(sys.stdin)
answers = []
for arguments in asked["commands"]:
    parsed = parser.parse_args(arguments)
    engine = AsyncEngineArgs.from_cli_args(parsed)
    answers.append({
        "model": engine.model,
        "limits": engine.limit_mm_per_prompt,
        "image_options": engine.mm_processor_kwargs,
        "cache": engine.mm_processor_cache_gb,
        "encoder": engine.mm_encoder_tp_mode,
        "attention": str(engine.attention_backend),
        "template": parsed.default_chat_template_kwargs,
    })
json.dump({
    "answers": answers,
    "variables": sorted(envs.environment_variables),
    "architectures": sorted(ModelRegistry.get_supported_archs()),
    "attentions": list(AttentionBackendEnum.__members__),
}, sys.stdout, default=vars)
"""
_OURS = ("HF_HUB_OFFLINE", "DO_NOT_TRACK", "OMP_NUM_THREADS", "HIP_", "SAFETENSORS_", "TORCH_")


def commands():
    """Return the command of each model on each device, on one GPU and on two, plain and tuned."""
    for model, device, gpus, aiter in product(
        KNOWN_MODELS, ("cpu", "cuda", "rocm"), ("1", "2"), ("0", "1")
    ):
        if (device == "cpu" and gpus != "1") or (device != "rocm" and aiter != "0"):
            continue  # Refused; no other command.
        settings = {
            "MODEL_PATH": model.repository,
            "TENSOR_PARALLEL_SIZE": gpus,
            "VLLM_ROCM_USE_AITER": aiter,
        }
        if model.name != "smolvlm":
            settings["MODEL_MAX_PIXELS"] = "200704"
        yield command_of(
            ServeSettings.from_environment(settings),
            device=device,
            environment=settings,
            further=(),
        )


@pytest.fixture(scope="module")
def told():
    """What vLLM says of all commands."""
    asked = json.dumps({"commands": [command.arguments[2:] for command in commands()]})
    done = subprocess.run(
        [str(ROOT / ".venv-vllm" / "bin" / "python"), "-W", "ignore", "-c", _PARSE],
        input=asked,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # Its log goes to standard output as well; the answer is the last line.
    return json.loads(done.stdout.splitlines()[-1])


def test_every_command_is_parsed(told):
    made = list(commands())
    assert len(told["answers"]) == len(made) == 7 * len(KNOWN_MODELS)
    for command, answer in zip(made, told["answers"], strict=True):
        given = command.arguments
        assert answer["model"] == given[given.index("--model") + 1]
        spread = "--mm-encoder-tp-mode" in given
        assert answer["encoder"] == ("data" if spread else "weights")
        assert answer["cache"] == (0.5 if "--mm-processor-cache-gb" in given else 4)
        assert answer["template"] in (None, {"enable_thinking": False})


def test_attention_backends_exist(told):
    named = {profile.aiter_attention for profile in PROFILES}
    assert named <= set(told["attentions"])
    assert {answer["attention"].rpartition(".")[2] for answer in told["answers"]} - {
        "None"
    } == named


def test_architectures_are_served(told):
    for profile in PROFILES:
        assert set(profile.architectures) <= set(told["architectures"])


def test_variables_are_read(told):
    ours = {name for command in commands() for name in command.environment}
    unknown = {name for name in ours - set(told["variables"]) if not name.startswith(_OURS)}
    assert unknown == set()
