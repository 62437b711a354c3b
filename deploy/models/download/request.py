"""What a person asks for: a known name, or any repository."""

import re
from dataclasses import dataclass
from pathlib import Path

from deploy.models.catalogue import DEFAULT_MODEL, KNOWN_MODELS, MODELS_FOLDER, KnownModel
from deploy.models.download.errors import DownloadError
from deploy.models.paths import expanded

SOURCES = ("huggingface", "modelscope")
# Hugging Face lets a name have 96 letters; a folder on our disk is called by it.
REPOSITORY = re.compile(r"\w[\w.-]{0,127}/\w[\w.-]{0,127}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A repository, a revision of it (None: the main branch), and the folder it goes to."""

    source: str
    repository: str
    revision: str | None
    folder: Path


def request_for(
    name: str | None, *, revision: str | None = None, to: Path | None = None, source: str
) -> Request:
    """Return the request for a known name or ``OWNER/REPOSITORY``; ``DownloadError`` if neither.

    ``NAME@REVISION`` says which revision, as ``revision`` does.
    """
    name, _, named_revision = (name or DEFAULT_MODEL.name).partition("@")
    known = known_model(name)
    if known is None and not REPOSITORY.fullmatch(name):
        raise DownloadError(
            f"'{name}' is no model: give OWNER/REPOSITORY, or one of {', '.join(known_names())}."
        )
    repository = name
    if known is not None:
        repository = known.modelscope if source == "modelscope" else known.repository
    folder = known.name if known else repository.rpartition("/")[2].lower()
    return Request(
        source=source,
        repository=repository,
        revision=revision or named_revision or None,
        folder=expanded(str(to)).absolute() if to else (MODELS_FOLDER / folder).expanduser(),
    )


def known_names() -> list[str]:
    """Return the short names of the models that are known."""
    return [model.name for model in KNOWN_MODELS]


def known_model(name: str) -> KnownModel | None:
    """Return the model of a short name, or of exactly that repository: not of a copy of it."""
    for model in KNOWN_MODELS:
        if name.lower() in (model.name, model.repository.lower()):
            return model
    return None
