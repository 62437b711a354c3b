"""The page: what stands where, at any size of the terminal."""

import dataclasses
import re
from pathlib import Path

import pytest

from apps.inference.gpus import Gpu
from deploy.monitor.cli import parse_arguments, quickstart_url
from deploy.monitor.history import History
from deploy.monitor.page import page
from deploy.monitor.scraping import Health, HealthCheck
from deploy.monitor.sparkline import sparkline
from deploy.monitor.wording import lasting, number, seconds, share
from tests.unit.monitor.pages import absence, reading

H200 = Path(__file__).parents[1] / "hardware" / "loads" / "h200"


@pytest.fixture
def history():
    history = History("http://127.0.0.1:8000")
    for second in range(0, 20, 2):
        history.add(reading(second, questions=second, busy=second / 2))
    return history


def text(history, *, width=100, height=None):
    return "\n".join(
        line.plain.rstrip() for line in page(history, width=width, height=height, interval=2)
    )


def test_all_of_it_is_there(history):
    shown = text(history)
    for wanted in (
        "QwenCam 1.2.3  ok  http://127.0.0.1:8000",
        "redis 2 ms",
        "3 of 50",
        "Streams   2",
        "3 of 64",
        "2 of 32",
        "60/min",
        "Latency, last 18 s",
        "busy 9",
        "10 since its start",
        "AMD Instinct MI300X",
        "8.0 of 16 GiB",
        "300 W",
    ):
        assert wanted in shown, shown
    first_token = next(line for line in shown.splitlines() if line.startswith("first token"))
    assert first_token.split()[2:9] == ["250", "ms", "475", "ms", "495", "ms", "18"]
    near = next(line for line in shown.splitlines() if line.startswith("gpu-1:8100"))
    assert near.split()[1:6] == ["2", "2/1", "75", "%", "20"]
    far = next(line for line in shown.splitlines() if line.startswith("gpu-2:8100"))
    assert "away" in far


@pytest.mark.parametrize("width", [20, 40, 60, 80, 129, 130, 200, 400])
@pytest.mark.parametrize("height", [3, 12, 24, 60])
def test_it_fits_any_terminal(history, width, height):
    for _ in range(2):
        lines = page(history, width=width, height=height, interval=2)
        assert len(lines) <= height
        assert all(line.cell_len <= width for line in lines)
        history.add(absence(30))


@pytest.mark.parametrize("width", range(10, 90))
def test_no_number_is_cut_where_it_reads_as_another(history, width):
    shown = text(history, width=width).splitlines()
    whole = text(history, width=200)
    for line in shown:
        if found := re.search(r"\s([-+]?\d\S*)…$", line):
            assert re.search(rf"(?<!\S){re.escape(found[1])}(?!\S)", whole), line
    if width >= 20:
        assert any(line.startswith("Sessions  3 of 50") for line in shown)
        assert sum("2 of 32" in line for line in shown) == 1
        assert not any(line.endswith("…") for line in shown if line.startswith("Sessions"))
    else:
        assert any(line.endswith("3 of 50") for line in shown)


def test_all_of_one_server_and_one_gpu_fits_80_by_24(history):
    assert "window is too low" not in text(history, width=80, height=24)
    assert "window is too low" in text(history, width=80, height=12)


def test_wide_terminals_have_two_columns(history):
    assert any(
        "Sessions" in line and "Model server" in line
        for line in text(history, width=160).splitlines()
    )
    assert not any(
        "Sessions" in line and "Model server" in line
        for line in text(history, width=120).splitlines()
    )


def test_a_server_away_is_said_and_its_last_numbers_are_dimmed(history):
    for second in (20, 22, 24):
        history.add(absence(second))
    lines = page(history, width=100, height=40, interval=2)
    shown = "\n".join(line.plain for line in lines)
    assert "QwenCam 1.2.3  unreachable" in shown
    assert "(4 s). Nothing answers there. Trying again every 2 s." in shown
    (sessions,) = (line for line in lines if line.plain.startswith("Sessions"))
    assert "3 of 50" in sessions.plain
    assert str(sessions.style) == "dim"


def test_what_is_not_well_is_told_in_a_sentence(history):
    ill = Health(
        status="degraded",
        checks={
            "workers": HealthCheck(
                status="down", latency_ms=1.0, detail="No inference worker has reported lately."
            )
        },
    )
    history.add(dataclasses.replace(reading(20), health=ill))
    assert "workers: No inference worker has reported lately." in text(history)
    history.add(
        dataclasses.replace(reading(22), metrics=None, metrics_problem="See METRICS_ALLOW.")
    )
    shown = text(history)
    assert "See METRICS_ALLOW." in shown
    assert "Sessions" not in shown


def test_a_part_that_is_down_without_a_word_is_named_once(history):
    check = HealthCheck(status="down", latency_ms=None, detail="")
    history.add(
        dataclasses.replace(reading(20), health=Health(status="down", checks={"redis": check}))
    )
    assert text(history).count("redis") == 1


def errors_of(history):
    lines = text(history).splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("Errors, "))
    return [line for line in lines[first : first + 2] if line]


@pytest.mark.parametrize(
    ("busy", "said"),
    [
        ([0], ["Errors, since its start  none"]),
        ([7], ["Errors, since its start", "busy 7"]),
        ([0, 0], ["Errors, last 9 s  none  0 since its start"]),
        ([7, 7], ["Errors, last 9 s  none  7 since its start"]),
        ([7, 9], ["Errors, last 9 s  9 since its start", "busy 2"]),
    ],
)
def test_errors_in_every_state(busy, said):
    history = History("http://x")
    for place, count in enumerate(busy):
        shown = reading(9 * place, busy=count)
        samples = {
            name: values
            for name, values in shown.metrics.samples.items()
            if not name.startswith("django_http_responses")
        }
        metrics = dataclasses.replace(shown.metrics, samples=samples)
        history.add(dataclasses.replace(shown, metrics=metrics))
    assert errors_of(history) == said


def test_before_the_first_answer_it_says_that_it_asks():
    assert text(History("http://x")) == "Asking the server …"


def test_bars_grow_with_the_numbers():
    assert sparkline([0, 1, 2, 4, None, 8], width=8) == "  ▁▂▃▅ █"
    assert sparkline([0.5], width=1, top=1.0) == "▅"
    assert sparkline([0, 0], width=2) == "▁▁"
    assert sparkline([3, -1], width=2) == "█▁"
    assert sparkline([1], width=0) == ""


def test_numbers_as_a_person_says_them():
    assert [number(value) for value in (None, 3, 3.14, 1234.5)] == ["-", "3", "3.1", "1234"]
    assert [seconds(value) for value in (None, 0.0123, 1.5, 12.34)] == [
        "-",
        "12 ms",
        "1.50 s",
        "12.3 s",
    ]
    assert [lasting(value) for value in (4, 600, 7200)] == ["4 s", "10 min", "2.0 h"]
    assert [share(value) for value in (None, 0.934)] == ["-", "93 %"]


def test_a_busy_h200_as_it_was_shown_beside_it():
    recorded = H200 / "monitor_once.txt"
    gpu = Gpu(
        name="NVIDIA H200",
        use=0.99,
        memory_used=1839071232,
        memory_total=150754820096,
        temperature=55,
        power=694.0,
    )
    history = History("http://127.0.0.1:9")
    history.add(dataclasses.replace(absence(0), gpus=[gpu]))
    shown = page(history, width=80, height=None, interval=0)
    assert [line.plain for line in shown][-2:] == recorded.read_text().splitlines()[-2:]


@pytest.mark.parametrize(
    "note", ['{"url": 5}', '{"url": ""}', "[" * 100_000, "[]", '{"url": null}']
)
def test_a_damaged_note_of_a_quickstart_is_none(tmp_path, monkeypatch, note):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "quickstart.json").write_text(note)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert quickstart_url(tmp_path) is None
    assert parse_arguments([]).server_url == "http://127.0.0.1:8000"
    (tmp_path / "run" / "quickstart.json").write_text('{"url": "http://localhost:8123"}')
    assert parse_arguments([]).server_url == "http://localhost:8123"
