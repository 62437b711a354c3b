"""The monitor's page: lines for a width and a height, made of a history and nothing else."""

import time
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

from rich.text import Text

from deploy.monitor.history import History
from deploy.monitor.sections import (
    Section,
    errors_section,
    gpus_section,
    latencies_section,
    model_servers_section,
    platform_section,
)
from deploy.monitor.snapshot import Snapshot
from deploy.monitor.wording import cut, lasting, wrapped

# From here on platform and model servers stand side by side.
_TWO_COLUMNS_FROM: Final = 130
_GUTTER: Final = 3
_STATUS_STYLES: Final = {
    "ok": "bold green",
    "degraded": "bold yellow",
    "down": "bold red",
    "unreachable": "bold red",
}


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
        platform_section(shown.platform, series=series, width=_column(width)),
        latencies_section(shown, series=series, width=_column(width)),
        errors_section(shown, width=_column(width)),
    ]
    right = [
        model_servers_section(shown, series=series, width=_column(width)),
        gpus_section(latest.gpus, series=series, width=_column(width)),
    ]
    if width >= _TWO_COLUMNS_FROM:
        body = _beside(_stacked(left), _stacked(right), width=_column(width))
    else:
        body = _stacked([*left, *right])
    if away:
        # Still there to be read, but nobody shall take it for now.
        body = [Text(line.plain, style="dim") for line in body]
    lines = [*head, Text(), *body] if body else head
    return [cut(line, width) for line in _fitting(lines, height)]


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
        line = cut(first.copy() if first else Text(), width)
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
    title = cut(title, max(width - len(clock) - 2, 0))
    title.pad_right(max(width - len(clock) - title.cell_len, 1))
    title.append(clock, style="dim")
    lines = [title]
    if health.status == "unreachable":
        lines += _absence(latest, history=history, width=width, interval=interval)
    if health.checks:
        lines += _checks(latest, width=width)
    if latest.metrics_problem:
        lines += wrapped(latest.metrics_problem, width=width, style="yellow")
    return lines


def _absence(latest: Snapshot, *, history: History, width: int, interval: float) -> Section:
    text = latest.health.problem
    if interval and history.away_since is not None:
        since = time.strftime("%H:%M:%S", time.localtime(history.away_since))
        away = lasting(latest.time - history.away_since)
        text = f"Away since {since} ({away}). {text} Trying again every {interval:g} s."
    return wrapped(text, width=width, style="bold red")


def _checks(latest: Snapshot, *, width: int) -> Section:
    parts, broken = [], []
    for name, check in latest.health.checks.items():
        well = check.status == "ok"
        latency = "" if check.latency_ms is None else f"{check.latency_ms:.0f} ms"
        told = (check.detail or latency) if well else "down"
        parts.append((f"{name} {told}", "" if well else "bold red"))
        if not well and check.detail:
            broken.append((f"{name}: {check.detail}", "red"))
    line = Text()
    for index, part in enumerate(parts):
        line.append("" if index == 0 else " · ", style="dim")
        line.append(*part)
    sentences = (wrapped(text, width=width, style=style) for text, style in broken)
    return [line, *(each for sentence in sentences for each in sentence)]
