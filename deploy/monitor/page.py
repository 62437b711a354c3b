"""The monitor's page: lines for a width and a height, made of a history and nothing else."""

import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from rich.text import Text

from apps.inference.gpus import Gpu
from deploy.monitor.history import History
from deploy.monitor.measurement import Percentiles
from deploy.monitor.snapshot import ErrorCount, ModelServer, Platform, Snapshot
from deploy.monitor.sparkline import sparkline

# From here on platform and model servers stand side by side.
_TWO_COLUMNS_FROM: Final = 130
_GUTTER: Final = 3
_UNKNOWN: Final = "–"
_STATUS_STYLES: Final = {
    "ok": "bold green",
    "degraded": "bold yellow",
    "down": "bold red",
    "unreachable": "bold red",
}

Series = Callable[[str], Sequence[float | None]]
Section = list[Text]


def page(history: History, *, width: int, height: int | None, interval: float) -> list[Text]:
    """Return the lines, none wider than `width`; at most `height` of them if it is given.

    Args:
        interval: seconds between two looks, 0 for a single one.
    """
    latest = history.latest
    if latest is None:
        return [Text("Asking the server …")]
    away = latest.health.status == "unreachable"
    shown = history.last_full if away and history.last_full else latest
    head = _head(latest, history=history, width=width, interval=interval)
    series = history.series
    left = [
        _platform(shown.platform, series=series, width=_column(width)),
        _latencies(shown, series=series, width=_column(width)),
        _errors(shown, width=_column(width)),
    ]
    right = [
        _model_servers(shown, series=series, width=_column(width)),
        _gpus(latest.gpus, series=series, width=_column(width)),
    ]
    if width >= _TWO_COLUMNS_FROM:
        body = _beside(_stacked(left), _stacked(right), width=_column(width))
    else:
        body = _stacked([*left, *right])
    if away:
        # Still there to be read, but nobody shall take it for now.
        body = [Text(line.plain, style="dim") for line in body]
    lines = [*head, Text(), *body] if body else head
    return [_cut(line, width) for line in _fitting(lines, height)]


def _column(width: int) -> int:
    return (width - _GUTTER) // 2 if width >= _TWO_COLUMNS_FROM else width


def _stacked(sections: Iterable[Section]) -> list[Text]:
    lines: list[Text] = []
    for section in sections:
        if section:
            lines += [*([Text()] if lines else []), *section]
    return lines


def _beside(left: Sequence[Text], right: Sequence[Text], *, width: int) -> list[Text]:
    lines = []
    for first, second in zip_longest(left, right, fillvalue=None):
        line = _cut(first.copy() if first else Text(), width)
        line.pad_right(max(0, width + _GUTTER - line.cell_len))
        lines.append(line + second if second else line)
    return lines


def _fitting(lines: list[Text], height: int | None) -> list[Text]:
    """Leave out empty lines first, then what stands last, and say so."""
    if height is None or len(lines) <= height:
        return lines
    spare = len(lines) - height
    tight = []
    for line in lines:
        if spare and not line.plain.strip():
            spare -= 1
            continue
        tight.append(line)
    if len(tight) <= height:
        return tight
    left_out = len(tight) - height + 1
    note = Text(f"… {left_out} more lines: the window is too low.", style="yellow")
    return [*tight[: height - 1], note]


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line


def _wrapped(text: str, *, width: int, style: str) -> Section:
    return [Text(line, style=style) for line in textwrap.wrap(text, width)]


# --- Head ------------------------------------------------------------------------------------------


def _head(latest: Snapshot, *, history: History, width: int, interval: float) -> Section:
    health = latest.health
    version = health.version or (history.last_full.health.version if history.last_full else "")
    title = Text.assemble(
        (f"QwenCam {version}".rstrip(), "bold"),
        "  ",
        (health.status, _STATUS_STYLES[health.status]),
        f"  {latest.server_url}",
    )
    clock = time.strftime("%H:%M:%S", time.localtime(latest.time))
    if interval:
        clock += f"  every {interval:g} s"
    title = _cut(title, max(width - len(clock) - 2, 0))
    title.pad_right(max(width - len(clock) - title.cell_len, 1))
    title.append(clock, style="dim")
    lines = [title]
    if health.status == "unreachable":
        lines += _absence(latest, history=history, width=width, interval=interval)
    if health.checks:
        lines += _checks(latest, width=width)
    if latest.metrics_problem:
        lines += _wrapped(latest.metrics_problem, width=width, style="yellow")
    return lines


def _absence(latest: Snapshot, *, history: History, width: int, interval: float) -> Section:
    text = f"No answer: {latest.health.problem}"
    if interval and history.away_since is not None:
        since = time.strftime("%H:%M:%S", time.localtime(history.away_since))
        text = (
            f"Away since {since} ({latest.time - history.away_since:.0f} s): "
            f"{latest.health.problem} Trying again every {interval:g} s."
        )
    return _wrapped(text, width=width, style="bold red")


def _checks(latest: Snapshot, *, width: int) -> Section:
    parts, broken = [], []
    for name, check in latest.health.checks.items():
        well = check.status == "ok"
        latency = "" if check.latency_ms is None else f"{check.latency_ms:.0f} ms"
        told = (check.detail or latency) if well else "down"
        parts.append((f"{name} {told}", "" if well else "bold red"))
        if not well:
            broken.append((f"{name}: {check.detail}", "red"))
    line = Text()
    for index, part in enumerate(parts):
        line.append("" if index == 0 else " · ", style="dim")
        line.append(*part)
    sentences = (_wrapped(text, width=width, style=style) for text, style in broken)
    return [line, *(each for sentence in sentences for each in sentence)]


# --- The platform ----------------------------------------------------------------------------------


def _platform(platform: Platform | None, *, series: Series, width: int) -> Section:
    if platform is None:
        return []
    cells = [
        ("Sessions", _of(platform.sessions, platform.sessions_limit), "sessions"),
        ("Streams", number(platform.streams), "streams"),
        ("Sockets", number(platform.sockets), "sockets"),
        ("Frames", _frames(platform), "frames_per_second"),
        ("Queue", _queue(platform), "queue"),
        ("Answering", _of(platform.slots_used, platform.slots), "slots_used"),
        ("Questions", _rate(platform.questions_per_minute, "/min"), "questions_per_minute"),
        ("Answers", _rate(platform.answers_per_minute, "/min"), "answers_per_minute"),
    ]
    half = (width - _GUTTER) // 2
    drawn = [_cell(name, value, series=series(key), width=half) for name, value, key in cells]
    lines = [
        left + Text(" " * _GUTTER) + right
        for left, right in zip(drawn[::2], drawn[1::2], strict=True)
    ]
    if platform.accepting is False:
        lines.append(Text("No new sessions are taken: this platform is draining.", "bold yellow"))
    return lines


def _cell(name: str, value: str, *, series: Sequence[float | None], width: int) -> Text:
    line = Text.assemble((f"{name:<10}", "cyan"), f"{value:<13} ")
    line.append(sparkline(series, width=width - line.cell_len), style="green")
    return _cut(line, width)


def _queue(platform: Platform) -> str:
    return _of(sum(platform.queue.values()) if platform.queue else None, platform.queue_limit)


def _frames(platform: Platform) -> str:
    shown = _rate(platform.frames_per_second, "/s")
    if platform.frames_dropped_per_second:
        shown += f" -{platform.frames_dropped_per_second:.1f}"
    return shown


# --- Latencies and errors --------------------------------------------------------------------------


def _since(window: float | None) -> str:
    return "since its start" if window is None else f"last {window:.0f} s"


def _latencies(shown: Snapshot, *, series: Series, width: int) -> Section:
    if not shown.latencies:
        return []
    heading = f"Latency, {_since(shown.window_seconds)}"
    first = max(19, min(29, width - 34))
    lines = [Text(f"{heading:<{first}}{'p50':>8}{'p95':>9}{'p99':>9}{'count':>7}", style="bold")]
    for title, times in shown.latencies.items():
        line = Text.assemble((f"{title:<{first}}", "cyan"), _percentiles(times))
        line.append(" " + sparkline(series(f"latency {title}"), width=width - line.cell_len - 1))
        lines.append(line)
    return lines


def _percentiles(times: Percentiles) -> str:
    return (
        f"{seconds(times.p50):>8}{seconds(times.p95):>9}{seconds(times.p99):>9}"
        f"{number(times.count):>7}"
    )


def _errors(shown: Snapshot, *, width: int) -> Section:
    if shown.platform is None:
        return []
    heading = f"Errors, {_since(shown.window_seconds)}"
    if not shown.errors:
        return [Text.assemble((heading, "bold"), "  none, and none since its start")]
    lately = {code: error for code, error in shown.errors.items() if error.lately}
    line = Text.assemble((heading, "bold"))
    if shown.window_seconds is not None:
        in_all = sum(error.in_all for error in shown.errors.values())
        line.append(f"  {number(in_all)} since its start", style="dim")
    return [line, *_wrapped(_listed(lately) or "none", width=width, style="red" if lately else "")]


def _listed(errors: dict[str, ErrorCount]) -> str:
    ordered = sorted(errors.items(), key=lambda item: -item[1].lately)
    return " · ".join(f"{code} {number(error.lately)}" for code, error in ordered)


# --- Model servers and GPUs ------------------------------------------------------------------------


def _model_servers(shown: Snapshot, *, series: Series, width: int) -> Section:
    if not shown.model_servers:
        return []
    longest = max(len(name) for name in shown.model_servers)
    first = max(14, min(longest, width - 52))
    heading = f"{'Model server':<{first}}{'answers':>9}{'run/wait':>10}{'KV':>6}"
    lines = [Text(f"{heading}{'tokens/s':>10}{'first p95':>11}", style="bold")]
    for name, server in shown.model_servers.items():
        lines.append(_server_line(name, server, first=first, series=series, width=width))
    return lines


def _server_line(
    name: str, server: ModelServer, *, first: int, series: Series, width: int
) -> Text:
    line = _cut(Text(name, style="cyan" if server.up else "bold red"), first)
    line.pad_right(first - line.cell_len)
    line.append(f"{number(server.answers) if server.up else 'away':>9}", "" if server.up else "red")
    queue = _UNKNOWN
    if server.running is not None and server.waiting is not None:
        queue = f"{server.running:.0f}/{server.waiting:.0f}"
    p95 = server.first_token.p95 if server.first_token else None
    line.append(
        f"{queue:>10}{share(server.kv_cache):>6}"
        f"{number(server.tokens_per_second):>10}{seconds(p95):>11}"
    )
    spare = width - line.cell_len - 1
    line.append(" " + sparkline(series(f"tokens {name}"), width=spare), style="green")
    return line


def _gpus(gpus: Sequence[Gpu], *, series: Series, width: int) -> Section:
    if not gpus:
        return []
    lines = [Text("GPUs of this machine", style="bold")]
    for index, gpu in enumerate(gpus):
        facts = f"{share(gpu.use):>5}  {_memory(gpu):<17}{_with_unit(gpu.power, 'W'):>6}"
        facts += f"{_with_unit(gpu.temperature, '°C'):>7}"
        name = _cut(Text(f"{index} {gpu.name}", style="cyan"), 28)
        name.pad_right(29 - name.cell_len)
        line = name + Text(facts)
        bars = sparkline(series(f"gpu {index}"), width=width - line.cell_len - 1, top=1.0)
        lines.append(line.append(f" {bars}", style="green"))
    return lines


def _memory(gpu: Gpu) -> str:
    if gpu.memory_used is None or gpu.memory_total is None:
        return _UNKNOWN
    return f"{gpu.memory_used / 1024**3:.1f} of {gpu.memory_total / 1024**3:.0f} GiB"


# --- Numbers ---------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """Return a number with as many digits as tell something."""
    if value is None:
        return _UNKNOWN
    return f"{value:.1f}" if value < 100 and value != int(value) else f"{value:.0f}"


def seconds(value: float | None) -> str:
    """Return a duration as a person says it."""
    if value is None:
        return _UNKNOWN
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def share(value: float | None) -> str:
    """Return a share of 1 in percent."""
    return _UNKNOWN if value is None else f"{value * 100:.0f} %"


def _rate(value: float | None, unit: str) -> str:
    return _UNKNOWN if value is None else f"{number(value)}{unit}"


def _of(value: float | None, limit: float | None) -> str:
    return number(value) if limit is None else f"{number(value)} of {number(limit)}"


def _with_unit(value: float | None, unit: str) -> str:
    return _UNKNOWN if value is None else f"{value:.0f} {unit}"
