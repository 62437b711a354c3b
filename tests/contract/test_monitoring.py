"""Prometheus, its rules and the runbook, on a running platform.

Guards against: a rule or a document that names a metric nobody serves, an alert without an entry
in the runbook or without a test, a configuration that scrapes nothing, an alert that does not fire
when users are hurt, a command in the runbook that does not exist.
"""

import json
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.stand_in_model import Script, StandInModel
from tests.camera_client import CameraClient
from tests.prometheus import MONITORING, Prometheus, until
from tests.scenes import picture
from tests.stack import ROOT, Stack

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
PARTS = ("**Meaning:**", "**Users see:**", "**First look:**", "**Mend:**")
ON_THE_HOST = ("systemctl", "journalctl", "df")
"""Commands that need the units of `deploy/systemd`, or are the system's own."""
METRIC = re.compile(r"\b((?:qwencam|django|process)_[a-z_]+)\b(?!:)")


def promtool(*arguments: str | Path) -> str:
    """Run promtool, which must find nothing wrong; return what it said."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rules(kind: str) -> dict[str, dict[str, Any]]:
    """The rules of a kind ("alert", "record") by name."""
    found: dict[str, dict[str, Any]] = {}
    for file in MONITORING.glob("rules/*.yml"):
        for group in yaml.safe_load(file.read_text())["groups"]:
            found.update({rule[kind]: rule for rule in group["rules"] if kind in rule})
    return found


def test_promtool_finds_nothing_wrong():
    said = promtool("check", "config", "--lint-fatal", MONITORING / "prometheus.yml")
    assert f"{len(rules('alert')) + len(rules('record'))} rules found" in said
    promtool("test", "rules", *sorted(MONITORING.glob("tests/*.yml")))


def test_the_documents_set_prometheus_up(tmp_path: Path):
    """The third command, which starts it, is how `tests.prometheus` starts it."""
    lines = commands((ROOT / "DEPLOY.md").read_text())
    first = next(number for number, line in enumerate(lines) if "deploy/monitoring" in line)
    for line in lines[first : first + 2]:
        words = shlex.split(line.replace("/etc/prometheus", str(tmp_path)), comments=True)
        subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "targets" / "web.yml").exists()


def test_each_alert_is_seen_to_wait_to_fire_and_to_end():
    seen: dict[str, list[bool]] = {}
    for file in MONITORING.glob("tests/*.yml"):
        for group in yaml.safe_load(file.read_text())["tests"]:
            for look in group["promql_expr_test"]:
                (name,) = re.findall(r'alertname="(\w+)",alertstate="firing"', look["expr"])
                assert name == group["name"]
                seen.setdefault(name, []).append(bool(look["exp_samples"]))
    assert set(seen) == set(rules("alert"))
    for name, looks in seen.items():
        assert looks[0] is False and looks[-1] is False and True in looks, name


def test_each_alert_says_what_it_is_and_where_to_read_on():
    for name, alert in rules("alert").items():
        assert alert["labels"]["severity"] in {"critical", "warning"}, name
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}, name
        assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


def entries() -> dict[str, str]:
    """The runbook's entries by alert."""
    _, *found = re.split(r"^## (\w+)$", RUNBOOK, flags=re.MULTILINE)
    return dict(zip(found[::2], found[1::2], strict=True))


def test_each_alert_has_an_entry_in_the_runbook_and_each_entry_an_alert():
    assert set(entries()) == set(rules("alert"))
    for name, entry in entries().items():
        assert [part for part in PARTS if part not in entry] == [], name
        assert commands(entry), name
    anchors = set(re.findall(r"\]\(#(\w+)\)", RUNBOOK))
    assert anchors <= {name.lower() for name in entries()}


def commands(text: str) -> list[str]:
    """The commands of a document's shell examples."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_the_runbooks_commands_work(light_stack: Stack, prometheus: Prometheus, script: Script):
    """But for those of the host's own services."""
    facts = light_stack.facts()
    ports = {8000: light_stack.port, 8100: facts["port"], 9090: prometheus.port}
    for command in sorted(set(commands(RUNBOOK))):
        words = shlex.split(command, comments=True)
        if words[0] in ON_THE_HOST:
            continue
        if words[0] == "curl":
            (url,) = (word for word in words if word.startswith("http"))
            for shown, real in ports.items():
                url = url.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{real}")
            assert httpx.get(url, timeout=30).status_code == 200, command
            continue
        assert words[:2] == [".venv/bin/python", "manage.py"], command
        # The doctor has findings about any demonstration; the others must succeed.
        done = light_stack.manage(*words[2:])
        allowed = {0, 1} if words[2] == "qwencam_doctor" else {0}
        assert done.returncode in allowed, (command, done.stderr)
        assert "Traceback" not in done.stderr, command


def pages(stack: Stack) -> str:
    """What a web process and a worker serve."""
    worker = f"http://127.0.0.1:{stack.facts()['worker_metrics_port']}/metrics"
    return "".join(httpx.get(url, timeout=30).text for url in (f"{stack.url}/metrics", worker))


@pytest.mark.parametrize(
    "source", ["rules/qwencam.yml", "grafana/dashboards/qwencam.json", "DEPLOY.md", "runbook.md"]
)
def test_each_metric_that_is_named_is_served(light_stack: Stack, source: str):
    page = pages(light_stack)
    served = set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE))
    served |= set(re.findall(r"^(\w+)", page, re.MULTILINE))
    served.add("qwencam_certificate_expiry_timestamp_seconds")  # Without HTTPS there is none.
    file = {"DEPLOY.md": ROOT / source, "runbook.md": ROOT / "docs" / source}.get(
        source, MONITORING / source
    )
    text = file.read_text()
    # With `_` at the end it is the beginning of several names.
    found = METRIC.findall(text)
    named = {name.removesuffix("_bucket") for name in found if not name.endswith("_")}
    # A package and a command have such names too.
    assert named - served <= {"qwencam_site", "qwencam_doctor"}
    assert len(named) > (0 if source == "runbook.md" else 15)


def test_each_metric_that_is_served_is_in_the_documents(light_stack: Stack):
    families = re.findall(r"^# TYPE (qwencam_\w+)", pages(light_stack), re.MULTILINE)
    documented = set(METRIC.findall((ROOT / "DEPLOY.md").read_text()))
    assert len(families) > 40
    assert set(families) - documented == set()


class AlertReceiver:
    """What an Alertmanager is to Prometheus: takes alerts over HTTP and keeps them."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        kept = self.alerts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/api/v2/alerts":
                    kept.extend(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[AlertReceiver]:
    receiver = AlertReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def prometheus(
    light_stack: Stack, receiver: AlertReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    targets = {
        "web": [f"127.0.0.1:{light_stack.port}"],
        "worker": [f"127.0.0.1:{light_stack.facts()['worker_metrics_port']}"],
        "alertmanager": [receiver.address],
    }
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), targets=targets)
    try:
        prometheus.start(patience=120)
        yield prometheus
    finally:
        prometheus.stop()


def test_web_and_worker_are_scraped_as_configured(prometheus: Prometheus, light_stack: Stack):
    both = {"qwencam-web": 1, "qwencam-worker": 1}
    until(prometheus.targets_up, lambda up: up == both, patience=120)


def test_a_model_server_taken_away_is_an_alert_until_it_is_back(
    prometheus: Prometheus,
    receiver: AlertReceiver,
    light_stack: Stack,
    stand_in: StandInModel,
    script: Script,
):
    def reported(name: str) -> dict[str, Any]:
        """The first alert of that name that an Alertmanager was sent."""
        named = [one for one in receiver.alerts if one["labels"]["alertname"] == name]
        return named[0] if named else {}

    until(prometheus.targets_up, lambda up: up.get("qwencam-web") == 1, patience=120)
    assert "QwenCamNoModel" not in prometheus.alerts()
    stand_in.kill()
    try:
        until(prometheus.alerts, lambda now: now.get("QwenCamNoModel") == "firing", patience=120)
        alert = until(lambda: reported("QwenCamNoModel"), bool, patience=120)
        assert alert["labels"]["severity"] == "critical"
        assert alert["annotations"]["summary"] == "No model server answers"
        assert alert["annotations"]["runbook_url"] == "docs/runbook.md#qwencamnomodel"
        # The workers see it too, and say which one it is.
        by_worker = until(lambda: reported("QwenCamModelServerDown"), bool, patience=120)
        server = stand_in.base_url.removeprefix("http://").removesuffix("/v1")
        assert by_worker["annotations"]["summary"] == f"The model server {server} is away"
    finally:
        stand_in.revive()
        light_stack.wait_for_health("ok", patience=120)
    ended = {"QwenCamNoModel", "QwenCamModelServerDown"}
    until(prometheus.alerts, lambda alerts: not ended & set(alerts), patience=120)


async def test_what_is_asked_is_counted_by_web_and_worker(
    prometheus: Prometheus, camera: CameraClient
):
    await camera.start_camera(picture("red circle middle"))
    assert (await camera.ask("What do you see?"))["type"] == "response"
    for job, metric in (
        ("qwencam-web", 'qwencam_answers_total{mode="ask"}'),
        ("qwencam-worker", 'qwencam_inference_requests_total{outcome="answered"}'),
    ):
        asked = metric.replace("{", f'{{job="{job}",')
        until(
            lambda asked=asked: prometheus.query(asked), lambda found: sum(found) > 0, patience=60
        )
