"""``health.py wait|list --url URL...``: are all web servers well? For ``install.sh``.

``list`` prints the parts that are well at every one of them; ``wait`` waits until those named are.
"""

import argparse
import http.client
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from typing import Any, Final

ANSWER_SECONDS: Final = 5
LOOK_SECONDS: Final = 0.5
_DIRECT = urllib.request.build_opener(
    urllib.request.ProxyHandler({}),
    # It is this machine, whatever name its certificate is for.
    urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),  # noqa: S323
)


def well(url: str, *, host: str) -> set[str]:
    """Return the parts that are well by one web server's ``/health``; none if it is silent."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})  # noqa: S310
    try:
        with _DIRECT.open(request, timeout=ANSWER_SECONDS) as reply:
            body = _body(reply)
    except urllib.error.HTTPError as error:
        body = _body(error)
    except (OSError, http.client.HTTPException):
        return set()
    checks: dict[str, Any] = body.get("checks", {})
    return {name for name, check in checks.items() if check["status"] == "ok"}


def _body(reply: Any) -> dict[str, Any]:
    """Return what was answered, nothing if it is an answer of something else."""
    try:
        body = json.load(reply)
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return body if isinstance(body, dict) else {}


def everywhere(urls: list[str], *, host: str) -> set[str]:
    """Return the parts that are well by every web server."""
    return set.intersection(*(well(url, host=host) for url in urls))


def wait(urls: list[str], *, host: str, need: set[str], seconds: float) -> set[str]:
    """Return what of ``need`` is missing after ``seconds``, or nothing as soon as all is well."""
    began, shown = time.monotonic(), ""
    while missing := need - everywhere(urls, host=host):
        waited = time.monotonic() - began
        if waited > seconds:
            return missing
        what = ", ".join(sorted(missing))
        if what != shown:
            print(f"    {waited:.0f} s: waiting for {what}", flush=True)  # noqa: T201
            shown = what
        time.sleep(LOOK_SECONDS)
    return set()


def main() -> None:
    """Read the command line; exit with 1 and a sentence where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["wait", "list"])
    parser.add_argument("--url", action="append", required=True)
    parser.add_argument("--host", default="", help="name to ask for: one of ALLOWED_HOSTS")
    parser.add_argument("--need", default="", help="parts that must be well, comma separated")
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    if given.command == "list":
        print(",".join(sorted(everywhere(given.url, host=given.host))))  # noqa: T201
        return
    need = {part for part in given.need.split(",") if part}
    missing = wait(given.url, host=given.host, need=need, seconds=given.seconds)
    if missing:
        sys.exit(f"After {given.seconds:.0f} s still not well: {', '.join(sorted(missing))}.")


if __name__ == "__main__":
    main()
