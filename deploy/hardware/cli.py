"""``scripts/check_hardware.sh``: reads the machine, judges it, prints the report."""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

from deploy.hardware.facts import read_facts
from deploy.hardware.findings import GIB
from deploy.hardware.judge_gpus import judge_gpus
from deploy.hardware.judge_model import ModelWish, judge_model, verdict_on
from deploy.hardware.judge_system import judge_system
from deploy.hardware.report import as_json, lines
from deploy.hardware.sources import LiveMachine, Machine, RecordedMachine, RecordingMachine
from deploy.models.catalogue import DEFAULT_MODEL
from deploy.models.checkpoint import ModelUnknown, describe, downloaded_models
from deploy.models.command_line import given
from deploy.models.paths import is_file
from deploy.models.printable import printable, sentence, sentence_of
from deploy.models.serving import ServeSettings, SettingInvalid

FITS: Final = 0
DOES_NOT_FIT: Final = 1
UNUSABLE: Final = 2


class Unusable(ValueError):
    """An argument or a setting makes no sense; the message is a sentence."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise Unusable(f"{message[:1].upper()}{message[1:]}: see --help.")


def main(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Print the report and return 0 (the model fits), 1 (it doesn't) or 2 (unusable arguments)."""
    settings = os.environ if environment is None else environment
    try:
        options = _parse(arguments)
        wish = read_wish(settings, model=options.model)
        ports = port_range(settings.get("ICE_PORT_RANGE", ""))
        machine = _machine(options)
        facts = read_facts(machine, disk_folder=options.disk, ports=ports)
    except (Unusable, ModelUnknown) as error:
        print(f"check_hardware: {sentence(error)}", file=sys.stderr)  # noqa: T201
        return UNUSABLE
    except OSError as error:
        print(f"check_hardware: {sentence_of(error, doing='used')}", file=sys.stderr)  # noqa: T201
        return UNUSABLE
    if not options.recording:
        wish = replace(wish, downloaded=downloaded_models())
    findings = [*judge_gpus(facts), *judge_system(facts), *judge_model(wish, facts)]
    if options.json:
        document = as_json(findings, facts=facts, wish=wish, verdict=verdict_on(wish, facts))
        print(json.dumps(document, indent=2))  # noqa: T201
    else:
        text = lines(findings, os_name=facts.system.os_name)
        print("\n".join(printable(line) for line in text))  # noqa: T201
    blocked = any(finding.status == "failed" for finding in findings)
    return DOES_NOT_FIT if blocked else FITS


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="scripts/check_hardware.sh",
        description="What this machine has, and whether the configured model fits on it.",
        epilog="Exit status: 0 it fits, 1 it doesn't or something needs mending, 2 unusable "
        "arguments. Reads MODEL_PATH, MODEL_DTYPE, MODEL_MAX_TOKENS, TENSOR_PARALLEL_SIZE, "
        "GPU_MEMORY_UTILIZATION and ICE_PORT_RANGE from the environment.",
    )
    parser.add_argument(
        "--model",
        type=given,
        help="folder, repository or short name (MODEL_PATH, else the default model)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument(
        "--disk",
        type=given,
        default="~/models",
        metavar="DIR",
        help="where models are kept (~/models)",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--record", type=given, metavar="DIR", help="keep the raw readings in this folder"
    )
    source.add_argument(
        "--recording", type=given, metavar="DIR", help="judge a recorded machine, not this one"
    )
    return parser.parse_args(arguments)


def _machine(options: argparse.Namespace) -> Machine:
    if options.recording:
        if not is_file(Path(options.recording) / "machine.json"):
            raise Unusable(f"{options.recording} is no recording: it has no machine.json.")
        return RecordedMachine(Path(options.recording))
    if options.record:
        try:
            return RecordingMachine(LiveMachine(), folder=Path(options.record))
        except OSError as error:
            raise Unusable(f"{options.record} can't be written: {error.strerror}.") from error
    return LiveMachine()


def read_wish(settings: Mapping[str, str], *, model: str | None) -> ModelWish:
    """Return what is to be served, from the model server's settings.

    Raises:
        Unusable: a setting makes no sense.
        ModelUnknown: nothing is known of the model.
    """
    try:
        served = ServeSettings.from_environment(settings)
    except SettingInvalid as error:
        raise Unusable(str(error)) from error
    return ModelWish(
        described=describe(model or settings.get("MODEL_PATH") or DEFAULT_MODEL.name),
        dtype=served.dtype,
        context=served.context,
        gpus=served.gpus,
        utilization=float(served.utilization),
        cpu_cache_bytes=served.cpu_cache * GIB,
    )


def port_range(text: str) -> tuple[int, int] | None:
    """Return ICE_PORT_RANGE as (low, high), or None where it is empty.

    Raises:
        Unusable: it is no range.
    """
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    low, high = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1024 <= low <= high <= 65535:
        raise Unusable(f"ICE_PORT_RANGE must be like 40000-40100, within 1024-65535, not '{text}'.")
    return low, high
