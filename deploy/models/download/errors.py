"""The one error of a download."""


class DownloadError(Exception):
    """What stopped it: one sentence for the person who asked, saying what to do."""


# What a client raises that takes a page of a login, or of any other server, for a hub's answer.
NO_LISTING = (ValueError, TypeError, KeyError, AttributeError)


def no_hub(address: str, *, setting: str) -> str:
    """Return the sentence for a server that answers, and not as a hub does."""
    return (
        f"What answers at {address} is no hub, but perhaps a login page of this network or a "
        f"proxy: open a page in a browser, or check {setting} and HTTPS_PROXY."
    )
