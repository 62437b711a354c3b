"""A checkpoint's folder, its configuration and weights; or what is known by name."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from deploy.models.catalogue import KNOWN_MODELS, MODELS_FOLDER, KnownModel, find_model
from deploy.models.download.place import partial_of
from deploy.models.paths import expanded, is_file, is_folder
from deploy.models.safetensors_files import (
    INDEX,
    UNREADABLE_JSON,
    WeightsError,
    read_header,
    read_index,
)
from deploy.models.shape import ModelShape, ShapeUnknown, shape_of

_ROOT: Final = Path(__file__).resolve().parents[2]


class ModelUnknown(ValueError):
    """Nothing is known of the model; the message is a sentence that says what to do."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """A model and how it is known.

    Attributes:
        name: as it was asked for.
        source: where its sizes come from: the folder, or the catalogue.
        estimated: its sizes are rounded.
        known: its entry in the catalogue, if it has one.
        missing_bytes: what is still to be downloaded; 0 for a folder.
    """

    name: str
    shape: ModelShape
    source: str
    estimated: bool
    known: KnownModel | None
    missing_bytes: int = 0


def describe(model: str) -> Described:
    """Return what is known of a folder, of a short name or of a repository.

    Raises:
        ModelUnknown: it is none of them, or its folder can't be read.
    """
    folder = _seen_from_here(expanded(model))
    known = find_model(model)
    if known is not None and model.lower() == known.name:
        folder = folder_of(known)
    if is_file(folder / "config.json"):
        shape = shape_in(folder)
        return Described(name=model, shape=shape, source=str(folder), estimated=False, known=known)
    if looks_like_folder(model):
        raise ModelUnknown(_why_no_checkpoint(model, folder=folder))
    if known is None:
        raise ModelUnknown(
            f"Nothing is known of {model}: download it and give its folder, "
            "or name one of the catalogue (python3 -m deploy.models lists them)."
        )
    return replace(by_catalogue(known), name=model)


def _seen_from_here(folder: Path) -> Path:
    """Return a folder of the current one, else of the repository, as the demo's is given."""
    ours = _ROOT / folder
    return ours if not is_folder(folder) and is_folder(ours) else folder


def _why_no_checkpoint(model: str, *, folder: Path) -> str:
    path = folder / "config.json"
    missing = f"{model} has no checkpoint: {path} is missing."
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return missing
    except OSError as error:
        return f"{model} can't be read: {error.strerror}."
    return missing


def by_catalogue(model: KnownModel) -> Described:
    """Return what the catalogue says of a model, and what of it is still to be downloaded."""
    return Described(
        name=model.name,
        shape=model.shape,
        source="the catalogue",
        estimated=model.estimated,
        known=model,
        missing_bytes=missing_bytes(model.shape.weight_bytes, folder=folder_of(model)),
    )


def folder_of(model: KnownModel) -> Path:
    """Return where a known model is, or will be."""
    return MODELS_FOLDER.expanduser() / model.name


def downloaded_models() -> frozenset[str]:
    """Return the short names of the known models that are there already."""
    return frozenset(
        model.name for model in KNOWN_MODELS if (folder_of(model) / "config.json").is_file()
    )


def missing_bytes(weights: int, *, folder: Path) -> int:
    """Return what of so many bytes of weights a download into a folder has not brought yet."""
    parts = partial_of(folder).glob("*.safetensors*")
    return max(0, weights - sum(part.stat().st_size for part in parts if part.is_file()))


def shape_in(folder: Path) -> ModelShape:
    """Return the sizes of the model in a folder.

    Raises:
        ModelUnknown: they can't be told, or its weights aren't whole.
    """
    config, weights = read_config(folder), weight_bytes(folder)
    try:
        return shape_of(config, weight_bytes=weights)
    except ShapeUnknown as unknown:
        raise ModelUnknown(f"{folder}/config.json can't be judged: {unknown}") from unknown
    except (*UNREADABLE_JSON, TypeError, KeyError, AttributeError) as error:
        raise ModelUnknown(
            f"{folder}/config.json can't be judged: it is not as a model's should be."
        ) from error


def looks_like_folder(model: str) -> bool:
    """Is it meant as a path, not as ``owner/repository`` or a short name?"""
    return model.startswith(("/", ".", "~", "deploy/")) or is_folder(model)


def read_config(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's ``config.json``.

    Raises:
        ModelUnknown: it isn't there, or isn't a JSON object.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelUnknown(f"{path} can't be read: {error.strerror}.") from error
    except UNREADABLE_JSON as error:
        raise ModelUnknown(f"{path} is not JSON: download the model again.") from error
    if not isinstance(config, dict):
        raise ModelUnknown(f"{path} is not a JSON object: download the model again.")
    return config


def weight_bytes(folder: Path) -> int:
    """Return the bytes of all tensors, by the headers of the files.

    Raises:
        ModelUnknown: there are none, or a file is missing or cut off.
    """
    try:
        files = [folder / name for name in _weight_files(folder)]
        headers = [read_header(file) for file in files]
    except FileNotFoundError as error:
        raise ModelUnknown(f"{error.filename} is missing: download the model again.") from error
    except OSError as error:
        raise ModelUnknown(f"{error.filename} can't be read: {error.strerror}.") from error
    except WeightsError as error:
        reason = str(error).rstrip(".")
        raise ModelUnknown(f"{folder}: {reason}; download the model again.") from error
    if not headers:
        raise ModelUnknown(f"{folder} holds no weights (*.safetensors): download the model again.")
    return sum(tensor.end - tensor.begin for header in headers for tensor in header.values())


def _weight_files(folder: Path) -> list[str]:
    """Return the names of those that vLLM reads: by the index, if there is one."""
    if (folder / INDEX).is_file():
        return sorted(set(read_index(folder / INDEX).values()))
    return sorted(path.name for path in folder.glob("*.safetensors"))
