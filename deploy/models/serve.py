"""``scripts/start_vllm_server.sh``: becomes vLLM, or prints the command (``--print-command``).

Run by the Python that has vLLM, from the repository's root.
"""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from deploy.models.catalogue import find_model
from deploy.models.checkpoint import (
    ModelUnknown,
    folder_of,
    looks_like_folder,
    read_config,
    weight_bytes,
)
from deploy.models.command_line import run_command
from deploy.models.download.request import REPOSITORY
from deploy.models.dtype import default_dtype
from deploy.models.fit import Place
from deploy.models.paths import expanded
from deploy.models.printable import sentence
from deploy.models.processor import (
    NATIVE_BFLOAT16,
    Read,
    cpu_features,
    free_memory,
    memory_fields,
    memory_limit,
    read_file,
)
from deploy.models.profiles import Profile, profile_of
from deploy.models.safetensors_files import UNREADABLE_JSON
from deploy.models.serving import (
    DEVICES,
    Device,
    ServeCommand,
    ServeSettings,
    SettingInvalid,
    serve_command,
)
from deploy.models.shape import ModelShape, architectures_of, shape_of
from deploy.models.torch_build import (
    BuildUnusable,
    GpuDevices,
    gpu_devices,
    refuse_mismatch,
    torch_build,
)

_PRINT = "--print-command"


def main(arguments: Sequence[str]) -> NoReturn:
    """Replace this process by vLLM.

    Raises:
        SystemExit: with one sentence, if it can't; or after the command was printed.
    """
    further = [argument for argument in arguments if argument != _PRINT]
    printed = len(further) < len(arguments)
    try:
        settings = ServeSettings.from_environment(os.environ)
        device = chosen_device(os.environ.get("VLLM_DEVICE", ""), starts=not printed)
        command = command_of(settings, device=device, environment=os.environ, further=further)
        key = read_key(os.environ)
    except (SettingInvalid, ModelUnknown, BuildUnusable) as error:
        sys.exit(sentence(error))
    if printed:
        print("\n".join(printed_command(command)))  # noqa: T201
        sys.exit()
    run = [sys.executable, *command.arguments]
    environment = vllm_environment(os.environ, command=command, key=key)
    os.execve(sys.executable, run, environment)  # noqa: S606 -- no shell wanted


def read_key(environment: Mapping[str, str]) -> str:
    """Return the key that vLLM asks of its clients: VLLM_API_KEY, or what VLLM_API_KEY_FILE holds.

    Raises:
        SettingInvalid: the file can't be read, or is empty: anybody could ask the server then.
    """
    path = environment.get("VLLM_API_KEY_FILE")
    if not path:
        return environment.get("VLLM_API_KEY", "")
    try:
        key = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SettingInvalid(f"VLLM_API_KEY_FILE can't be read: {path}.") from error
    if not key:
        raise SettingInvalid(f"VLLM_API_KEY_FILE is empty: {path}. Put a key in, or unset it.")
    return key


def vllm_environment(
    environment: Mapping[str, str], *, command: ServeCommand, key: str
) -> dict[str, str]:
    """Return vLLM's environment: ours without what is withheld, and the key if there is one.

    An empty key would be one that no client can give.
    """
    withheld = {*command.withheld, "VLLM_API_KEY", "VLLM_API_KEY_FILE"}
    kept = {name: value for name, value in environment.items() if name not in withheld}
    return {**kept, **command.environment, **({"VLLM_API_KEY": key} if key else {})}


def chosen_device(wanted: str, *, starts: bool) -> Device:
    """Return VLLM_DEVICE, else what the installed torch was built for.

    Args:
        starts: vLLM is about to be started, so torch has to be there and fit the machine. A
            command that is only printed may be for a container: this machine's GPUs tell.

    Raises:
        SettingInvalid: VLLM_DEVICE names none.
        BuildUnusable: there is no torch, or it can't use this machine's GPU.
    """
    known: dict[str, Device] = {device: device for device in DEVICES}
    if wanted and wanted not in known:
        raise SettingInvalid(f"VLLM_DEVICE must be cpu, cuda or rocm, not '{wanted}'.")
    if wanted and not starts:
        return known[wanted]
    try:
        build = torch_build()
    except BuildUnusable:
        if starts:
            raise
        return _device_of(gpu_devices())
    if starts:
        refuse_mismatch(build, gpu_devices())
    return known.get(wanted, build)


def _device_of(gpus: GpuDevices) -> Device:
    """Return what a command is printed for where no vLLM is installed, as in front of a container.

    Raises:
        BuildUnusable: this machine's GPUs don't tell.
    """
    if gpus.amd == gpus.nvidia:
        raise BuildUnusable(
            "vLLM is not installed for this Python, and this machine's GPUs don't tell what the "
            "command is for: set VLLM_DEVICE to rocm, cuda or cpu."
        )
    return "rocm" if gpus.amd else "cuda"


def command_of(
    settings: ServeSettings,
    *,
    device: Device,
    environment: Mapping[str, str],
    further: Sequence[str],
    read: Read = read_file,
) -> ServeCommand:
    """Return the command that serves the model of the settings.

    Args:
        read: the machine's files, which say what its CPU computes and how much memory is free.

    Raises:
        ModelUnknown: it is none, or its folder has no configuration or no whole weights.
        SettingInvalid: its family can't have what a setting says.
    """
    model = place_of(settings.model)
    local = looks_like_folder(model)
    shape = _shape(model, local=local)
    return serve_command(
        replace(
            settings,
            model=model,
            dtype=_dtype(settings, shape=shape, device=device, read=read),
        ),
        device=device,
        profile=_profile(model, local=local),
        local=local,
        environment=environment,
        cpus=len(os.sched_getaffinity(0)),
        further=further,
    )


def place_of(model: str) -> str:
    """Return what vLLM finds it by: a short name's folder if it is there, else its repository.

    Folders and repositories stay as they are.

    Raises:
        ModelUnknown: it is nothing of these.
    """
    if looks_like_folder(model):
        return str(expanded(model))
    known = find_model(model)
    if known is not None and model.lower() == known.name:
        folder = folder_of(known)
        return str(folder) if (folder / "config.json").is_file() else known.repository
    if not REPOSITORY.fullmatch(model):
        raise ModelUnknown(
            f"MODEL_PATH names no model: '{model}' is neither a folder nor OWNER/REPOSITORY nor a "
            "known name (python3 -m deploy.models lists them)."
        )
    return model


def _shape(model: str, *, local: bool) -> ModelShape | None:
    """Return the sizes; None where they aren't known, which vLLM may know better.

    Raises:
        ModelUnknown: the folder has no configuration, or weights that aren't whole.
    """
    if not local:
        known = find_model(model)
        return known.shape if known else None
    folder = Path(model)
    config = read_config(folder)
    if not any(folder.glob("*.safetensors*")):
        return None  # Weights of another kind.
    weights = weight_bytes(folder)
    try:
        return shape_of(config, weight_bytes=weights)
    except (*UNREADABLE_JSON, TypeError, KeyError, AttributeError):
        return None


def _dtype(settings: ServeSettings, *, shape: ModelShape | None, device: Device, read: Read) -> str:
    """Return what the model is computed in.

    Raises:
        SettingInvalid: it can't be what MODEL_DTYPE says.
    """
    if device == "cpu" and shape and shape.packed and settings.dtype in {"float32", "float"}:
        raise SettingInvalid("MODEL_DTYPE must be bfloat16 or empty for weights of 4 bits.")
    if settings.dtype:
        return settings.dtype
    if device != "cpu":
        return "auto"
    if shape is None:
        return "float32"
    memory = memory_fields(read("/proc/meminfo") or "").get("MemAvailable", 0)
    features = cpu_features(read("/proc/cpuinfo") or "")
    place = Place(
        memory_bytes=free_memory(memory, memory_limit(read)),
        gpus=0,
        context=settings.context,
        cpu_cache_bytes=settings.cpu_cache * 1024**3,
        native_bfloat16=bool(NATIVE_BFLOAT16.intersection(features)),
    )
    return default_dtype(shape, place)


def _profile(model: str, *, local: bool) -> Profile | None:
    """Return the profile by the folder's own configuration, else by what is known of the name."""
    if local:
        return profile_of(architectures_of(read_config(Path(model))))
    known = find_model(model)
    return profile_of([known.shape.architecture]) if known else None


def printed_command(command: ServeCommand) -> list[str]:
    """Return the command for a shell, one argument a line; it holds no secret."""
    withheld = [f"unset {name}" for name in command.withheld]
    exported = [
        f"export {name}={shlex.quote(value)}" for name, value in command.environment.items()
    ]
    program, *arguments = (shlex.quote(part) for part in (sys.executable, *command.arguments))
    return [*withheld, *exported, " \\\n    ".join(["exec " + program, *arguments])]


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:]), exact=True))
