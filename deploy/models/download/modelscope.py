"""ModelScope's hub, by its own client, which resumes and checks hashes by itself."""

import logging
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from modelscope_hub import HubApi
from modelscope_hub.errors import (
    APIError,
    AuthenticationError,
    FileIntegrityError,
    HubError,
    NetworkError,
    NotExistError,
    PermissionDeniedError,
)

from deploy.models.download.errors import NO_LISTING, DownloadError, no_hub
from deploy.models.download.snapshot import RemoteFile, Snapshot

MAIN = "master"
KEPT = "what has arrived is kept"


class ModelScopeHub:
    """Implements ``Hub``; the token is the client's: ``MODELSCOPE_API_TOKEN``, or its login."""

    def __init__(self) -> None:
        logging.getLogger("modelscope_hub").setLevel(logging.ERROR)
        self._api = HubApi()

    def snapshot(self, repository: str, *, revision: str | None) -> Snapshot:
        try:
            listed = self._api.list_repo_files(repository, "model", revision=revision or MAIN)
        except (HubError, requests.RequestException, *NO_LISTING) as error:
            raise DownloadError(
                self._sentence(error, repository=repository, revision=revision)
            ) from error
        files = (
            RemoteFile(path=file.path, size=file.size, sha256=file.sha256)
            for file in listed
            if not file.is_dir
        )
        # A listing names no commit: the files' hashes say what was there.
        return Snapshot(
            source="modelscope",
            repository=repository,
            revision=revision or MAIN,
            commit=revision or MAIN,
            files=tuple(files),
        )

    def part(self, file: RemoteFile, *, folder: Path) -> Path:
        return folder / f"{file.path}.incomplete"

    def fetch(self, snapshot: Snapshot, file: RemoteFile, *, folder: Path) -> None:
        try:
            self._api.download_file(
                snapshot.repository,
                "model",
                file.path,
                revision=snapshot.commit,
                # Its locks lie in its cache folder: here they go with the partial folder.
                cache_dir=folder / ".cache",
                local_dir=folder,
                expected_sha256=file.sha256,
                file_size=file.size,
            )
        except FileIntegrityError as error:
            raise DownloadError(
                f"{file.path} arrives damaged again and again: its checksum is not the hub's. Run "
                "this again, and if it stays so, check the proxy or mirror in between."
            ) from error
        except (HubError, requests.RequestException) as error:
            raise DownloadError(
                self._sentence(error, repository=snapshot.repository, revision=snapshot.revision)
            ) from error

    def _sentence(self, error: Any, *, repository: str, revision: str | None) -> str:
        hub = self._api.legacy.endpoint
        status = getattr(error, "status_code", None)
        match error:
            case requests.JSONDecodeError():
                return no_hub(hub, setting="MODELSCOPE_ENDPOINT")
            case NotExistError():
                return (
                    f"{hub} has no {repository} with revision '{revision or MAIN}' ({status}): "
                    "check the name and the revision."
                )
            case AuthenticationError() | PermissionDeniedError():
                return (
                    f"{hub} refuses {repository} ({status}): set MODELSCOPE_API_TOKEN to a token "
                    "of an account that may read it."
                )
            case NetworkError() | requests.RequestException():
                return f"{hub} can't be reached: check the network, and run this again; {KEPT}."
            case APIError() if status == HTTPStatus.TOO_MANY_REQUESTS:
                return f"{hub} had too many requests from here (429): wait some minutes; {KEPT}."
            case APIError() if status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR:
                return f"{hub} refuses the request ({status}): check whether it is a hub's address."
            case APIError():
                return f"{hub} answers with an error ({status}): try again later; {KEPT}."
            case TypeError() | KeyError() | AttributeError() | ValueError():
                return no_hub(hub, setting="MODELSCOPE_ENDPOINT")
            case _:
                return f"{hub}'s client failed ({type(error).__name__}): try again; {KEPT}."
