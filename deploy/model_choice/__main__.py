"""``python -m deploy.model_choice NAME``: prints NAME=VALUE lines for ``scripts/quickstart.sh``.

``NOTE`` is a sentence for the person who asked, ``DOWNLOAD`` what scripts/download_model.sh is to
be given, ``DOWNLOAD_MB`` how much of it is not there yet; the rest are settings. Ends with one
sentence and status 1 if the model can't be had.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from deploy.hardware.cli import Unusable, read_wish
from deploy.hardware.facts import read_facts
from deploy.hardware.sources import LiveMachine
from deploy.model_choice.choice import Choice, DoesNotFit, choose, without_gpus
from deploy.model_choice.preview import preview
from deploy.models.catalogue import DEFAULT_MODEL, MODELS_FOLDER
from deploy.models.checkpoint import (
    Described,
    ModelUnknown,
    by_catalogue,
    describe,
    downloaded_models,
    looks_like_folder,
)
from deploy.models.command_line import run_command
from deploy.models.download.errors import DownloadError
from deploy.models.download.hubs import open_hub
from deploy.models.download.request import SOURCES, Request, known_model, request_for
from deploy.models.download.target import holds
from deploy.models.paths import expanded
from deploy.models.printable import printable, sentence, sentence_of

# A large model takes longer to load than the demo's. On two busy cores the first answer of 32
# tokens with 3 billion parameters took 164 s: more than an answer may take by default.
START_SECONDS = "3600"
ANSWER_SECONDS = "600"


def main(name: str, settings: Mapping[str, str]) -> int:
    """Print what was decided for the model; return the exit status."""
    try:
        for line in decide(name, settings):
            # A name in somebody's config.json must not begin a line of its own: lines are settings.
            print(printable(line))
    except (DownloadError, ModelUnknown, Unusable, DoesNotFit) as error:
        print(sentence(error), file=sys.stderr)
        return 1
    except OSError as error:
        print(sentence_of(error, doing="used"), file=sys.stderr)
        return 1
    return 0


def decide(name: str, settings: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines; raises the errors that ``main`` turns into a sentence."""
    request = None if looks_like_folder(name) else _request(name)
    folder = request.folder if request else expanded(name).absolute()
    if not str(folder).isprintable():
        raise ModelUnknown(f"{folder} has control characters in its name: rename it.")
    if request is None or holds(request):
        shown = request.folder.name if request else name
        described, download = replace(describe(str(folder)), name=shown), False
    else:
        described, download = _before_download(request), True
    # Read for the other settings: the model's own place was told above.
    wish = replace(
        read_wish(settings, model=DEFAULT_MODEL.repository),
        described=described,
        downloaded=downloaded_models(),
    )
    facts = read_facts(LiveMachine(), disk_folder=str(MODELS_FOLDER), ports=None)
    if settings.get("VLLM_DEVICE") == "cpu":
        facts = without_gpus(facts)
    choice = choose(wish, facts, settings=settings)
    yield from (f"NOTE={note}" for note in choice.notes)
    if download:
        yield f"DOWNLOAD={name}"
        yield f"DOWNLOAD_MB={described.missing_bytes // 10**6}"
    yield f"MODEL_PATH={folder}"
    yield f"MODEL_NAME={settings.get('MODEL_NAME') or folder.name}"
    yield from _settings(choice, settings)


def _request(name: str) -> Request:
    """Return the request for what is there already, from whichever hub; else for the first."""
    requests = [request_for(name, source=source) for source in SOURCES]
    return next((request for request in requests if holds(request)), requests[0])


def _before_download(request: Request) -> Described:
    model = known_model(request.repository)
    return by_catalogue(model) if model else preview(open_hub(request.source), request)


def _settings(choice: Choice, settings: Mapping[str, str]) -> Iterator[str]:
    yield f"MODEL_DEVICE={choice.device}"
    yield f"MODEL_MAX_TOKENS={choice.context}"
    yield f"MODEL_DTYPE={choice.dtype}"
    yield f"TENSOR_PARALLEL_SIZE={choice.gpus}"
    yield f"QUICKSTART_WAIT_SECONDS={settings.get('QUICKSTART_WAIT_SECONDS') or START_SECONDS}"
    if choice.device == "cpu":
        yield f"MODEL_TIMEOUT_SECONDS={settings.get('MODEL_TIMEOUT_SECONDS') or ANSWER_SECONDS}"


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1], os.environ), exact=True))
