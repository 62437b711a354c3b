"""``readiness.py``: waits until ``/health`` is ok, showing what is missing; then says where all is.

Reads the environment that quickstart.sh made. Once healthy it writes ``run/quickstart.json`` in the
data folder, for scripts and tests. Fails with one sentence when a part keeps ending or time is up.
"""

import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

WAIT_SECONDS = float(os.environ.get("QUICKSTART_WAIT_SECONDS") or 300)
TOO_MANY_ENDS = 4
# Only this machine is asked, so a certificate made for another name is no matter.
DIRECT = urllib.request.build_opener(
    urllib.request.ProxyHandler({}),
    urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),  # noqa: S323
)


def reached_at(host: str) -> str:
    """Return the host of a URL for what listens at that address."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
    return anywhere.get(host) or (f"[{host}]" if ":" in host else host)


def missing(url: str) -> list[str] | None:
    """Return the checks that are not ok, or None while the web server does not answer."""
    try:
        with DIRECT.open(f"{url}/health", timeout=3) as reply:
            body = json.load(reply)
    except urllib.error.HTTPError as error:
        try:
            body = json.load(error)
        except ValueError:
            return None
    except (OSError, ValueError):
        return None
    if body.get("status") == "ok":
        return []
    checks = body.get("checks", {})
    return [name for name, check in checks.items() if check["status"] != "ok"] or ["health"]


def keeps_ending(supervisor_log: Path) -> str | None:
    """Return the name of a program that ended too often, by the supervisor's log."""
    # Not by its XML-RPC interface: that counts no ends, and its socket's path may have 107 bytes at
    # most, which a data folder of the user's choice may exceed.
    try:
        log = supervisor_log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    gave_up = re.search(r"gave up: (\w+)", log)
    if gave_up:
        return gave_up[1]
    ends = Counter(re.findall(r"exited: (\w+)", log))
    return next((name for name, count in ends.items() if count >= TOO_MANY_ENDS), None)


def last_pids(supervisor_log: Path) -> dict[str, int]:
    """Return the process id of each program that was started, by the supervisor's log."""
    log = supervisor_log.read_text(encoding="utf-8", errors="replace")
    return {name: int(pid) for name, pid in re.findall(r"spawned: '(\w+)' with pid (\d+)", log)}


def show(text: str) -> None:
    """Replace the line on a terminal; elsewhere print one."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)
    else:
        print(text, flush=True)


def has_ended(process: str) -> bool:
    """Return whether a process is no more, or only waits to be asked how it ended."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def wait_until_healthy(url: str, logs: Path) -> None:
    """Return once healthy; exit with one sentence if that will not happen."""
    began, shown = time.monotonic(), ("", 0.0)
    while (lacking := missing(url)) != []:
        now = time.monotonic()
        waiting_for = "web" if lacking is None else ", ".join(lacking)
        if ending := keeps_ending(logs / "supervisord.log"):
            sys.exit(f"\n{ending} keeps ending: see {logs / ending}.log.")
        if has_ended(os.environ["SUPERVISOR"]):
            sys.exit(f"\nThe supervisor ended by itself: see {logs / 'supervisord.log'}.")
        if now - began > WAIT_SECONDS:
            sys.exit(
                f"\nNot healthy after {WAIT_SECONDS:.0f} s for want of {waiting_for}: see {logs}."
            )
        if sys.stdout.isatty() or waiting_for != shown[0] or now - shown[1] >= 10:
            show(f"Starting … {now - began:.0f} s, waiting for {waiting_for}")
            shown = (waiting_for, now)
        time.sleep(0.5)
    show(f"Healthy after {time.monotonic() - began:.0f} s.")
    if sys.stdout.isatty():
        print()


def main() -> None:
    data = Path(os.environ["DATA_DIR"])
    scheme = "https" if os.environ.get("SSL_CERT_PATH") else "http"
    url = f"{scheme}://{reached_at(os.environ['HOST'])}:{os.environ['PORT']}"
    logs = data / "logs"
    wait_until_healthy(url, logs)
    description = {
        "url": url,
        "port": int(os.environ["PORT"]),
        "redis_url": os.environ["REDIS_URL"],
        "vllm_base_url": os.environ["VLLM_BASE_URL"],
        "worker_metrics_port": int(os.environ["WORKER_METRICS_PORT"]),
        "supervisor_pid": int((data / "run" / "supervisord.pid").read_text()),
        "pids": last_pids(logs / "supervisord.log"),
        "logs": str(logs),
    }
    file = data / "run" / "quickstart.json"
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    partial.chmod(0o600)
    partial.replace(file)


if __name__ == "__main__":
    main()
