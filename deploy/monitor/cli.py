"""The monitor's command line, and the terminal that its page is shown on."""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live

from apps.inference.gpus import Gpu
from deploy.hardware.gpu_load import read_gpu_load
from deploy.models.safetensors_files import UNREADABLE_JSON
from deploy.monitor.history import History
from deploy.monitor.page import page
from deploy.monitor.scraping import Scraper

ROOT = Path(__file__).resolve().parent.parent.parent
DEFAULT_URL = "http://127.0.0.1:8000"
DESCRIPTION = """Show a running QwenCam: health, sessions, streams, queue, latencies, errors, its
model servers and this machine's GPUs. It needs no rights but to read /health and /metrics (for the
latter the server's METRICS_ALLOW must name this machine's address). Ctrl-C ends it."""
EPILOG = """Exit status with --once, --json, or where the output is no terminal: 0 if the server is
well, 1 if it is degraded, down or away, 2 for unusable arguments. An authority of your own is
trusted by SSL_CERT_FILE=FILE."""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; ends with a sentence and status 2 if they can't be used."""
    parser = argparse.ArgumentParser(prog="monitor.py", description=DESCRIPTION, epilog=EPILOG)
    add = parser.add_argument
    add(
        "--server-url",
        type=_url,
        default=quickstart_url(ROOT) or DEFAULT_URL,
        help="where QwenCam is (%(default)s; a running quickstart's own if there is one)",
    )
    add("--interval", type=_interval, default=2.0, help="seconds between two looks (2)")
    add("--once", action="store_true", help="show the page once, since the server's start")
    add("--json", action="store_true", help="print one look as JSON")
    return parser.parse_args(arguments)


def quickstart_url(root: Path) -> str | None:
    """Return where this checkout's quickstart is; None if none that is usable runs in DATA_DIR."""
    data = Path(os.environ.get("DATA_DIR") or root / "var")
    with suppress(OSError, *UNREADABLE_JSON, KeyError, TypeError, argparse.ArgumentTypeError):
        return _url(str(json.loads((data / "run" / "quickstart.json").read_text())["url"]))
    return None


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address: give one such as http://127.0.0.1:8000."
        )
    return text.rstrip("/")


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.5 to 3600.")
    return seconds


class _Page:
    """The page as rich renders it: for whatever size the terminal has at that moment."""

    def __init__(self, history: History, *, interval: float) -> None:
        self._history = history
        self._interval = interval

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, console.height
        yield from page(self._history, width=width, height=height, interval=self._interval)


async def watch(scraper: Scraper, history: History, *, console: Console, interval: float) -> None:
    """Show the page and keep it new until cancelled; the terminal is as before then."""
    # No lines are wrapped: a line too long would push others out.
    shown = _Page(history, interval=interval)
    with Live(
        shown, console=console, screen=True, auto_refresh=False, vertical_overflow="crop"
    ) as live:
        asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, live.refresh)
        while True:
            began = time.monotonic()
            history.add(await scraper.read())
            live.refresh()
            await asyncio.sleep(max(0.1, began + interval - time.monotonic()))


async def look_once(scraper: Scraper, history: History, *, console: Console, as_json: bool) -> int:
    """Print one look; return the exit status."""
    shown = history.add(await scraper.read())
    if as_json:
        sys.stdout.write(json.dumps(shown.as_json(), indent=2) + "\n")
    else:
        for line in page(history, width=console.width, height=None, interval=0):
            console.print(line, no_wrap=True, crop=False, overflow="ignore")
    return 0 if shown.health.status == "ok" else 1


def _client() -> httpx.AsyncClient:
    """Return a client; ends with a sentence if the environment's settings for it can't be used."""
    try:
        return httpx.AsyncClient()
    except OSError as error:
        settings = ("SSL_CERT_FILE", "SSL_CERT_DIR")
        named = next((name for name in settings if os.environ.get(name)), None)
        which = (
            f"certificates in {os.environ[named]} ({named})" if named else "system's certificates"
        )
        sentence = f"The {which} can't be read: {error}."
    except ValueError as error:
        sentence = f"The environment names a proxy that can't be used: {error}."
    sys.stderr.write(f"{sentence}\n")
    sys.exit(2)


async def run(
    options: argparse.Namespace, *, read_gpus: Callable[[], Sequence[Gpu]] = read_gpu_load
) -> int:
    """Do what was asked for; return the exit status."""
    console = Console(highlight=False)
    history = History(options.server_url)
    async with _client() as client:
        scraper = Scraper(options.server_url, client=client, read_gpus=read_gpus)
        if options.once or options.json or not console.is_terminal:
            return await look_once(scraper, history, console=console, as_json=options.json)
        task = asyncio.ensure_future(
            watch(scraper, history, console=console, interval=options.interval)
        )
        for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(end, task.cancel)
        with suppress(asyncio.CancelledError):
            await task
        return 0


def main(arguments: Sequence[str]) -> int:
    """Run the monitor."""
    try:
        return asyncio.run(run(parse_arguments(arguments)))
    except KeyboardInterrupt:
        return 130
