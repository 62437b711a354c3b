"""The command line of `scripts/convert_model.py`."""

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from deploy.models.amounts import amount
from deploy.models.catalogue import MODELS_FOLDER
from deploy.models.command_line import given
from deploy.models.conversion.errors import ConversionError
from deploy.models.conversion.formats import FORMATS, WeightFormat, chosen_format
from deploy.models.conversion.plan import Plan, make_plan
from deploy.models.conversion.verification import read_config, verify
from deploy.models.conversion.writing import Room, check_disk, check_writable, room_for, whole
from deploy.models.paths import expanded, is_folder
from deploy.models.printable import printable, sentence, sentence_of
from deploy.models.safetensors_files import WeightsError, read_weights
from deploy.models.shape import ShapeUnknown

DESCRIPTION = """Convert a model to 8 or 4 bits a weight, for vLLM. The language model's linear
layers are converted; vision tower, embeddings and head stay as they are. Weights are read a file at
a time, so a model is converted that is larger than the memory; no GPU is needed. The new folder
appears whole, checked and with SHA256SUMS, or not at all; the original stays."""
EPILOG = """8 bits: fp8 (the default; AMD Instinct MI300 and newer, NVIDIA Ada, Hopper and newer) or
int8 (older NVIDIA cards, CPUs). 4 bits: int4; it saves memory and seldom time, and costs accuracy:
compare the answers with the original's. --verify-only and --dry-run need nothing installed."""


# It reports each file that it copies, and warns that there is no GPU; the model is here already.
_CONVERTER_SETTINGS: Final = {
    "LLM_COMPRESSOR_LOG_LEVEL": "ERROR",
    "COMPRESSED_TENSORS_LOG_LEVEL": "ERROR",
    "HF_HUB_OFFLINE": "1",
}


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; ends with a sentence and status 2 if they can't be used."""
    parser = argparse.ArgumentParser(
        prog="convert_model.py", description=DESCRIPTION, epilog=EPILOG
    )
    add = parser.add_argument
    add(
        "--model-path",
        type=_folder,
        required=True,
        metavar="FOLDER",
        help="the original, or its name in ~/models",
    )
    add("--quantize", type=int, choices=[8, 4], default=8, help="bits a weight (8)")
    add("--format", choices=sorted(FORMATS), help="fp8 or int8 for 8 bits (fp8), int4 for 4")
    add("--output", type=given, metavar="FOLDER", help="the new one (the original's name, -fp8)")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--dry-run", action="store_true", help="say what would be done and what it takes"
    )
    either.add_argument(
        "--verify-only",
        action="store_true",
        help="check --output (or --model-path, if that is a converted one), offline",
    )
    return parser.parse_args(arguments)


def _folder(text: str) -> Path:
    # A name alone is one of the models that were downloaded, as for the other scripts.
    places = [expanded(given(text)), *([_models() / text] if "/" not in text else [])]
    folder = next((place for place in places if is_folder(place)), None)
    if folder is None:
        raise argparse.ArgumentTypeError(
            sentence(f"{text} is no folder: scripts/download_model.sh fetches a model into one.")
        )
    return folder.resolve()


def _models() -> Path:
    return MODELS_FOLDER.expanduser()


def main(arguments: Sequence[str], *, become_converter: Callable[[], None]) -> int:
    """Run it; return the exit status, 1 where something is in the way or wrong.

    Args:
        become_converter: called before a conversion; returns where llm-compressor can be imported.
    """
    options = parse_arguments(arguments)
    try:
        if options.verify_only:
            return _verify(options)
        return _convert(options, become_converter=become_converter)
    except (ConversionError, WeightsError) as error:
        # It may name a tensor, and a file of weights calls one what it likes.
        sys.stderr.write(f"{sentence(error)}\n")
        return 1
    except ShapeUnknown as error:
        sys.stderr.write(f"The model's config.json can't be used: {sentence(error)}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{sentence_of(error, doing='read')}\n")
        return 1


def _verify(options: argparse.Namespace) -> int:
    source = options.model_path
    if options.output is None and "quantization_config" in read_config(source):
        found = verify(source, original=None)
        _say(f"{source} is whole: {found.name}.")
        return 0
    target = _target(options, _format(options))
    found = verify(target, original=source)
    _say(f"{target} is whole, {found.name}, and has every tensor of {source}.")
    return 0


def _convert(options: argparse.Namespace, *, become_converter: Callable[[], None]) -> int:
    source, weight_format = options.model_path, _format(options)
    target = _target(options, weight_format)
    if target == source or source in target.parents:
        raise ConversionError("--output must be another folder than the model's, and not in it.")
    plan = make_plan(read_config(source), read_weights(source), format=weight_format)
    if target.exists() and not target.is_dir():
        raise ConversionError(f"{target} is a file: name a folder with --output.")
    if target.exists() and any(target.iterdir()):
        return _already_there(target, source=source, wanted=weight_format)
    check_writable(target)
    room = room_for(target, weights=plan.target_bytes)
    if options.dry_run:
        _describe(plan, source=source, target=target, room=room)
        check_disk(room)
        _say("Nothing was done (--dry-run).")
        return 0
    check_disk(room)
    become_converter()
    _describe(plan, source=source, target=target, room=room)
    _write(plan, source=source, target=target)
    return 0


def _write(plan: Plan, *, source: Path, target: Path) -> None:
    began = time.monotonic()
    end_by_exception()
    for name, value in _CONVERTER_SETTINGS.items():
        os.environ.setdefault(name, value)
    from deploy.models.conversion.quantization import quantize

    try:
        with whole(target, last=lambda part: verify(part, original=source)) as part:
            quantize(source, part, plan=plan)
    except OSError as error:
        raise ConversionError(f"{target} can't be written: {error.strerror or error}.") from error
    _say(f"Converted and checked in {time.monotonic() - began:.0f} s. Serve it with:")
    _say(f"  MODEL_PATH={shlex.quote(str(target))} scripts/start_vllm_server.sh")


def _format(options: argparse.Namespace) -> WeightFormat:
    return chosen_format(bits=options.quantize, name=options.format)


def _target(options: argparse.Namespace, weight_format: WeightFormat) -> Path:
    source: Path = options.model_path
    chosen: str | None = options.output
    if chosen is None:
        return source.with_name(f"{source.name}-{weight_format.name}")
    return expanded(chosen).resolve()


def _describe(plan: Plan, *, source: Path, target: Path, room: Room) -> None:
    shared = f", a scale for each {plan.group}" if plan.group else ", a scale for each row"
    _say(f"{source} -> {target}")
    way = f"{plan.format.name}{shared}; inputs {plan.format.activations}"
    _say(f"{len(plan.layers)} layers to {way}.")
    _say(f"Weights: {amount(plan.source_bytes)} -> {amount(plan.target_bytes)}.")
    needed, free = amount(room.needed), amount(room.free)
    _say(f"Disk: {needed} needed beside the original, {free} free at {room.place}.")


def _already_there(target: Path, *, source: Path, wanted: WeightFormat) -> int:
    if not _is_converted(target):
        raise ConversionError(
            f"{target} is not empty and holds no converted model: name another folder with "
            "--output."
        )
    try:
        found = verify(target, original=source)
    except ConversionError as error:
        raise ConversionError(
            f"{target} is there already and can't be used: {error} "
            "Move it away, or name another folder with --output."
        ) from error
    if found is not wanted:
        raise ConversionError(
            f"{target} is there already and is {found.name}: name another folder with --output."
        )
    _say("It is there already, and whole: nothing to do.")
    return 0


def _is_converted(folder: Path) -> bool:
    try:
        return "quantization_config" in read_config(folder)
    except ConversionError:
        return False


def end_by_exception() -> None:
    """Let SIGTERM and a closed terminal end it as Ctrl-C does, so that nothing half is left."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, end)


def _say(text: str) -> None:
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()
