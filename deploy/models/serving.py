"""The command that serves a model: vLLM's arguments and environment, from settings. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from deploy.models.profiles import Profile
from deploy.models.shape import DTYPE_BYTES

Device = Literal["cpu", "cuda", "rocm"]
DEVICES: Final = ("cpu", "cuda", "rocm")
_DTYPES: Final = ("auto", *DTYPE_BYTES)
_SERVER: Final = ("-m", "vllm.entrypoints.openai.api_server")
# What vLLM must not see: our secrets are none of its business, and it reads VLLM_PORT as the first
# port of its internal traffic. VLLM_API_KEY is its own, and stays.
_WITHHELD: Final = (
    "VLLM_PORT",
    "VLLM_DEBUG_LOG_API_SERVER_RESPONSE",
    "DJANGO_SECRET_KEY",
    "JWT_SECRET_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "REDIS_PASSWORD",
    "TURN_SECRET",
    "EMAIL_HOST_PASSWORD",
    "DEMO_PASSWORD",
)
_SECRET_ARGUMENTS: Final = {"--api-key": "VLLM_API_KEY", "--hf-token": "HF_TOKEN"}
# Images come inside the request. The list of domains can't be empty (that allows every host), so it
# names one that cannot exist: the server never fetches a URL that a client chose.
_PRIVACY_ARGUMENTS: Final = (
    *("--allowed-media-domains", "none.invalid"),
    "--no-enable-log-requests",
    "--no-enable-log-outputs",
    "--disable-uvicorn-access-log",
)
_PRIVACY_ENVIRONMENT: Final = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "INFO",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
}
# AMD's own images set these; elsewhere nobody does.
_ROCM_DEFAULTS: Final = {
    "HIP_FORCE_DEV_KERNARG": "1",
    "SAFETENSORS_FAST_GPU": "1",
    "TORCH_BLAS_PREFER_HIPBLASLT": "1",
}
_HOST: Final = re.compile(r"[\w.:%-]+", re.ASCII)
# Frames are new ones each time; only a question that is asked again finds its frame here.
_IMAGE_CACHE_GIB: Final = "0.5"


class SettingInvalid(ValueError):
    """A setting makes no sense; the message is a sentence that names it."""


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """How a model is to be served; the head of ``scripts/start_vllm_server.sh`` explains each.

    Attributes:
        dtype: empty for what `deploy.models.dtype` decides.
        max_pixels: None as the model says.
        frame_edge: longer edge of the frames that will come, pixels.
        cpu_cache: GiB that a CPU keeps keys and values in.
        cpu_threads: None for all that the process may use.
    """

    model: str
    name: str
    host: str
    port: int
    dtype: str
    context: int
    max_pixels: int | None
    frame_edge: int
    utilization: str
    gpus: int
    aiter: bool
    cpu_cache: int
    cpu_threads: int | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServeSettings":
        """Return the settings of the environment.

        Raises:
            SettingInvalid: one makes no sense.
        """
        read = _Reader(environment)
        return cls(
            model=read.text("MODEL_PATH", "deploy/demo_model/checkpoint"),
            name=read.text("MODEL_NAME", "qwencam-demo"),
            host=read.host("VLLM_HOST", "127.0.0.1"),
            port=read.integer("VLLM_PORT", 8100, low=1, high=65535),
            dtype=read.choice("MODEL_DTYPE", "", _DTYPES),
            context=read.integer("MODEL_MAX_TOKENS", 4096, low=256, high=10_000_000),
            max_pixels=read.integer("MODEL_MAX_PIXELS", 0, low=1, high=100_000_000) or None,
            frame_edge=read.integer("FRAME_MAX_EDGE", 448, low=28, high=8192),
            utilization=read.share("GPU_MEMORY_UTILIZATION", "0.90"),
            gpus=read.integer("TENSOR_PARALLEL_SIZE", 1, low=1, high=1024),
            aiter=read.switch("VLLM_ROCM_USE_AITER"),
            cpu_cache=read.integer("VLLM_CPU_KVCACHE_SPACE", 1, low=1, high=100_000),
            cpu_threads=read.integer("OMP_NUM_THREADS", 0, low=1, high=10_000) or None,
        )


@dataclass(frozen=True)
class _Reader:
    """Reads one setting at a time; an empty one is an unset one."""

    environment: Mapping[str, str]

    def text(self, name: str, default: str) -> str:
        value = self.environment.get(name) or default
        if not value.isprintable() or value.startswith("-"):
            raise SettingInvalid(f"{name} must not begin with a dash, nor have control characters.")
        return value

    def host(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not _HOST.fullmatch(value):
            raise SettingInvalid(f"{name} must be a host's name or address, not '{value}'.")
        return value

    def switch(self, name: str) -> bool:
        value = self.text(name, "0").lower()
        if value not in {"0", "1", "false", "true"}:
            raise SettingInvalid(f"{name} must be 1 or 0, not '{value}'.")
        return value in {"1", "true"}

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        value = self.text(name, default)
        if value and value not in choices:
            raise SettingInvalid(f"{name} must be one of {', '.join(choices)}, not '{value}'.")
        return value

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        value = self.environment.get(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            raise SettingInvalid(
                f"{name} must be a whole number from {low} to {high}, not '{value}'."
            )
        return int(value)

    def share(self, name: str, default: str) -> str:
        value = self.text(name, default)
        try:
            valid = 0 < float(value) <= 1
        except ValueError:
            valid = False
        if not valid:
            raise SettingInvalid(f"{name} must be above 0 and at most 1, not '{value}'.")
        return value


@dataclass(frozen=True, kw_only=True)
class ServeCommand:
    """What is run.

    Attributes:
        arguments: of the Python that has vLLM.
        environment: what is set, over what is there.
        withheld: what is taken out of the environment.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    withheld: tuple[str, ...] = _WITHHELD


def serve_command(
    settings: ServeSettings,
    *,
    device: Device,
    profile: Profile | None,
    local: bool,
    environment: Mapping[str, str],
    cpus: int,
    further: Sequence[str] = (),
) -> ServeCommand:
    """Return the command.

    Args:
        profile: of the model's family; None: as vLLM does by itself.
        local: the model is a folder, so nothing is looked up on a hub.
        environment: what is set already; of the advice to libraries it wins.
        cpus: how many a CPU's threads may use.
        further: arguments as they are; the last of two wins.

    Raises:
        SettingInvalid: the model's family can't have what a setting says, or a further argument
            is a secret.
    """
    _refuse_secrets(further)
    if device == "cpu" and settings.gpus > 1:
        raise SettingInvalid(f"TENSOR_PARALLEL_SIZE must be 1 on a CPU, not '{settings.gpus}'.")
    return ServeCommand(
        arguments=(
            *_SERVER,
            *_server_arguments(settings),
            *_image_arguments(settings, device=device, profile=profile),
            *_PRIVACY_ARGUMENTS,
            *_family_arguments(settings, profile=profile),
            *_device_arguments(settings, device=device, profile=profile),
            *further,
        ),
        environment={
            **_PRIVACY_ENVIRONMENT,
            **({"HF_HUB_OFFLINE": "1"} if local else {}),
            **_device_environment(settings, device=device, environment=environment, cpus=cpus),
        },
    )


def _refuse_secrets(further: Sequence[str]) -> None:
    """Every user of the machine reads every command line, and we print this one."""
    for argument in further:
        setting = _SECRET_ARGUMENTS.get(argument.partition("=")[0])
        if setting:
            raise SettingInvalid(f"Give the secret as {setting}: command lines can be read by all.")


def _server_arguments(settings: ServeSettings) -> list[str]:
    """Return what every model is given: where it is, its name, its size."""
    return [
        *("--model", settings.model),
        *("--served-model-name", settings.name),
        *("--host", settings.host),
        *("--port", str(settings.port)),
        *("--max-model-len", str(settings.context)),
        *("--tensor-parallel-size", str(settings.gpus)),
        "--enable-prefix-caching",
    ]


def _image_arguments(
    settings: ServeSettings, *, device: Device, profile: Profile | None
) -> list[str]:
    """One image a question. On a GPU its size too: vLLM keeps memory free for the largest image.

    A model without videos refuses a bound on them.
    """
    image: object = 1
    if device != "cpu":
        image = {"count": 1, "width": settings.frame_edge, "height": settings.frame_edge}
    video = {"video": 0} if profile is None or profile.takes_video else {}
    return ["--limit-mm-per-prompt", json.dumps({"image": image, **video})]


def _family_arguments(settings: ServeSettings, *, profile: Profile | None) -> list[str]:
    """Return how images are taken in, and that it shall not think before it answers."""
    options: dict[str, object] = dict(profile.image_options) if profile else {}
    if settings.max_pixels is not None:
        if profile is not None and not profile.bounds_pixels:
            raise SettingInvalid(f"MODEL_MAX_PIXELS must be empty for {profile.name}.")
        options["max_pixels"] = settings.max_pixels
    arguments = ["--mm-processor-kwargs", json.dumps(options)] if options else []
    if profile is not None and profile.thinks:
        thinking = json.dumps({"enable_thinking": False})
        arguments += ["--default-chat-template-kwargs", thinking]
    return arguments


def _device_arguments(
    settings: ServeSettings, *, device: Device, profile: Profile | None
) -> list[str]:
    if device == "cpu":
        return ["--dtype", settings.dtype, "--enforce-eager"]
    arguments = [
        *("--dtype", settings.dtype),
        *("--gpu-memory-utilization", settings.utilization),
        *("--mm-processor-cache-gb", _IMAGE_CACHE_GIB),
    ]
    if profile and profile.most_sequences is not None:
        arguments += ["--max-num-seqs", str(profile.most_sequences)]
    if settings.gpus > 1 and profile and profile.splits_encoder:
        arguments += ["--mm-encoder-tp-mode", "data"]
    if device == "rocm" and settings.aiter and profile:
        arguments += ["--attention-backend", profile.aiter_attention]
    return arguments


def _device_environment(
    settings: ServeSettings, *, device: Device, environment: Mapping[str, str], cpus: int
) -> dict[str, str]:
    if device == "rocm":
        advice = _ROCM_DEFAULTS | ({"VLLM_ROCM_USE_AITER": "1"} if settings.aiter else {})
        return {name: environment.get(name) or value for name, value in advice.items()}
    if device == "cuda":
        return {}
    # One engine process with threads of its own choosing starts in two thirds of the time that
    # vLLM's pinned worker process takes, and computes the same.
    return {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(settings.cpu_threads or cpus),
        "VLLM_CPU_KVCACHE_SPACE": str(settings.cpu_cache),
    }
