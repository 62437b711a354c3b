"""A model's sizes before it is downloaded: its ``config.json``, and the listing of its weights."""

import json
import tempfile
from pathlib import Path

from deploy.models.checkpoint import Described, missing_bytes
from deploy.models.download.errors import DownloadError
from deploy.models.download.request import Request
from deploy.models.download.snapshot import Hub, needed_by_vllm
from deploy.models.safetensors_files import UNREADABLE_JSON
from deploy.models.shape import ShapeUnknown, shape_of

# The largest ones there are have some ten kilobytes.
_MOST_CONFIG_BYTES = 10_000_000


def preview(hub: Hub, request: Request) -> Described:
    """Return what the hub says of a repository's sizes.

    Raises:
        DownloadError: it can't be read, or isn't a model whose sizes can be told.
    """
    snapshot = hub.snapshot(request.repository, revision=request.revision)
    files = {file.path: file for file in needed_by_vllm(snapshot.files)}
    if "config.json" not in files:
        raise DownloadError(
            f"{request.repository} is no model that vLLM can serve: it has no config.json."
        )
    if files["config.json"].size > _MOST_CONFIG_BYTES:
        raise DownloadError(f"{request.repository} can't be judged: its config.json is too large.")
    try:
        with tempfile.TemporaryDirectory() as folder:
            hub.fetch(snapshot, files["config.json"], folder=Path(folder))
            content = (Path(folder) / "config.json").read_bytes()
    except OSError as error:
        raise DownloadError(
            f"{tempfile.gettempdir()} can't be written: {error.strerror or error}."
        ) from error
    weights = sum(file.size for path, file in files.items() if path.endswith(".safetensors"))
    try:
        shape = shape_of(json.loads(content), weight_bytes=weights)
    except (*UNREADABLE_JSON, TypeError, AttributeError) as error:
        reason = error if isinstance(error, ShapeUnknown) else "its config.json is no JSON object."
        raise DownloadError(f"{request.repository} can't be judged: {reason}") from error
    return Described(
        name=request.folder.name,
        shape=shape,
        source="the hub",
        estimated=False,
        known=None,
        missing_bytes=missing_bytes(weights, folder=request.folder),
    )
