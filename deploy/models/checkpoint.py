"""A checkpoint's folder, its configuration and weights; or what is known by name."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.models.catalogue import MODELS_FOLDER, KnownModel, find_model
from deploy.models.shape import ModelShape, ShapeUnknown, shape_of


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
    """

    name: str
    shape: ModelShape
    source: str
    estimated: bool
    known: KnownModel | None


def describe(model: str) -> Described:
    """Return what is known of a folder, of a short name or of a repository.

    Raises:
        ModelUnknown: it is none of them, or its folder can't be read.
    """
    folder = Path(model).expanduser()
    known = find_model(model)
    if known is not None and model == known.name:
        folder = MODELS_FOLDER.expanduser() / known.name
    if (folder / "config.json").is_file():
        config = read_config(folder)
        try:
            shape = shape_of(config, weight_bytes=weight_bytes(folder))
        except ShapeUnknown as unknown:
            raise ModelUnknown(f"{folder}/config.json can't be judged: {unknown}") from unknown
        return Described(name=model, shape=shape, source=str(folder), estimated=False, known=known)
    if looks_like_folder(model):
        raise ModelUnknown(f"{model} has no checkpoint: {folder / 'config.json'} is missing.")
    if known is None:
        raise ModelUnknown(
            f"Nothing is known of {model}: download it and give its folder, "
            "or name one of the catalogue (python3 -m deploy.models lists them)."
        )
    return Described(
        name=model,
        shape=known.shape,
        source="the catalogue",
        estimated=known.estimated,
        known=known,
    )


def looks_like_folder(model: str) -> bool:
    """Is it meant as a path, not as ``owner/repository`` or a short name?"""
    return model.startswith(("/", ".", "~", "deploy/")) or Path(model).is_dir()


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
    except ValueError as error:
        raise ModelUnknown(f"{path} is not JSON: download the model again.") from error
    if not isinstance(config, dict):
        raise ModelUnknown(f"{path} is not a JSON object: download the model again.")
    return config


def weight_bytes(folder: Path) -> int:
    """Return the bytes of all tensors: the index says, else the files' sizes do.

    Raises:
        ModelUnknown: there are neither.
    """
    index = folder / "model.safetensors.index.json"
    try:
        total = json.loads(index.read_text(encoding="utf-8"))["metadata"]["total_size"]
        return int(total)
    except OSError:
        pass  # A model in one file has no index: that file's size is summed up below.
    except (ValueError, KeyError, TypeError) as error:
        raise ModelUnknown(f"{index} is damaged: download the model again.") from error
    sizes = [path.stat().st_size for path in folder.glob("*.safetensors")]
    if not sizes:
        raise ModelUnknown(f"{folder} holds no weights (*.safetensors): download the model again.")
    return sum(sizes)
