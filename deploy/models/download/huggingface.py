"""Hugging Face's hub, by its own client.

Files come by HTTPS with ranges. The client's own ``snapshot_download`` deletes a file that was cut
off when the process ends (huggingface_hub#4228), which can be gigabytes; its ``http_get`` goes on
from any byte, so partial files are kept here.
"""

import itertools
import os
import time
from http import HTTPStatus
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url, logging
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from deploy.models.download.bounded_file import BoundedFile
from deploy.models.download.errors import NO_LISTING, DownloadError, no_hub
from deploy.models.download.snapshot import RemoteFile, Snapshot

CLIENT = "qwencam"
LISTING_SECONDS = 30
# The client itself resumes a connection that ends early; a reset one is resumed here, until so many
# in a row brought nothing.
RESETS = 5
KEPT = "what has arrived is kept"
WRONG_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105 - the hub's message.


class HuggingFaceHub:
    """Implements ``Hub``; the client finds a token: HF_TOKEN, or the file of ``hf auth login``."""

    def __init__(self) -> None:
        if not constants.ENDPOINT.startswith(("https://", "http://")):
            raise DownloadError(
                f"HF_ENDPOINT must begin with https://, not '{constants.ENDPOINT}'."
            )
        # Its warnings name addresses that carry signatures.
        logging.set_verbosity_error()
        self._api = HfApi(library_name=CLIENT)

    def snapshot(self, repository: str, *, revision: str | None) -> Snapshot:
        try:
            info = self._api.model_info(
                repository, revision=revision, files_metadata=True, timeout=LISTING_SECONDS
            )
        except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, httpx2.HTTPError) as error:
            raise DownloadError(
                sentence(error, repository=repository, revision=revision)
            ) from error
        except (*NO_LISTING, httpx2.InvalidURL) as error:
            raise DownloadError(no_hub(constants.ENDPOINT, setting="HF_ENDPOINT")) from error
        files = tuple(
            RemoteFile(
                path=sibling.rfilename,
                size=sibling.size or 0,
                sha256=sibling.lfs.sha256 if sibling.lfs else None,
                git_blob=None if sibling.lfs else sibling.blob_id,
            )
            for sibling in info.siblings or ()
        )
        return Snapshot(
            source="huggingface",
            repository=repository,
            revision=revision or constants.DEFAULT_REVISION,
            commit=info.sha or "",
            files=files,
        )

    def part(self, file: RemoteFile, *, folder: Path) -> Path:
        # Named by its content, so a part of another revision is never continued.
        content = (file.sha256 or file.git_blob or "unknown")[:16]
        return folder / f"{file.path}.{content}.incomplete"

    def fetch(self, snapshot: Snapshot, file: RemoteFile, *, folder: Path) -> None:
        part = self.part(file, folder=folder)
        try:
            self._get(snapshot, file, part=part)
        except (HfHubHTTPError, OfflineModeIsEnabled, httpx2.HTTPError) as error:
            raise DownloadError(
                sentence(error, repository=snapshot.repository, revision=snapshot.revision)
            ) from error
        except httpx2.InvalidURL as error:
            raise DownloadError(no_hub(constants.ENDPOINT, setting="HF_ENDPOINT")) from error
        except ValueError as error:
            raise DownloadError(
                f"{file.path} is larger than the hub sends over HTTPS (50 GB)."
            ) from error
        except OSError as error:
            if error.errno is not None:
                raise
            # Of the file or of the client's own check: other bytes than announced came, so none of
            # them are of use.
            part.unlink(missing_ok=True)
            raise DownloadError(
                f"{file.path} came with another size than the hub announced: run this again, and "
                "if it stays so, check the proxy or mirror in between."
            ) from error
        part.rename(folder / file.path)

    def _get(self, snapshot: Snapshot, file: RemoteFile, *, part: Path) -> None:
        url = hf_hub_url(snapshot.repository, file.path, revision=snapshot.commit)
        # Compressed, a file could not be continued at a byte.
        headers = build_hf_headers(library_name=CLIENT, headers={"Accept-Encoding": "identity"})
        in_vain = 0
        for attempt in itertools.count():
            before = part.stat().st_size if part.exists() else 0
            if before > file.size:
                part.unlink()
                before = 0
            try:
                with BoundedFile(part, most=file.size) as content:
                    http_get(
                        url,
                        content,
                        resume_size=before,
                        headers=headers,
                        expected_size=file.size,
                        displayed_filename=file.path,
                    )
                return
            except (httpx2.ReadError, httpx2.WriteError):
                in_vain = 0 if part.stat().st_size > before else in_vain + 1
                if in_vain >= RESETS:
                    raise
                time.sleep(min(1.0 + attempt, 10.0))


def sentence(error: Exception, *, repository: str, revision: str | None) -> str:
    """Return what an error of the client means for the person who asked."""
    hub = constants.ENDPOINT
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    match error:
        case HFValidationError():
            return f"'{repository}' is no repository's name: give OWNER/REPOSITORY."
        case OfflineModeIsEnabled():
            return "HF_HUB_OFFLINE is set, so nothing can be downloaded: unset it."
        case GatedRepoError():
            return (
                f"{repository} is gated ({status}): accept its licence at {hub}/{repository}, and "
                "set HF_TOKEN to a token of that account (https://huggingface.co/settings/tokens)."
            )
        case RevisionNotFoundError():
            return (
                f"{repository} has no revision '{revision}' ({status}): its branches and commits "
                f"are at {hub}/{repository}/commits/main."
            )
        case HfHubHTTPError() if status == HTTPStatus.UNAUTHORIZED:
            # The hub says so of a repository that does not exist, too.
            if error.response.headers.get("X-Error-Message") == WRONG_TOKEN:
                return f"{hub} does not know this HF_TOKEN (401): set a valid one, or unset it."
            return _login_sentence(f"{hub} shows {repository} to nobody without a login (401)")
        case RepositoryNotFoundError():
            return f"There is no repository {repository} at {hub} ({status}): check the name."
        case HfHubHTTPError() if status == HTTPStatus.FORBIDDEN:
            return _login_sentence(f"{hub} refuses {repository} (403)")
        case HfHubHTTPError() if status == HTTPStatus.TOO_MANY_REQUESTS:
            return f"{hub} had too many requests from here (429): wait some minutes; {KEPT}."
        case HfHubHTTPError() if status == HTTPStatus.NOT_FOUND:
            # A hub says what it lacks; a mirror, or what is none at all, only that.
            return (
                f"{hub} has no {repository} (404): check the name, and whether HF_ENDPOINT is a "
                "hub that has it."
            )
        case HfHubHTTPError() if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return f"The proxy asks for a login (407): name it in HTTPS_PROXY; {KEPT}."
        case HfHubHTTPError() if status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return f"{hub} refuses the request ({status}): check whether HF_ENDPOINT is a hub."
        case HfHubHTTPError():
            return f"{hub} answers with an error ({status}): try again later; {KEPT}."
        case _:
            return (
                f"{hub} can't be reached ({type(error).__name__}): check the network or the proxy "
                f"(HTTPS_PROXY), and run this again; {KEPT}."
            )


def _login_sentence(reason: str) -> str:
    if os.environ.get("HF_TOKEN"):
        return f"{reason}: check the name, and that the account of this HF_TOKEN may read it."
    return f"{reason}: check the name, or set HF_TOKEN if it is private."
