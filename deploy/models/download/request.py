"""What a person asks for: a known name, or any repository."""

import re
from dataclasses import dataclass
from pathlib import Path

from deploy.models.catalogue import DEFAULT_MODEL, KNOWN_MODELS, MODELS_FOLDER, KnownModel
from deploy.models.download.errors import DownloadError

SOURCES = ("huggingface", "modelscope")
REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)


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
    """Return the request for a known name or ``OWNER/REPOSITORY``; ``DownloadError`` if neither."""
    known = _known(name)
    if known is None and not REPOSITORY.fullmatch(name or ""):
        raise DownloadError(
            f"'{name}' is no model: give OWNER/REPOSITORY, or one of {', '.join(known_names())}."
        )
    if known is not None:
        repository = known.modelscope if source == "modelscope" else known.repository
    else:
        repository = str(name)
    folder = known.name if known else repository.rpartition("/")[2].lower()
    return Request(
        source=source,
        repository=repository,
        revision=revision or None,
        folder=to.expanduser().absolute() if to else (MODELS_FOLDER / folder).expanduser(),
    )


def known_names() -> list[str]:
    """Return the short names of the models that are known."""
    return [model.name for model in KNOWN_MODELS]


def _known(name: str | None) -> KnownModel | None:
    """Return the model of a short name or of exactly that repository; the default for no name."""
    if not name:
        return DEFAULT_MODEL
    for model in KNOWN_MODELS:
        if name.lower() in (model.name, model.repository.lower()):
            return model
    return None
