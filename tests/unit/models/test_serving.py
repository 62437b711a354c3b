"""The command that serves a model: by its family, its device and the settings.

Guards: the demo is started as it always was; no secret is on a command line or in vLLM's
environment; a CUDA build of torch on an AMD host is refused; what a setting can't be is said before
vLLM starts.
"""

import json
import math
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.models.catalogue import find_model
from deploy.models.checkpoint import ModelUnknown
from deploy.models.conversion.formats import INT4, INT8
from deploy.models.dtype import default_dtype
from deploy.models.fit import Place
from deploy.models.processor import read_file
from deploy.models.profiles import PROFILES, profile_of
from deploy.models.serve import chosen_device, command_of, place_of, read_key, vllm_environment
from deploy.models.serving import ServeSettings, SettingInvalid
from deploy.models.torch_build import BuildUnusable, GpuDevices, gpu_devices, refuse_mismatch
from tests.unit.models.converted_folder import write_converted

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "start_vllm_server.sh"


def machine(*features: str, free: int):
    """Return the files of a machine with such a CPU and so many bytes of free RAM."""
    files = {
        "/proc/cpuinfo": f"flags\t\t: fpu {' '.join(features)}\n",
        "/proc/meminfo": f"MemTotal:       99 kB\nMemAvailable:   {free // 1024} kB\n",
    }
    return files.get


def options(
    environment: dict[str, str], *further: str, device: str = "cuda", read=read_file
) -> dict[str, str]:
    """Return the command's options; one without a value is empty."""
    command = command_of(
        ServeSettings.from_environment(environment),
        device=device,
        environment=environment,
        further=further,
        read=read,
    )
    found: dict[str, str] = {}
    for argument in command.arguments[2:]:
        if argument.startswith("--"):
            name = argument
            found[name] = ""
        else:
            found[name] = argument
    return found


def environment_of(environment: dict[str, str], *, device: str) -> dict[str, str]:
    command = command_of(
        ServeSettings.from_environment(environment),
        device=device,
        environment=environment,
        further=(),
    )
    return dict(command.environment)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    "odd",
    [
        {"architectures": 3},
        {"architectures": [3]},
        {"max_position_embeddings": math.inf},
        {"text_config": "x"},
        {"num_hidden_layers": 10**15},
    ],
)
def test_an_odd_configuration_is_left_to_vllm(tmp_path, odd):
    folder = write_converted(tmp_path / "model", INT8)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | odd))
    assert options({"MODEL_PATH": str(folder)})["--model"] == str(folder)


class TestDemo:
    def test_it_is_started_as_it_always_was(self):
        assert options({}, device="cpu") == {
            "--model": "deploy/demo_model/checkpoint",
            "--served-model-name": "qwencam-demo",
            "--host": "127.0.0.1",
            "--port": "8100",
            "--max-model-len": "4096",
            "--tensor-parallel-size": "1",
            "--limit-mm-per-prompt": '{"image": 1, "video": 0}',
            "--allowed-media-domains": "none.invalid",
            "--enable-prefix-caching": "",
            "--no-enable-log-requests": "",
            "--no-enable-log-outputs": "",
            "--disable-uvicorn-access-log": "",
            "--dtype": "float32",
            "--enforce-eager": "",
        }

    def test_its_environment(self):
        assert environment_of({"OMP_NUM_THREADS": "1"}, device="cpu") == {
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "VLLM_LOGGING_LEVEL": "INFO",
            "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
            "HF_HUB_OFFLINE": "1",
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
        }


class TestKey:
    def run_environment(self, environment: dict[str, str]) -> dict[str, str]:
        command = command_of(
            ServeSettings.from_environment({}), device="cpu", environment={}, further=()
        )
        return vllm_environment(environment, command=command, key=read_key(environment))

    def test_from_a_file(self, tmp_path):
        (tmp_path / "key").write_text("from-file\n")
        settings = {"VLLM_API_KEY_FILE": str(tmp_path / "key"), "VLLM_API_KEY": "other"}
        found = self.run_environment(settings)
        assert found["VLLM_API_KEY"] == "from-file"
        assert "VLLM_API_KEY_FILE" not in found

    @pytest.mark.parametrize("empty", [{}, {"VLLM_API_KEY": ""}])
    def test_an_empty_one_is_none(self, empty):
        assert "VLLM_API_KEY" not in self.run_environment(empty)

    def test_an_empty_file_would_let_anybody_in(self, tmp_path):
        (tmp_path / "key").write_text("\n")
        with pytest.raises(SettingInvalid, match=r"VLLM_API_KEY_FILE is empty: .* Put a key"):
            read_key({"VLLM_API_KEY_FILE": str(tmp_path / "key")})

    def test_a_file_that_is_not_there(self):
        with pytest.raises(SettingInvalid, match="VLLM_API_KEY_FILE can't be read: /no/key"):
            read_key({"VLLM_API_KEY_FILE": "/no/key"})

    def test_our_secrets_are_none_of_its_business(self):
        ours = dict.fromkeys(
            ("DJANGO_SECRET_KEY", "JWT_SECRET_KEY", "DATABASE_URL", "REDIS_URL", "TURN_SECRET"), "x"
        )
        found = self.run_environment({**ours, "VLLM_PORT": "8100", "HF_TOKEN": "its own"})
        assert not set(found) & {*ours, "VLLM_PORT"}
        assert found["HF_TOKEN"] == "its own"


class TestFamilies:
    def test_each_architecture_has_one_profile(self):
        names = [name for profile in PROFILES for name in profile.architectures]
        assert len(set(names)) == len(names)
        assert profile_of(["Nobody", "Qwen3VLForConditionalGeneration"]).name == "Qwen3-VL"
        assert profile_of(["Nobody"]) is None
        assert profile_of([]) is None

    @pytest.mark.parametrize(
        ("architecture", "pixels", "coordinates"),
        [
            ("Qwen2_5_VLForConditionalGeneration", 28 * 28, "resized pixels"),
            ("Qwen3VLForConditionalGeneration", 32 * 32, "0 to 1000"),
            ("Qwen3_5MoeForConditionalGeneration", 32 * 32, "0 to 1000"),
        ],
    )
    def test_images(self, architecture, pixels, coordinates):
        profile = profile_of([architecture])
        assert profile.pixels_per_token == pixels
        assert profile.coordinates == coordinates

    def test_only_what_thinks_is_told_not_to(self):
        thinks = options({"MODEL_PATH": "qwen3.6-35b-a3b-fp8"})
        assert json.loads(thinks["--default-chat-template-kwargs"]) == {"enable_thinking": False}
        for name in ("qwen2.5-vl-32b", "qwen3-vl-32b", "smolvlm"):
            assert "--default-chat-template-kwargs" not in options({"MODEL_PATH": name})

    def test_a_small_one_does_not_blow_images_up(self):
        found = options({"MODEL_PATH": "smolvlm"}, device="cpu")
        assert json.loads(found["--mm-processor-kwargs"]) == {"do_image_splitting": False}
        assert json.loads(found["--limit-mm-per-prompt"]) == {"image": 1}

    def test_an_unknown_family_is_served_as_vllm_likes(self):
        found = options({"MODEL_PATH": "somebody/something", "TENSOR_PARALLEL_SIZE": "2"})
        assert found["--model"] == "somebody/something"
        assert "--mm-encoder-tp-mode" not in found
        assert "--mm-processor-kwargs" not in found
        assert "HF_HUB_OFFLINE" not in environment_of(
            {"MODEL_PATH": "somebody/something"}, device="cuda"
        )


class TestGpus:
    def test_images_are_bounded_in_size_and_kept_little(self):
        found = options({"MODEL_PATH": "qwen2.5-vl-32b", "FRAME_MAX_EDGE": "672"})
        assert json.loads(found["--limit-mm-per-prompt"]) == {
            "image": {"count": 1, "width": 672, "height": 672},
            "video": 0,
        }
        assert found["--mm-processor-cache-gb"] == "0.5"
        assert found["--dtype"] == "auto"
        assert found["--gpu-memory-utilization"] == "0.90"
        assert "--enforce-eager" not in found

    def test_encoders_take_whole_images_on_several_gpus(self):
        settings = {"MODEL_PATH": "qwen2.5-vl-32b"}
        assert "--mm-encoder-tp-mode" not in options(settings)
        several = options({**settings, "TENSOR_PARALLEL_SIZE": "2"})
        assert several["--mm-encoder-tp-mode"] == "data"
        assert several["--tensor-parallel-size"] == "2"

    def test_settings_reach_their_options(self):
        found = options(
            {
                "MODEL_PATH": "qwen2.5-vl-7b",
                "MODEL_NAME": "eyes",
                "MODEL_DTYPE": "bfloat16",
                "MODEL_MAX_TOKENS": "8192",
                "MODEL_MAX_PIXELS": "200704",
                "GPU_MEMORY_UTILIZATION": "0.8",
                "VLLM_HOST": "0.0.0.0",
                "VLLM_PORT": "9100",
            }
        )
        assert found["--served-model-name"] == "eyes"
        assert found["--dtype"] == "bfloat16"
        assert found["--max-model-len"] == "8192"
        assert json.loads(found["--mm-processor-kwargs"]) == {"max_pixels": 200704}
        assert found["--gpu-memory-utilization"] == "0.8"
        assert (found["--host"], found["--port"]) == ("0.0.0.0", "9100")

    def test_further_arguments_come_last(self):
        command = command_of(
            ServeSettings.from_environment({}),
            device="cuda",
            environment={},
            further=("--max-num-seqs", "7"),
        )
        assert command.arguments[-2:] == ("--max-num-seqs", "7")

    def test_a_hybrid_runs_fewer_at_once(self):
        assert options({"MODEL_PATH": "qwen3.6-35b-a3b-fp8"})["--max-num-seqs"] == "64"


class TestAmd:
    def test_what_amds_images_set(self):
        found = environment_of({"HIP_FORCE_DEV_KERNARG": "0"}, device="rocm")
        assert found["HIP_FORCE_DEV_KERNARG"] == "0"
        assert found["SAFETENSORS_FAST_GPU"] == "1"
        assert found["TORCH_BLAS_PREFER_HIPBLASLT"] == "1"
        assert "VLLM_ROCM_USE_AITER" not in found

    @pytest.mark.parametrize(
        ("model", "attention"),
        [
            ("qwen2.5-vl-32b", "ROCM_AITER_FA"),
            ("qwen3-vl-32b", "ROCM_AITER_FA"),
            ("qwen3.6-35b-a3b-fp8", "ROCM_AITER_UNIFIED_ATTN"),
        ],
    )
    def test_aiter_is_asked_for_and_brings_its_attention(self, model, attention):
        settings = {"MODEL_PATH": model}
        assert "--attention-backend" not in options(settings, device="rocm")
        settings["VLLM_ROCM_USE_AITER"] = "1"
        assert options(settings, device="rocm")["--attention-backend"] == attention
        assert environment_of(settings, device="rocm")["VLLM_ROCM_USE_AITER"] == "1"
        assert "--attention-backend" not in options(settings, device="cuda")


class TestConverted:
    @pytest.mark.parametrize(
        ("weight_format", "device", "dtype"),
        [(INT4, "cpu", "bfloat16"), (INT8, "cpu", "float32"), (INT4, "cuda", "auto")],
    )
    def test_four_bits_on_a_cpu_are_calculated_in_bfloat16(
        self, tmp_path, weight_format, device, dtype
    ):
        folder = write_converted(tmp_path / "model", weight_format)
        settings = {"MODEL_PATH": str(folder)}
        assert options(settings, device=device)["--dtype"] == dtype
        chosen = {**settings, "MODEL_DTYPE": "float16"}
        assert options(chosen, device=device)["--dtype"] == "float16"


GB = 10**9


class TestDtypeOnCpu:
    """What is served is what was judged: both ask `deploy.models.dtype`."""

    @pytest.mark.parametrize(
        ("model", "features", "free", "dtype"),
        [
            ("qwen2.5-vl-3b", (), 30 * GB, "float32"),
            ("qwen2.5-vl-3b", (), 14 * GB, "bfloat16"),
            ("qwen2.5-vl-3b", ("avx512_bf16",), 30 * GB, "bfloat16"),
            ("qwen2.5-vl-3b", ("amx_bf16",), 30 * GB, "bfloat16"),
            ("deploy/demo_model/checkpoint", ("avx512_bf16",), 30 * GB, "float32"),
            ("somebody/something", ("avx512_bf16",), 30 * GB, "float32"),
        ],
    )
    def test_the_first_that_fits(self, monkeypatch, tmp_path, model, features, free, dtype):
        monkeypatch.setenv("HOME", str(tmp_path))
        read = machine(*features, free=free)
        assert options({"MODEL_PATH": model}, device="cpu", read=read)["--dtype"] == dtype
        known = find_model(model)
        if known is not None:
            place = Place(memory_bytes=free, gpus=0, context=4096, native_bfloat16=bool(features))
            assert default_dtype(known.shape, place) == dtype

    def test_a_containers_bound_counts(self):
        files = {"/sys/fs/cgroup/memory.max": f"{14 * GB}\n"}
        whole = machine(free=30 * GB)
        found = options(
            {"MODEL_PATH": "qwen2.5-vl-3b"},
            device="cpu",
            read=lambda path: files.get(path) or whole(path),
        )
        assert found["--dtype"] == "bfloat16"


class TestPlaces:
    def test_a_short_name_is_its_folder_if_there_is_one(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert place_of("qwen2.5-vl-7b") == "Qwen/Qwen2.5-VL-7B-Instruct"
        folder = tmp_path / "models" / "qwen2.5-vl-7b"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        assert place_of("qwen2.5-vl-7b") == str(folder)

    def test_weights_that_are_cut_off_are_not_served(self, tmp_path):
        folder = write_converted(tmp_path / "model", INT8)
        shard = folder / "model-00002-of-00002.safetensors"
        os.truncate(shard, shard.stat().st_size - 100)
        with pytest.raises(ModelUnknown, match="is cut off: 100 bytes are missing; download the"):
            options({"MODEL_PATH": str(folder)})

    def test_a_home_is_found(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert place_of("~/mine") == f"{tmp_path}/mine"
        assert place_of("Qwen2.5-VL-7B") == "Qwen/Qwen2.5-VL-7B-Instruct"

    @pytest.mark.parametrize("model", ["nonsense", "qwen9", "a/b/c", "x y/z"])
    def test_what_is_no_model(self, model):
        with pytest.raises(ModelUnknown, match="MODEL_PATH names no model: "):
            place_of(model)

    def test_others_stay(self):
        assert place_of("Qwen/Qwen2.5-VL-7B-Instruct") == "Qwen/Qwen2.5-VL-7B-Instruct"
        assert place_of("/srv/qwen2.5-vl-7b") == "/srv/qwen2.5-vl-7b"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"MODEL_DTYPE": "int8"}, "MODEL_DTYPE must be one of auto, bfloat16"),
        ({"MODEL_MAX_TOKENS": "8k"}, "MODEL_MAX_TOKENS must be a whole number from 256"),
        ({"MODEL_MAX_PIXELS": "-1"}, "MODEL_MAX_PIXELS must be"),
        ({"TENSOR_PARALLEL_SIZE": "0"}, "TENSOR_PARALLEL_SIZE must be"),
        ({"VLLM_PORT": "70000"}, "VLLM_PORT must be a whole number from 1 to 65535"),
        ({"GPU_MEMORY_UTILIZATION": "0"}, "GPU_MEMORY_UTILIZATION must be above 0"),
        ({"FRAME_MAX_EDGE": "big"}, "FRAME_MAX_EDGE must be"),
        ({"VLLM_ROCM_USE_AITER": "maybe"}, "VLLM_ROCM_USE_AITER must be 1 or 0, not 'maybe'"),
        ({"VLLM_CPU_KVCACHE_SPACE": "lots"}, "VLLM_CPU_KVCACHE_SPACE must be a whole number"),
        ({"OMP_NUM_THREADS": "0"}, "OMP_NUM_THREADS must be a whole number from 1"),
        ({"VLLM_HOST": "here or there"}, "VLLM_HOST must be a host's name or address, not"),
        ({"MODEL_NAME": "a\x1b[2Jb"}, "MODEL_NAME must not begin with a dash, nor have control"),
        ({"MODEL_PATH": "--trust-remote-code"}, "MODEL_PATH must not begin with a dash"),
        ({"MODEL_PATH": "smolvlm", "MODEL_MAX_PIXELS": "100000"}, "must be empty for SmolVLM"),
    ],
)
def test_settings_that_make_no_sense(settings, said):
    with pytest.raises(SettingInvalid, match=said):
        options(settings)


def test_settings_that_make_no_sense_on_a_cpu(tmp_path):
    with pytest.raises(SettingInvalid, match="TENSOR_PARALLEL_SIZE must be 1 on a CPU, not '2'"):
        options({"TENSOR_PARALLEL_SIZE": "2"}, device="cpu")
    folder = write_converted(tmp_path / "model", INT4)
    with pytest.raises(SettingInvalid, match="MODEL_DTYPE must be bfloat16 or empty for weights"):
        options({"MODEL_PATH": str(folder), "MODEL_DTYPE": "float32"}, device="cpu")


@pytest.mark.parametrize("argument", ["--api-key", "--api-key=secret", "--hf-token"])
def test_a_secret_on_the_command_line_is_refused(argument):
    with pytest.raises(SettingInvalid, match="command lines can be read by all"):
        options({}, argument, "secret")


class TestBuilds:
    @pytest.mark.parametrize(
        ("build", "amd", "nvidia"),
        [
            ("cpu", False, False),
            ("cpu", True, True),
            ("cuda", False, False),
            ("cuda", False, True),
            ("cuda", True, True),
            ("rocm", True, False),
        ],
    )
    def test_what_may_start(self, build, amd, nvidia):
        refuse_mismatch(build, GpuDevices(amd=amd, nvidia=nvidia))

    def test_cuda_on_an_amd_host(self):
        with pytest.raises(BuildUnusable, match="built for CUDA and this machine has an AMD GPU"):
            refuse_mismatch("cuda", GpuDevices(amd=True, nvidia=False))

    def test_rocm_without_a_driver(self):
        with pytest.raises(BuildUnusable, match="/dev/kfd is missing"):
            refuse_mismatch("rocm", GpuDevices(amd=False, nvidia=True))

    def test_device_files(self, tmp_path):
        assert gpu_devices(tmp_path) == GpuDevices(amd=False, nvidia=False)
        (tmp_path / "dev").mkdir()
        (tmp_path / "dev" / "kfd").touch()
        assert gpu_devices(tmp_path) == GpuDevices(amd=True, nvidia=False)
        (tmp_path / "dev" / "nvidiactl").touch()
        assert gpu_devices(tmp_path) == GpuDevices(amd=True, nvidia=True)


class TestScript:
    """``scripts/start_vllm_server.sh`` with a Python whose torch says what it was built for."""

    def run(
        self,
        *arguments: str,
        torch: Path | None = None,
        cwd: str | Path = "/",
        **settings: str,
    ):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        environment |= {"VLLM_PYTHON": sys.executable} | settings
        if torch:
            environment["PYTHONPATH"] = str(torch)
        return subprocess.run(
            [str(SCRIPT), *arguments],
            env=environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def torch(self, folder: Path, **versions: str) -> Path:
        """A torch that is nothing but its version, as a real one has it."""
        (folder / "torch").mkdir()
        (folder / "torch" / "__init__.py").write_text("raise RuntimeError('imported')\n")
        lines = ["from typing import Optional", "__version__ = '2.12.0+git6bbd260'"]
        for name in ("cuda", "hip"):
            lines.append(f"{name}: Optional[str] = {versions.get(name)!r}")
        (folder / "torch" / "version.py").write_text("\n".join(lines) + "\n")
        return folder

    def test_printing_starts_nothing_and_can_be_run_by_a_shell(self):
        done = self.run(
            "--print-command",
            *("--seed", "1 2"),
            VLLM_DEVICE="rocm",
            MODEL_PATH="qwen3-vl-32b",
            VLLM_API_KEY="very-secret",
            DJANGO_SECRET_KEY="very-secret",
        )
        assert done.returncode == 0, done.stderr
        assert "very-secret" not in done.stdout
        assert "unset DJANGO_SECRET_KEY\n" in done.stdout
        assert "export HIP_FORCE_DEV_KERNARG=1\n" in done.stdout
        command = done.stdout[done.stdout.index("exec ") :].replace("\\\n", " ")
        parts = shlex.split(command)
        assert parts[:4] == ["exec", sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        assert parts[parts.index("--model") + 1] == "Qwen/Qwen3-VL-32B-Instruct"
        assert parts[-2:] == ["--seed", "1 2"]

    @pytest.mark.parametrize(
        ("versions", "option"),
        [
            ({}, "--enforce-eager"),
            ({"cuda": "13.0"}, "--gpu-memory-utilization"),
            ({"hip": "7.2.53211"}, "export TORCH_BLAS_PREFER_HIPBLASLT=1"),
        ],
    )
    def test_the_device_is_what_torch_was_built_for(self, tmp_path, versions, option):
        done = self.run("--print-command", torch=self.torch(tmp_path, **versions))
        assert option in done.stdout
        assert done.returncode == 0

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"VLLM_DEVICE": "tpu"}, "VLLM_DEVICE must be cpu, cuda or rocm, not 'tpu'."),
            ({"MODEL_MAX_TOKENS": "x", "VLLM_DEVICE": "cpu"}, "MODEL_MAX_TOKENS must be"),
            ({"MODEL_PATH": "/no/such", "VLLM_DEVICE": "cpu"}, "/no/such/config.json can't be"),
            ({"MODEL_PATH": "nonsense", "VLLM_DEVICE": "cpu"}, "MODEL_PATH names no model: 'nons"),
            ({"MODEL_PATH": "/" + "x" * 5000, "VLLM_DEVICE": "cpu"}, "/xxxxx"),
            ({"MODEL_PATH": "x" * 5000, "VLLM_DEVICE": "cpu"}, "MODEL_PATH names no model: 'xxx"),
            ({"MODEL_PATH": "x/" + "x" * 5000, "VLLM_DEVICE": "cpu"}, "MODEL_PATH names no model"),
            ({"VLLM_PYTHON": "/bin/ls"}, "VLLM_PYTHON is no Python: /bin/ls."),
            ({"VLLM_PYTHON": "/no/python"}, "VLLM_PYTHON is no Python: /no/python."),
        ],
    )
    def test_refusals(self, settings, said):
        done = self.run("--print-command", **settings)
        assert done.returncode == 1
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith(said)
        assert len(line) < 300

    def test_paths_are_seen_from_where_it_is_called(self, tmp_path):
        model = write_converted(tmp_path / "model", INT8)
        (tmp_path / "bin").mkdir()
        self.without_packages(tmp_path / "bin" / "python")
        (tmp_path / "key").touch()
        settings = {"VLLM_DEVICE": "cuda", "VLLM_PYTHON": "bin/python"}
        for path in ("model", "./model", str(model)):
            done = self.run("--print-command", cwd=tmp_path, MODEL_PATH=path, **settings)
            parts = shlex.split(done.stdout.replace("\\\n", " "))
            assert Path(parts[parts.index("--model") + 1]) == model, done.stderr
        ours = "deploy/demo_model/checkpoint"
        done = self.run("--print-command", cwd=tmp_path, MODEL_PATH=ours, **settings)
        assert f"--model \\\n    {ours} " in done.stdout
        done = self.run("--print-command", cwd=tmp_path, VLLM_API_KEY_FILE="key", **settings)
        assert (
            done.stderr
            == f"VLLM_API_KEY_FILE is empty: {tmp_path}/key. Put a key in, or unset it.\n"
        )

    def test_help_needs_no_vllm(self):
        done = self.run("--help", VLLM_PYTHON="/no/python")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("Starts vLLM")
        assert "VLLM_ROCM_USE_AITER" in done.stdout
        assert "set -euo" not in done.stdout

    @pytest.mark.parametrize(
        ("amd", "nvidia", "device"), [(True, False, "rocm"), (False, True, "cuda")]
    )
    def test_printing_needs_no_vllm(self, monkeypatch, amd, nvidia, device):
        def no_torch():
            raise BuildUnusable("not there")

        monkeypatch.setattr("deploy.models.serve.torch_build", no_torch)
        found = GpuDevices(amd=amd, nvidia=nvidia)
        monkeypatch.setattr("deploy.models.serve.gpu_devices", lambda: found)
        assert chosen_device("", starts=False) == device
        with pytest.raises(BuildUnusable, match="not there"):
            chosen_device("", starts=True)
        neither = GpuDevices(amd=False, nvidia=False)
        monkeypatch.setattr("deploy.models.serve.gpu_devices", lambda: neither)
        with pytest.raises(BuildUnusable, match="set VLLM_DEVICE to rocm, cuda or cpu"):
            chosen_device("", starts=False)

    def without_packages(self, python: Path) -> None:
        python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
        python.chmod(0o755)

    def test_no_torch(self, tmp_path):
        self.without_packages(tmp_path / "python")
        done = subprocess.run(
            [str(SCRIPT)],
            env={"PATH": os.environ["PATH"], "VLLM_PYTHON": str(tmp_path / "python")},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        assert done.stderr.startswith("vLLM is not installed for this Python: ")

    def test_cuda_on_an_amd_host_does_not_start(self, tmp_path):
        """In a mount namespace whose /dev has AMD's compute device and no NVIDIA one."""
        devices = "mount -t tmpfs none /dev && touch /dev/kfd /dev/null"
        enter = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
        if subprocess.run([*enter, devices], capture_output=True, timeout=60).returncode:
            pytest.skip("this machine lets nobody make mount namespaces")
        done = subprocess.run(
            [*enter, f"{devices} && exec {SCRIPT}"],
            env={
                "PATH": os.environ["PATH"],
                "VLLM_PYTHON": sys.executable,
                "PYTHONPATH": str(self.torch(tmp_path, cuda="13.0")),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("The installed torch is built for CUDA and this machine has an AMD")
        assert "deploy/requirements/vllm-rocm.txt" in line

    @pytest.mark.skipif(Path("/dev/kfd").exists(), reason="this machine has an AMD GPU")
    def test_rocm_without_its_driver_does_not_start(self, tmp_path):
        done = self.run(torch=self.torch(tmp_path, hip="7.2"))
        assert done.returncode == 1
        assert "/dev/kfd is missing" in done.stderr
