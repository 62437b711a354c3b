"""The Grafana dashboard: a real Prometheus that scrapes the real processes answers every query.

Guards against: a panel that stays empty since a metric has another name, a key that Grafana does
not know, a datasource or a folder that the provisioning names and the dashboard does not. Grafana
itself is not run.
"""

import json
import math
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.camera_client import CameraClient
from tests.faces import face_picture
from tests.prometheus import MONITORING, Prometheus, until
from tests.stack import ROOT, Stack

DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana/dashboards/qwencam.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
FROM_EXPORTERS = {"Computing", "Memory in use", "Power", "Temperature"}
"""Panels that need a GPU exporter, and are asked of pages as such exporters serve them."""
MOST_SECONDS = 120


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard with its panel's title, as Grafana would send it."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "60s")


class ExporterPages(ThreadingHTTPServer):
    """Serves a file of ``tests/gpu_exporters`` as a metrics page."""

    daemon_threads = True

    def __init__(self, file: Path) -> None:
        page = file.read_bytes()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def exporters() -> Iterator[list[ExporterPages]]:
    folder = ROOT / "tests" / "gpu_exporters"
    pages = [ExporterPages(folder / name) for name in ("amd.txt", "nvidia.txt")]
    yield pages
    for page in pages:
        page.shutdown()
        page.server_close()


@pytest.fixture
def prometheus(
    stack: Stack, exporters: list[ExporterPages], tmp_path: Path
) -> Iterator[Prometheus]:
    facts = stack.facts()
    model_server = facts["vllm_base_url"].removeprefix("http://").removesuffix("/v1")
    prometheus = Prometheus(
        tmp_path,
        targets={
            "web": [f"127.0.0.1:{stack.port}"],
            "worker": [f"127.0.0.1:{facts['worker_metrics_port']}"],
            "vllm": [model_server],
            "gpu": [page.address for page in exporters],
        },
    )
    try:
        prometheus.start(patience=MOST_SECONDS)
        yield prometheus
    finally:
        prometheus.stop()


@pytest.fixture
def face_blur(stack: Stack) -> Iterator[None]:
    """Face blur is on."""
    with closing(sqlite3.connect(stack.data_dir / "db.sqlite3", timeout=20)) as database:
        database.execute(
            "INSERT INTO live_settings_override (name, value, changed_at) "
            "VALUES ('enable_face_blur', 'true', '2026-01-01 00:00:00')"
        )
        database.commit()
        yield
        database.execute("DELETE FROM live_settings_override WHERE name = 'enable_face_blur'")
        database.commit()


async def test_every_query_of_the_dashboard_has_an_answer(
    stack: Stack, prometheus: Prometheus, face_blur: None
):
    all_up = {"qwencam-web": 1, "qwencam-worker": 1, "vllm": 1, "gpu": 2}
    until(prometheus.targets_up, lambda up: up == all_up, patience=MOST_SECONDS)
    unanswered = dict.fromkeys(queries())
    async with CameraClient(stack.url, stack.token()) as camera:
        await camera.start_camera(face_picture(640, 480, size=160, left=0.3, top=0.1))
        await camera.wait_for("stream", state="connected")
        for _ in range(MOST_SECONDS):
            answer = await camera.ask("What do you see?")
            assert answer["type"] == "response", answer
            # A rate needs a scrape before and one after.
            unanswered = {
                query: None
                for query in unanswered
                if not any(math.isfinite(value) for value in prometheus.query(query[1]))
            }
            if not unanswered:
                break
    assert list(unanswered) == []
    asked_of_pages = {
        title for title, query in queries() if re.search(r"\b(gpu_[a-z]|DCGM_)", query)
    }
    assert asked_of_pages == FROM_EXPORTERS
    for group in prometheus.get("rules")["groups"]:
        for rule in group["rules"]:
            assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule["name"]


def keys(value: object, path: str = "") -> Iterator[str]:
    """Where in a JSON value something is, down to its leaves."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}"
            yield from keys(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from keys(inner, f"{path}[{number}]")
    else:
        yield f"{path} = {value!r}"


def test_grafanas_own_types_know_all_of_it():
    plugins.register_default_plugins()
    understood = json.loads(json.dumps(Dashboard.from_json(DASHBOARD), cls=JSONEncoder))
    lost = set(keys(DASHBOARD)) - set(keys(understood))
    # Prometheus's own of an annotation, for which there is no type.
    known = re.compile(r"\.annotations\.list\[0\]\.(step|titleFormat)\b")
    assert sorted(key for key in lost if not known.match(key)) == []


def test_the_dashboard_asks_the_datasource_that_is_chosen():
    (chosen,) = DASHBOARD["templating"]["list"]
    assert (chosen["name"], chosen["type"], chosen["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    asked = [target["datasource"] for panel in PANELS for target in panel["targets"]]
    asked += [panel["datasource"] for panel in PANELS]
    assert {(one["type"], one["uid"]) for one in asked} == {("prometheus", "${datasource}")}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_what_provisions_grafana_fits_the_dashboard_and_prometheus():
    folder = MONITORING / "grafana" / "provisioning"
    datasources = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())
    (source,) = datasources["datasources"]
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    assert source["type"] == "prometheus"
    # From it Grafana makes $__rate_interval: four scrapes at least.
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    (provider,) = yaml.safe_load((folder / "dashboards/qwencam.yml").read_text())["providers"]
    assert provider["type"] == "file"
    assert Path(provider["options"]["path"]).name == "dashboards"
