"""The hubs' clients, imported where they are needed: checking a folder does without them."""

import os
from collections.abc import MutableMapping
from pathlib import Path

from deploy.models.download.errors import DownloadError
from deploy.models.download.snapshot import Hub


def open_hub(source: str) -> Hub:
    """Return the hub's client; ``DownloadError`` where it is not installed."""
    read_token_file(os.environ)
    # Read as the clients are imported: they ask for the model and for nothing else, and leave
    # progress to us.
    os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "TQDM_DISABLE": "1"}
    try:
        if source == "modelscope":
            from deploy.models.download.modelscope import ModelScopeHub

            return ModelScopeHub()
        from deploy.models.download.huggingface import HuggingFaceHub

        return HuggingFaceHub()
    except ModuleNotFoundError as error:
        raise DownloadError(
            f"{error.name} is not installed: use scripts/download_model.sh."
        ) from error


def read_token_file(environment: MutableMapping[str, str]) -> None:
    """Let the client find the token of HF_TOKEN_FILE; an HF_TOKEN in the environment wins."""
    path = environment.get("HF_TOKEN_FILE")
    if not path or environment.get("HF_TOKEN"):
        return
    try:
        environment["HF_TOKEN"] = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DownloadError(f"HF_TOKEN_FILE can't be read: {path}.") from error
