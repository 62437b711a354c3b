"""What is measured, scenario by scenario; each returns plain figures for the report."""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from deploy.benchmark import bare
from deploy.benchmark.children import Child
from deploy.benchmark.figures import failover_figures, question_figures, spread
from deploy.benchmark.platform import Platform
from deploy.benchmark.sampling import cpu_percent, usage

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Waits:
    """How long is waited for what is measured to settle, in seconds.

    `base` and `load` are how long processor time is sampled, without and with the streams; `settle`
    is between their start and that; `beats` is before a camera's first question, two heartbeats
    and some sender reports, which a claimed age needs to be right; `quiet` is after the last
    disconnect, until threads and sockets are gone.
    """

    base: float = 6.0
    load: float = 15.0
    settle: float = 6.0
    beats: float = 9.0
    quiet: float = 15.0


QUICK: Final = Waits(base=2.0, load=2.0, settle=2.0, beats=4.0, quiet=1.0)
"""To try out what a measurement does; its figures are too rough to be compared."""

ROUNDS: Final = 5
HANG_AFTER_SECONDS: Final = 4.0
HANG_SECONDS: Final = 10.0
THINKING_SECONDS: Final = (0.5, 2.0)
"""Between a user's answer and next question, so that some ask just after a server has hung."""
PAUSES: Final = {"asking": (0.1, 0.5), "idle": (0.4, 1.4)}
"""Seconds between questions: one after the other, or out of the blue."""


def _login(platform: Platform) -> dict[str, Any]:
    return {"urls": platform.urls, "username": platform.username, "password": platform.password}


def _asker(
    platform: Platform, *, name: str, shape: str, codec: str, questions: int
) -> dict[str, Any]:
    return {
        **_login(platform),
        "role": "ask",
        "name": name,
        "shape": shape,
        "codec": codec,
        "questions": questions,
        "pause": PAUSES[shape],
    }


async def ask(
    platform: Platform,
    model: Child,
    *,
    questions: int,
    shape: str,
    codec: str,
    waits: Waits,
    progress: Progress,
) -> dict[str, Any]:
    """Ask with one camera that sends at `shape`'s rate ("asking" or "idle")."""
    asked: list[dict[str, Any]] = []

    def note(line: dict[str, Any]) -> None:
        if "mark" in line:
            asked.append(line)
            progress(f"questions, camera {shape}", len(asked), questions)

    seen = len(model.notes)
    name = f"{shape}{seen}"
    config = _asker(platform, name=name, shape=shape, codec=codec, questions=questions)
    config["beats"] = waits.beats
    async with Child("client", config, on_note=note) as client:
        await client.finish()
    await asyncio.sleep(0.5)
    return question_figures(asked, model.notes[seen:])


async def hold(
    platform: Platform,
    model: Child,
    *,
    streams: int,
    shape: str,
    codec: str,
    live: float,
    questions: int,
    waits: Waits,
    progress: Progress,
) -> dict[str, Any]:
    """Keep streams open; return what they take, and how fresh one more camera's answers are.

    Args:
        live: frames a second of live mode in each stream; 0 for none.
        questions: how many the additional camera asks; 0 for none.
    """
    found: dict[str, Any] = {
        "streams": streams,
        "shape": shape,
        "codec": codec,
        "live_rate": live,
    }
    await asyncio.sleep(2)  # What was held before is gone by then.
    before = await _load(platform, seconds=waits.base)
    opened = 0

    def note(line: dict[str, Any]) -> None:
        nonlocal opened
        opened += "open" in line
        progress(f"{streams} streams, {'live' if live else 'idle'}", opened, streams)

    config = {**_login(platform), **found, "role": "hold", "live": live}
    async with Child("client", config, on_note=note) as client:
        await client.note_with("ready")
        await asyncio.sleep(waits.settle)
        during = await _load(platform, seconds=waits.load)
        if before and during:
            found |= _taken(streams, before, during)
        if questions:
            found["questions"] = await ask(
                platform,
                model,
                questions=questions,
                shape="asking",
                codec=codec,
                waits=waits,
                progress=progress,
            )
    return found | _live_rate(client.notes, streams=streams)


async def _load(platform: Platform, *, seconds: float) -> dict[str, Any]:
    """Return what the web servers take, their processor time over some seconds; {} when unknown."""
    if not platform.webs:
        return {}
    return {
        "cpu_percent": await cpu_percent(platform.webs, seconds=seconds),
        **usage(platform.webs),
    }


def _live_rate(notes: list[dict[str, Any]], *, streams: int) -> dict[str, float]:
    """Return how many answers of live mode a client was told of, if any."""
    ended = [line for line in notes if line.get("live_answers")]
    if not ended:
        return {}
    rate = ended[0]["live_answers"] / ended[0]["seconds"] / streams
    return {"live_answers_per_second_and_stream": round(rate, 2)}


def _taken(streams: int, before: dict[str, Any], during: dict[str, Any]) -> dict[str, Any]:
    """Return what the streams take beyond what was taken before them."""
    cpu = during["cpu_percent"] - before["cpu_percent"]
    memory = during["memory_mb"] - before["memory_mb"]
    return {
        "base_cpu_percent": before["cpu_percent"],
        "cpu_percent": round(cpu, 2),
        "cpu_percent_per_stream": round(cpu / streams, 2),
        "memory_mb": during["memory_mb"],
        "memory_mb_per_stream": round(memory / streams, 2),
        "threads": during["threads"],
        "descriptors": during["descriptors"],
    }


async def soak(
    platform: Platform,
    *,
    streams: int,
    shape: str,
    live: float,
    minutes: int,
    waits: Waits,
    progress: Progress,
) -> dict[str, Any]:
    """Keep streams open for long; return what they take, minute by minute.

    Args:
        live: frames a second of live mode in each stream; 0 for none.
    """
    if not platform.webs:
        return {"skipped": "The web server's process is not known: give --web-pid."}
    config = {
        **_login(platform),
        "role": "hold",
        "streams": streams,
        "shape": shape,
        "codec": "VP8",
        "live": live,
    }
    before = usage(platform.webs)
    samples: list[dict[str, Any]] = []
    async with Child("client", config) as client:
        await client.note_with("ready")
        for minute in range(1, minutes + 1):
            share = await cpu_percent(platform.webs, seconds=60)
            samples.append({"minute": minute, "cpu_percent": share, **usage(platform.webs)})
            progress(f"{streams} streams for long", minute, minutes)
    await asyncio.sleep(waits.quiet)
    return {
        "streams": streams,
        "live_rate": live,
        "before": before,
        "after": usage(platform.webs),
        "memory_mb_per_hour": slope_per_hour(samples, "memory_mb"),
        "samples": samples,
    }


def slope_per_hour(samples: list[dict[str, Any]], name: str) -> float | None:
    """Least squares over the second half: what still fills in the first is not a leak."""
    half = samples[len(samples) // 2 :]
    if len(half) < 3:
        return None
    minutes, values = [each["minute"] for each in half], [each[name] for each in half]
    return round(60 * float(np.polyfit(minutes, values, 1)[0]), 2)


async def churn(
    platform: Platform, *, times: int, waits: Waits, progress: Progress
) -> dict[str, Any]:
    """Connect and disconnect; return threads, descriptors and memory before and after."""
    if not platform.webs:
        return {"skipped": "The web server's process is not known: give --web-pid."}
    done = 0

    def note(line: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        progress("connects and disconnects", done, times)

    async def run(count: int) -> None:
        config = {**_login(platform), "role": "churn", "shape": "idle", "times": count}
        async with Child("client", config, on_note=note) as client:
            await client.finish()
        await asyncio.sleep(waits.quiet)

    # The first few fill caches and thread pools, which stay.
    await run(warming := min(10, times))
    done = 0
    before = usage(platform.webs)
    began = time.monotonic()
    await run(times)
    took = time.monotonic() - began - waits.quiet
    after = usage(platform.webs)
    return {
        "times": times,
        "after_warming_with": warming,
        "seconds": round(took, 1),
        "before": before,
        "after": after,
    }


async def fairness(
    platform: Platform, *, flood: int, others: int, progress: Progress
) -> dict[str, Any]:
    """Compare how long some askers wait for one answer each, alone and beside one who floods.

    Askers come without a login, so that each takes turns for itself.
    """
    asked: list[dict[str, Any]] = []

    def note(line: dict[str, Any]) -> None:
        if "mark" in line:
            asked.append(line)
            progress(f"{others} askers and a flood", len(asked), 2 * others + flood)

    config = {
        **_login(platform),
        "username": "",
        "role": "flood",
        "shape": "idle",
        "flood": flood,
        "others": others,
    }
    async with Child("client", config, on_note=note) as client:
        await client.finish()
    waits = {
        kind: spread(
            1000 * (line["ended_at"] - line["sent_at"])
            for line in asked
            if line["mark"].startswith(kind) and "ended_at" in line
        )
        for kind in ("alone", "beside", "flood")
    }
    return {
        "wait_ms": waits,
        "times_as_long": round(waits["beside"]["max"] / waits["alone"]["max"], 2),
    }


async def failover(
    platform: Platform, other: Child, *, questioners: int, questions: int, progress: Progress
) -> dict[str, Any]:
    """Have one of two model servers hang for a while under load; return what that costs whom.

    Args:
        other: the one that hangs; it goes on, and tells what it was asked, afterwards.
    """
    asked: list[dict[str, Any]] = []

    def note(line: dict[str, Any]) -> None:
        if "mark" in line:
            asked.append(line)
            progress("two model servers, one hangs", len(asked), questioners * questions)

    crowd = {"name": "failover", "questioners": questioners, "questions": questions}
    config = {
        **_login(platform),
        **crowd,
        "role": "crowd",
        "shape": "idle",
        "pause": THINKING_SECONDS,
    }
    async with Child("client", config, on_note=note) as client:
        await client.note_with("mark")
        await asyncio.sleep(HANG_AFTER_SECONDS)
        hung_at = time.time()
        other.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(HANG_SECONDS)
        finally:
            other.signal(signal.SIGCONT)
        well_at = time.time()
        await client.finish()
    await asyncio.sleep(0.5)
    return failover_figures(asked, other.notes, hung_at=hung_at, well_at=well_at)


THROUGHPUT_SETTINGS = {
    "SYSTEM_PROMPT": bare.SYSTEM_PROMPT,
    "RESPONSE_MAX_TOKENS": str(bare.ANSWER_TOKENS),
    "HISTORY_TURNS": "0",
}
"""With these the platform's requests are as long as the bare client's."""


async def throughput(
    platform: Platform, model_url: str, *, questioners: int, questions: int, progress: Progress
) -> dict[str, Any]:
    """Compare the tokens a second that questioners get with a bare client's, in turns.

    The first round warms both up and is not counted.
    """
    rounds = []
    for number in range(1 + ROUNDS):
        name = f"crowd{number}"
        crowd = {"name": name, "questioners": questioners, "questions": questions}
        ours = await _ask_the_platform(platform, crowd, progress=progress)
        progress("the same by a bare client", number, 1 + ROUNDS)
        alone = await bare.ask(model_url, name=name, clients=questioners, requests=questions)
        progress("the same by a bare client", number + 1, 1 + ROUNDS)
        if number:
            rounds.append({"platform": ours, "bare": alone})
    shares = [
        100 * each["platform"]["tokens_per_second"] / each["bare"]["tokens_per_second"]
        for each in rounds
    ]
    return {"questioners": questioners, "rounds": rounds, "share_percent": spread(shares)}


async def _ask_the_platform(
    platform: Platform, crowd: dict[str, Any], *, progress: Progress
) -> dict[str, float]:
    config = {**_login(platform), **crowd, "role": "crowd", "shape": "idle"}
    questioners = crowd["questioners"]
    answered = 0

    def note(line: dict[str, Any]) -> None:
        nonlocal answered
        answered += "mark" in line
        progress(f"{questioners} questioners", answered, questioners * crowd["questions"])

    async with Child("client", config, on_note=note) as client:
        await client.finish()
    notes = [line for line in client.notes if "ended_at" in line]
    lasted = max(line["ended_at"] for line in notes) - min(line["sent_at"] for line in notes)
    return bare.rate([line["usage"] for line in notes], seconds=lasted)
