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

from deploy.models.catalogue import MODELS_FOLDER, find_model
from deploy.models.checkpoint import ModelUnknown, looks_like_folder, read_config
from deploy.models.profiles import Profile, profile_of
from deploy.models.serving import (
    DEVICES,
    Device,
    ServeCommand,
    ServeSettings,
    SettingInvalid,
    serve_command,
)
from deploy.models.torch_build import BuildUnusable, gpu_devices, refuse_mismatch, torch_build

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
        sys.exit(str(error))
    if printed:
        print("\n".join(printed_command(command)))  # noqa: T201
        sys.exit()
    run = [sys.executable, *command.arguments]
    environment = vllm_environment(os.environ, command=command, key=key)
    os.execve(sys.executable, run, environment)  # noqa: S606 -- no shell wanted


def read_key(environment: Mapping[str, str]) -> str:
    """Return the key that vLLM asks of its clients: VLLM_API_KEY, or what VLLM_API_KEY_FILE holds.

    Raises:
        SettingInvalid: the file can't be read.
    """
    path = environment.get("VLLM_API_KEY_FILE")
    if not path:
        return environment.get("VLLM_API_KEY", "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SettingInvalid(f"VLLM_API_KEY_FILE can't be read: {path}.") from error


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
        starts: vLLM is about to be started, so torch has to be there and fit the machine.

    Raises:
        SettingInvalid: VLLM_DEVICE names none.
        BuildUnusable: there is no torch, or it can't use this machine's GPU.
    """
    known: dict[str, Device] = {device: device for device in DEVICES}
    if wanted and wanted not in known:
        raise SettingInvalid(f"VLLM_DEVICE must be cpu, cuda or rocm, not '{wanted}'.")
    if wanted and not starts:
        return known[wanted]
    build = torch_build()
    if starts:
        refuse_mismatch(build, gpu_devices())
    return known.get(wanted, build)


def command_of(
    settings: ServeSettings,
    *,
    device: Device,
    environment: Mapping[str, str],
    further: Sequence[str],
) -> ServeCommand:
    """Return the command that serves the model of the settings.

    Raises:
        ModelUnknown: its folder has no configuration.
        SettingInvalid: its family can't have what a setting says.
    """
    model = place_of(settings.model)
    local = looks_like_folder(model)
    return serve_command(
        replace(settings, model=model, dtype=settings.dtype or _needed_dtype(model, device=device)),
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
    """
    known = find_model(model)
    if known is None or model != known.name:
        return model
    folder = MODELS_FOLDER.expanduser() / known.name
    return str(folder) if (folder / "config.json").is_file() else known.repository


def _needed_dtype(model: str, *, device: Device) -> str:
    """Return what vLLM must calculate in; empty where the device's own will do.

    On a CPU its kernels for weights of 4 bits take no float32.
    """
    if device != "cpu" or not (Path(model) / "config.json").is_file():
        return ""
    quantization = read_config(Path(model)).get("quantization_config")
    packed = isinstance(quantization, dict) and quantization.get("format") == "pack-quantized"
    return "bfloat16" if packed else ""


def _profile(model: str, *, local: bool) -> Profile | None:
    """Return the profile by the folder's own configuration, else by what is known of the name."""
    if local:
        return profile_of(read_config(Path(model)).get("architectures") or [])
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
    main(sys.argv[1:])
