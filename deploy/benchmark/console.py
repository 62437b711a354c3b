"""What an open console costs the web server, and whether its page stays smooth.

    python -m deploy.benchmark.console

Starts a platform, puts 180 ended and 20 live sessions into it whose streams' figures change every
second, and opens the console in Chromium, once and once again. Prints JSON: the web server's share
of one core without and with the console, and what the page's own work takes.
"""

import asyncio
import json
import re
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any

import psutil
from playwright.async_api import CDPSession, async_playwright
from redis.asyncio import Redis

from apps.fleet.presence import announce_streams
from deploy.benchmark.platform import OwnPlatform, Platform
from deploy.benchmark.sampling import cpu_percent, machine

LIVE, ENDED = 20, 180
ROUNDS = 3
SECONDS = 20.0
VLLM_METRICS = "\n".join(
    [f'python_or_other_metric_{n}{{engine="0"}} {n}.0' for n in range(1500)]
    + [
        'vllm:num_requests_running{engine="0"} 2.0',
        'vllm:num_requests_waiting{engine="0"} 1.0',
        'vllm:kv_cache_usage_perc{engine="0"} 0.25',
        'vllm:prefix_cache_queries_total{engine="0"} 200.0',
        'vllm:prefix_cache_hits_total{engine="0"} 150.0',
        'vllm:generation_tokens_total{engine="0"} 12345.0',
    ]
)
WATCH_PAGE = """() => {
    window.long = [];
    new PerformanceObserver((list) => window.long.push(...list.getEntries().map((e) => e.duration)))
        .observe({type: "longtask"});
    window.gaps = [];
    let last = performance.now();
    const frame = (now) => {
        window.gaps.push(now - last);
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""


class _ModelServer(BaseHTTPRequestHandler):
    """As much of vLLM as the console looks at, with as long a list of metrics."""

    def do_GET(self) -> None:
        body = {
            "/metrics": VLLM_METRICS,
            "/version": '{"version": "0.32.0"}',
            "/v1/models": '{"data": [{"id": "qwencam-demo"}]}',
        }.get(self.path, "{}")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def model_server() -> Iterator[str]:
    """Serve it; gives its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _ModelServer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def fill(database: Path) -> list[str]:
    """Put the sessions into a platform's SQLite file; return the ids of the live ones."""
    now = datetime.now(UTC)
    live = [uuid.uuid4().hex for _ in range(LIVE)]
    with sqlite3.connect(database, timeout=20) as connection:
        (owner,) = connection.execute(
            "SELECT id FROM accounts_user WHERE username = 'demo'"
        ).fetchone()
        for number, key in enumerate([*live, *(uuid.uuid4().hex for _ in range(ENDED))]):
            began = now - timedelta(minutes=number)
            over = key not in live
            values = {
                "id": key,
                "user_id": owner,
                "address": f"192.0.2.{number % 250}",
                "started_at": began,
                "last_active_at": began if over else now,
                "present_until": began if over else now + timedelta(hours=1),
                "ended_at": began + timedelta(seconds=30) if over else None,
                "end_reason": "idle" if over else "",
                "end_note": "",
                "refresh_id": uuid.uuid4().hex,
                **dict.fromkeys(("questions", "answers", "errors", "frames"), number),
            }
            names = ", ".join(values)
            marks = ", ".join("?" * len(values))
            texts = [str(v) if isinstance(v, datetime) else v for v in values.values()]
            connection.execute(
                f"INSERT INTO camera_sessions_camerasession ({names}) VALUES ({marks})",
                texts,
            )
    return [str(uuid.UUID(key)) for key in live]


async def stream_on(redis: Redis, sessions: list[str]) -> None:
    """Say every second, as web processes do, how these sessions' streams are doing."""
    count = 0
    while True:
        count += 30
        facts = {"state": "connected", "width": 640, "height": 360, "fps": 10 + count % 7 / 10}
        facts |= {"frames_in": count, "frames_dropped": count // 100, "error": None}
        await announce_streams(redis, dict.fromkeys(sessions, facts), ttl=8)
        await asyncio.sleep(1)


async def watched(
    platform: Platform, password: str, webs: Sequence[psutil.Process]
) -> dict[str, Any]:
    """Open the console; return the server's share and the page's work."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        await page.goto(f"{platform.url}/login?next=/console/")
        await page.fill("input[name=username]", "operator")
        await page.fill("input[name=password]", password)
        await page.click("button[type=submit]")
        await page.wait_for_selector("[data-testid=session-row]")
        await page.click("[data-testid=show-all]")
        await page.wait_for_function(
            f"() => document.querySelectorAll('[data-testid=session-row]').length >= {LIVE + ENDED}"
        )
        await asyncio.sleep(3)
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable")
        before = await _work(devtools)
        await page.evaluate(WATCH_PAGE)
        share = await cpu_percent(webs, seconds=SECONDS)
        after = await _work(devtools)
        long = await page.evaluate("window.long")
        gaps = sorted(await page.evaluate("window.gaps"))
        await browser.close()
    return {
        "server_percent": share,
        "page_ms_a_second": {name: 1000 * (after[name] - before[name]) / SECONDS for name in after},
        "long_tasks": [round(duration) for duration in long],
        "frame_gap_p99_ms": round(gaps[int(len(gaps) * 0.99)], 1),
    }


async def _work(devtools: CDPSession) -> dict[str, float]:
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    wanted = {"ScriptDuration", "LayoutDuration", "RecalcStyleDuration"}
    return {one["name"]: one["value"] for one in metrics if one["name"] in wanted}


async def measure() -> dict[str, Any]:
    """Measure without and with the console, by turns."""
    with model_server() as model_url:
        own = OwnPlatform(model_url=model_url, settings={"MODEL_NAME": "qwencam-demo"})
        async with own as platform:
            data = own.folder / "data"
            sessions = fill(data / "db.sqlite3")
            facts = json.loads((data / "run" / "quickstart.json").read_text())
            found = re.search(r"operator: password (\S+)", (own.folder / "log").read_text())
            assert found
            redis = Redis.from_url(facts["redis_url"])
            streams = asyncio.create_task(stream_on(redis, sessions))
            without, rounds = [], []
            for _ in range(ROUNDS):
                without.append(await cpu_percent(platform.webs, seconds=SECONDS))
                rounds.append(await watched(platform, found[1], platform.webs))
            streams.cancel()
            await redis.aclose()
    costs = [one["server_percent"] - alone for one, alone in zip(rounds, without, strict=True)]
    return {
        "machine": machine(),
        "sessions": {"live": LIVE, "ended": ENDED},
        "server_percent_without": without,
        "with_console": rounds,
        "console_costs_percent": round(median(costs), 2),
    }


def main() -> None:
    """Measure and print."""
    began = time.monotonic()
    result = asyncio.run(measure())
    print(json.dumps(result, indent=1))
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
