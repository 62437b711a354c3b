"""A model's sizes before it is downloaded: its ``config.json``, and the listing of its weights."""

import json
import tempfile
from pathlib import Path

from deploy.models.checkpoint import Described
from deploy.models.download.errors import DownloadError
from deploy.models.download.request import Request
from deploy.models.download.snapshot import Hub, needed_by_vllm
from deploy.models.shape import ShapeUnknown, shape_of


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
    with tempfile.TemporaryDirectory() as folder:
        hub.fetch(snapshot, files["config.json"], folder=Path(folder))
        text = (Path(folder) / "config.json").read_text(encoding="utf-8")
    weights = sum(file.size for path, file in files.items() if path.endswith(".safetensors"))
    try:
        shape = shape_of(json.loads(text), weight_bytes=weights)
    except (ValueError, AttributeError) as error:
        reason = error if isinstance(error, ShapeUnknown) else "its config.json is no JSON object."
        raise DownloadError(f"{request.repository} can't be judged: {reason}") from error
    return Described(
        name=request.folder.name, shape=shape, source="the hub", estimated=False, known=None
    )
