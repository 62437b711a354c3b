"""The one error of a download."""


class DownloadError(Exception):
    """What stopped it: one sentence for the person who asked, saying what to do."""
