"""The folder a model goes to: is it there already, or is something else?"""

from deploy.models.download.errors import DownloadError
from deploy.models.download.place import partial_of, real_place
from deploy.models.download.record import read_record
from deploy.models.download.request import Request


def holds(request: Request) -> bool:
    """Say whether the folder holds the whole model that is asked for."""
    record = read_record(request.folder)
    return (
        record is not None
        and record.answers(
            source=request.source, repository=request.repository, revision=request.revision
        )
        and not record.missing(request.folder)
    )


def clear_way(request: Request) -> None:
    """Make sure that a download may take the folder's name; ``DownloadError`` if it may not.

    A model of which a file is gone becomes a partial one again, so that only this file is fetched.
    """
    folder = request.folder
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    record = read_record(folder)
    if record is None:
        raise DownloadError(
            f"{folder} holds something that this script did not download: choose another folder "
            "with --to, or move it away."
        )
    if not record.answers(
        source=request.source, repository=request.repository, revision=request.revision
    ):
        raise DownloadError(
            f"{folder} holds {record.repository} at {record.revision} ({record.commit[:12]}): "
            "choose another folder with --to, or move it away."
        )
    partial = partial_of(folder)
    if partial.exists():
        raise DownloadError(f"{folder} lacks files and {partial} is there as well: delete one.")
    real_place(folder).rename(partial)
