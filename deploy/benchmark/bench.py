"""What is measured on one platform, scenario by scenario, as a command line asks for it."""

import argparse
import sys
from dataclasses import dataclass
from typing import Any

from deploy.benchmark import scenarios
from deploy.benchmark.children import Child
from deploy.benchmark.platform import Platform


def progress(name: str, done: int, of: int) -> None:
    """Draw a bar on standard error; where that is no terminal, say what is done."""
    if sys.stderr.isatty():
        filled = round(30 * done / of) if of else 30
        end = "\n" if done >= of else ""
        sys.stderr.write(f"\r\033[K{name:40} [{'#' * filled:30}] {done}/{of}{end}")
    elif done >= of:
        sys.stderr.write(f"{name}: {done}/{of}\n")
    sys.stderr.flush()


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A platform that runs, with what stands behind it.

    Attributes:
        model: the stand-in that tells which frames it was shown.
        other: a second one, which fails for a while; None without failover.
    """

    options: argparse.Namespace
    platform: Platform
    model: Child
    model_url: str
    other: Child | None

    @property
    def waits(self) -> scenarios.Waits:
        """How long to watch before and while it is measured."""
        return scenarios.QUICK if self.options.quick else scenarios.Waits()

    async def run(self) -> dict[str, Any]:
        """Return what was measured, by scenario."""
        wanted = self.options
        results: dict[str, Any] = {}
        if wanted.num_requests:
            results["questions"] = await self.questions()
        if wanted.soak:
            results["soak"] = await self.soak()
        elif wanted.streams:
            results["streams"] = await self.streams()
        if wanted.churn:
            results["churn"] = await scenarios.churn(
                self.platform, times=wanted.churn, waits=self.waits, progress=progress
            )
        if self.other is not None:
            results["failover"] = await self.failover(self.other)
        if wanted.fairness:
            results["fairness"] = await scenarios.fairness(
                self.platform, flood=50, others=9, progress=progress
            )
        if wanted.throughput:
            results["throughput"] = await self.throughput()
        return results

    async def questions(self) -> dict[str, Any]:
        """Ask half of the questions on a live camera, half on one that idles."""
        return {
            shape: await scenarios.ask(
                self.platform,
                self.model,
                questions=max(1, self.options.num_requests // 2),
                shape=shape,
                codec=self.options.codec,
                waits=self.waits,
                progress=progress,
            )
            for shape in ("asking", "idle")
        }

    async def soak(self) -> Any:
        """Hold streams for long."""
        return await scenarios.soak(
            self.platform,
            streams=max(self.options.streams or [10]),
            shape=self.options.shape,
            live=self.options.live_rate if self.options.live else 0.0,
            minutes=self.options.soak,
            waits=self.waits,
            progress=progress,
        )

    async def streams(self) -> list[Any]:
        """Hold each number of streams, idle and if it is wished in live mode."""
        lives = [0.0, self.options.live_rate] if self.options.live else [0.0]
        return [
            await scenarios.hold(
                self.platform,
                self.model,
                streams=streams,
                shape=self.options.shape,
                codec=self.options.codec,
                live=live,
                questions=min(20, self.options.num_requests),
                waits=self.waits,
                progress=progress,
            )
            for live in lives
            for streams in self.options.streams
        ]

    async def failover(self, other: Child) -> Any:
        """Ask while one of two model servers hangs."""
        return await scenarios.failover(
            self.platform,
            other,
            questioners=6 if self.options.quick else 12,
            questions=12 if self.options.quick else 16,
            progress=progress,
        )

    async def throughput(self) -> Any:
        """Ask as fast as a bare client does."""
        return await scenarios.throughput(
            self.platform,
            self.model_url,
            questioners=8,
            questions=self.options.questions_each,
            progress=progress,
        )
