"""``python -m deploy.models.download``, by ``scripts/download_model.sh``; ``--help`` says how."""

import argparse
import os
import signal
import sys
from pathlib import Path

from deploy.models.amounts import amount
from deploy.models.command_line import given, run_command
from deploy.models.download.errors import DownloadError
from deploy.models.download.hubs import open_hub
from deploy.models.download.place import partial_of
from deploy.models.download.request import SOURCES, Request, request_for
from deploy.models.download.snapshot import Hub, Snapshot, needed_by_vllm
from deploy.models.download.target import clear_way, holds
from deploy.models.download.transfer import arrived, need_room, transfer
from deploy.models.download.verification import verify
from deploy.models.printable import sentence, sentence_of

COMMAND = "scripts/download_model.sh"
INTERRUPTED = 128 + signal.SIGINT


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Downloads a model that vLLM can serve, checks it, and says where it is. "
        "Run again it goes on where it was cut off, or finds the model there.",
        epilog="A token, where the hub wants one: HF_TOKEN or HF_TOKEN_FILE "
        "(MODELSCOPE_API_TOKEN). A mirror: HF_ENDPOINT.",
    )
    parser.add_argument(
        "name",
        nargs="?",
        type=given,
        help="a known name, or OWNER/REPOSITORY[@REVISION] (default: qwen2.5-vl-32b)",
    )
    parser.add_argument(
        "--revision", type=given, help="a branch, tag or commit (default: the main branch)"
    )
    parser.add_argument("--to", type=_folder, metavar="FOLDER", help="(default: ~/models/NAME)")
    parser.add_argument("--source", choices=SOURCES, default="huggingface")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--verify", action="store_true", help="check a folder that is there, without a network"
    )
    either.add_argument(
        "--dry-run", action="store_true", help="say what would be downloaded, and whether it fits"
    )
    return parser.parse_args(arguments)


def _folder(text: str) -> Path:
    return Path(given(text))


def look_up(hub: Hub, request: Request) -> Snapshot:
    """Return what is to be fetched; ``DownloadError`` if the repository is nothing for vLLM."""
    whole = hub.snapshot(request.repository, revision=request.revision)
    # They end up on a terminal, and in SHA256SUMS, where a line is a file.
    for told in (whole.commit, *(file.path for file in whole.files)):
        if not told.isprintable():
            raise DownloadError(
                f"{request.repository} has control characters in a name, {told!a}: it is not "
                "downloaded."
            )
    # A name that is listed twice would be written by two at once.
    files = needed_by_vllm({file.path: file for file in whole.files}.values())
    names = {file.path for file in files}
    if "config.json" not in names or not any(name.endswith(".safetensors") for name in names):
        raise DownloadError(
            f"{request.repository} is no model that vLLM can serve: it lacks config.json or "
            "*.safetensors."
        )
    return Snapshot(
        source=whole.source,
        repository=whole.repository,
        revision=whole.revision,
        commit=whole.commit,
        files=files,
    )


def download(request: Request, *, dry_run: bool) -> None:
    """Bring the model into its folder, or only say what that would take."""
    if holds(request):
        print(f"{request.repository} is in {request.folder} already. {COMMAND} --verify checks it.")
        return
    clear_way(request)
    hub = open_hub(request.source)
    snapshot = look_up(hub, request)
    print(
        f"{snapshot.repository} at {snapshot.revision} ({snapshot.commit[:12]}): "
        f"{len(snapshot.files)} files, {amount(snapshot.size)}, into {request.folder}",
        flush=True,
    )
    if dry_run:
        for file in snapshot.files:
            print(f"  {amount(file.size):>10}  {file.path}")
        partial = partial_of(request.folder)
        need_room(snapshot, folder=partial, present=arrived(hub, snapshot, partial=partial))
        return
    transfer(hub, snapshot, target=request.folder)
    print(f"Checked and complete: {request.folder}")


def check(request: Request) -> None:
    """Verify the model's folder, offline."""
    if not request.folder.is_dir():
        raise DownloadError(f"{request.folder} is not there: download it with {COMMAND} first.")
    count = verify(
        request.folder,
        again=f"{COMMAND} {request.repository} --to {request.folder}",
        on_file=lambda name: print(f"Checking {name} …", flush=True),
    )
    print(f"{request.folder} is complete and undamaged: {count} files.")


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        request = request_for(
            options.name, revision=options.revision, to=options.to, source=options.source
        )
        if options.verify:
            check(request)
        else:
            download(request, dry_run=options.dry_run)
    except DownloadError as error:
        print(sentence(error), file=sys.stderr)
        return 1
    except OSError as error:
        print(sentence_of(error, doing="used"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What has arrived is kept: run this again to go on.", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    status = run_command(main)
    sys.stderr.flush()
    # Threads may still be reading from the hub. Nobody waits for them: what they have written is
    # good to go on from.
    os._exit(status)
