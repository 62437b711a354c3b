"""The options of `scripts/benchmark.py`; read before anything is imported that may be missing."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.benchmark.children import PASSWORD_VARIABLE, ROOT
from deploy.models.command_line import given

PASSWORD_HELP = f"of that user; better in the environment as {PASSWORD_VARIABLE}"
EXAMPLES = """examples:
  scripts/benchmark.py --num-requests 100
  scripts/benchmark.py --num-requests 40 --streams 1,5,10,20,40 --live
  scripts/benchmark.py --churn 200
  scripts/benchmark.py --soak 60 --streams 10 --live --live-rate 0.5
  scripts/benchmark.py --streams 10,20,40 --web-servers 2
  scripts/benchmark.py --fairness
  scripts/benchmark.py --failover
  scripts/benchmark.py --throughput
  scripts/benchmark.py --freshness
"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description="Measure QwenCam from outside: freshness, latency, CPU and memory.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_scenarios(parser.add_argument)
    _add_places(parser.add_argument)
    options = parser.parse_args(arguments)
    if options.failover and sum(map(bool, _scenarios(options))) > 1:
        parser.error("--failover goes alone: its two model servers share the requests.")
    if not (wants_platform(options) or options.freshness):
        options.num_requests = 100
    return options


def _add_scenarios(add: Callable[..., Any]) -> None:
    """What is measured."""
    add("--num-requests", type=_count, default=0, metavar="N", help="questions of one camera")
    add("--streams", type=_counts, default=[], metavar="N,…", help="numbers of streams to hold")
    add("--live", action="store_true", help="also hold the streams in live mode")
    add("--live-rate", type=float, default=2.0, help="live mode's frames a second (2)")
    add(
        "--shape",
        default="idle",
        choices=["idle", "720p15", "720p30"],
        help="what held streams send",
    )
    add("--codec", default="VP8", choices=["VP8", "H264"], help="what streams are coded in")
    add("--churn", type=_count, default=0, metavar="N", help="connects and disconnects")
    add("--soak", type=_count, default=0, metavar="MINUTES", help="hold streams for long")
    add("--failover", action="store_true", help="one of two stand-ins hangs for ten seconds")
    add("--fairness", action="store_true", help="1 user asks 50 questions at once, 9 one each")
    add(
        "--throughput",
        action="store_true",
        help="8 questioners against a bare client; a vLLM of its own",
    )
    add("--questions-each", type=_count, default=5, help="of each of the 8 questioners (5)")
    add("--freshness", action="store_true", help="compare ways of releasing frames; no platform")
    add("--no-chromium", action="store_true", help="compare them with aiortc as sender only")
    add("--monitor-gpu", action="store_true", help="sample the GPUs once a second")


def _add_places(add: Callable[..., Any]) -> None:
    """Where it is measured, and where the results go."""
    add("--server-url", type=given, help="a running platform instead of one of the benchmark's own")
    add("--username", default="", help="of the given platform's user")
    add("--password", default=os.environ.get(PASSWORD_VARIABLE, ""), help=PASSWORD_HELP)
    add("--web-servers", type=_count, default=1, help="of the benchmark's own platform (1)")
    add("--web-pid", type=_count, help="the given platform's web server, when on this machine")
    add(
        "--model-url",
        type=given,
        help="a real model server instead of the stand-in; its frames go unread",
    )
    add("--first-token", type=float, default=0.2, help="stand-in: seconds to the first token")
    add("--token", type=float, default=0.02, help="stand-in: seconds a token")
    add("--tokens", type=_count, default=16, help="stand-in: tokens of an answer")
    add("--quick", action="store_true", help="wait shortly: to try it out, too rough to compare")
    add("--out", type=_folder, default=ROOT / "benchmark_results", help="folder of the results")


def wants_platform(options: argparse.Namespace) -> bool:
    """Say whether something is to be measured that needs a platform."""
    return any(_scenarios(options))


def _scenarios(options: argparse.Namespace) -> tuple[object, ...]:
    return (
        options.num_requests,
        options.streams,
        options.churn,
        options.soak,
        options.fairness,
        options.failover,
        options.throughput,
    )


def _count(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _folder(text: str) -> Path:
    return Path(given(text))


def _counts(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]
