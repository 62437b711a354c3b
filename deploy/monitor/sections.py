"""The sections of the monitor's page; each is a list of lines, empty where nothing is known."""

from collections.abc import Callable, Sequence
from typing import Final

from rich.text import Text

from apps.inference.gpus import Gpu
from deploy.monitor.measurement import Percentiles
from deploy.monitor.snapshot import ErrorCount, ModelServer, Platform, Snapshot
from deploy.monitor.sparkline import sparkline
from deploy.monitor.wording import (
    UNKNOWN,
    cut,
    number,
    of_limit,
    rate,
    seconds,
    share,
    with_unit,
    wrapped,
)

_GUTTER: Final = 3
_NAME: Final = 10
_VALUE: Final = 13
_CELL: Final = _NAME + _VALUE

Series = Callable[[str], Sequence[float | None]]
Section = list[Text]


def platform_section(platform: Platform | None, *, series: Series, width: int) -> Section:
    """Sessions, streams, queue and rates; two by two where names and numbers have room."""
    if platform is None:
        return []
    cells = [
        ("Sessions", of_limit(platform.sessions, platform.sessions_limit), "sessions"),
        ("Streams", number(platform.streams), "streams"),
        ("Sockets", number(platform.sockets), "sockets"),
        ("Frames", _frames(platform), "frames_per_second"),
        ("Queue", _queue(platform), "queue"),
        ("Answering", of_limit(platform.slots_used, platform.slots), "slots_used"),
        ("Questions", rate(platform.questions_per_minute, "/min"), "questions_per_minute"),
        ("Answers", rate(platform.answers_per_minute, "/min"), "answers_per_minute"),
    ]
    half = (width - _GUTTER) // 2
    two_by_two = half >= _CELL
    column = half if two_by_two else width
    lines = [_cell(name, value, series=series(key), width=column) for name, value, key in cells]
    if two_by_two:
        lines = [
            left + Text(" " * _GUTTER) + right
            for left, right in zip(lines[::2], lines[1::2], strict=True)
        ]
    if platform.accepting is False:
        lines.append(Text("No new sessions are taken: this platform is draining.", "bold yellow"))
    return lines


def _cell(name: str, value: str, *, series: Sequence[float | None], width: int) -> Text:
    # The number is what it is there for: its name gives way.
    first = max(0, min(_NAME, width - len(value)))
    line = Text.assemble((f"{name:<{first}}"[:first], "cyan"), f"{value:<{_VALUE}} ")
    line.append(sparkline(series, width=width - line.cell_len), style="green")
    return cut(line, width)


def _queue(platform: Platform) -> str:
    return of_limit(sum(platform.queue.values()) if platform.queue else None, platform.queue_limit)


def _frames(platform: Platform) -> str:
    shown = rate(platform.frames_per_second, "/s")
    if platform.frames_dropped_per_second:
        shown += f" -{platform.frames_dropped_per_second:.1f}"
    return shown


def _since(window: float | None) -> str:
    return "since its start" if window is None else f"last {window:.0f} s"


def latencies_section(shown: Snapshot, *, series: Series, width: int) -> Section:
    """Percentiles of what took time."""
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


def errors_section(shown: Snapshot, *, width: int) -> Section:
    """What went wrong lately, by its code."""
    if shown.platform is None:
        return []
    line = Text.assemble((f"Errors, {_since(shown.window_seconds)}", "bold"))
    lately = {code: error for code, error in shown.errors.items() if error.lately}
    if not lately:
        line.append("  none")
    if shown.window_seconds is not None:
        in_all = sum(error.in_all for error in shown.errors.values())
        line.append(f"  {number(in_all)} since its start", style="dim")
    return [line, *wrapped(_listed(lately), width=width, style="red")]


def _listed(errors: dict[str, ErrorCount]) -> str:
    ordered = sorted(errors.items(), key=lambda item: -item[1].lately)
    return " · ".join(f"{code} {number(error.lately)}" for code, error in ordered)


def model_servers_section(shown: Snapshot, *, series: Series, width: int) -> Section:
    """One line for each model server."""
    if not shown.model_servers:
        return []
    longest = max(len(name) for name in shown.model_servers)
    first = max(14, min(longest, width - 52))
    heading = f"{'Model server':<{first}}{'answers':>9}{'run/wait':>10}{'KV':>6}"
    lines = [Text(f"{heading}{'tokens/s':>10}{'first p95':>11}", style="bold")]
    for name, server in shown.model_servers.items():
        lines.append(_server_line(name, server, first=first, series=series, width=width))
    return lines


def _server_line(name: str, server: ModelServer, *, first: int, series: Series, width: int) -> Text:
    line = cut(Text(name, style="cyan" if server.up else "bold red"), first)
    line.pad_right(first - line.cell_len)
    line.append(f"{number(server.answers) if server.up else 'away':>9}", "" if server.up else "red")
    queue = UNKNOWN
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


def gpus_section(gpus: Sequence[Gpu], *, series: Series, width: int) -> Section:
    """One line for each GPU."""
    if not gpus:
        return []
    lines = [Text("GPUs of this machine", style="bold")]
    for index, gpu in enumerate(gpus):
        facts = f"{share(gpu.use):>5}  {_memory(gpu):<17}{with_unit(gpu.power, 'W'):>6}"
        facts += f"{with_unit(gpu.temperature, '°C'):>7}"
        name = cut(Text(f"{index} {gpu.name}", style="cyan"), 28)
        name.pad_right(29 - name.cell_len)
        line = name + Text(facts)
        bars = sparkline(series(f"gpu {index}"), width=width - line.cell_len - 1, top=1.0)
        lines.append(line.append(f" {bars}", style="green"))
    return lines


def _memory(gpu: Gpu) -> str:
    if gpu.memory_used is None or gpu.memory_total is None:
        return UNKNOWN
    return f"{gpu.memory_used / 1024**3:.1f} of {gpu.memory_total / 1024**3:.0f} GiB"
