"""The command line of `scripts/benchmark.py`."""

import argparse
import asyncio
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx

from deploy.benchmark import report, scenarios
from deploy.benchmark.bench import Bench, progress
from deploy.benchmark.busy_vllm import BusyVllm
from deploy.benchmark.children import Child
from deploy.benchmark.freshness import compare_releases
from deploy.benchmark.gpu_monitor import GpuMonitor
from deploy.benchmark.options import wants_platform
from deploy.benchmark.platform import AnyPlatform, GivenPlatform, OwnPlatform
from deploy.benchmark.sampling import machine


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run what was asked for; return the results."""
    arguments = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(options).items()
        if name != "password"
    }
    results: dict[str, Any] = {"arguments": arguments, "machine": machine()}
    async with GpuMonitor(on=options.monitor_gpu) as gpu:
        if options.freshness:
            results["freshness"] = await compare_releases(
                progress, chromium=not options.no_chromium
            )
        if wants_platform(options):
            results |= await _measure_platform(options)
    if options.monitor_gpu:
        results["gpu"] = gpu.samples
    results["machine"]["load_after"] = machine()["load_1_5_15"]
    return results


async def _measure_platform(options: argparse.Namespace) -> dict[str, Any]:
    """Start the platform and what stands behind it, and measure."""
    pace = {"first_token": options.first_token, "token": options.token, "tokens": options.tokens}
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(Child("model", pace))
        model_url = await _model_url(options, model, stack)
        other = await stack.enter_async_context(Child("model", pace)) if options.failover else None
        urls = [model_url, *([await _url_of(other)] if other else [])]
        platform = await stack.enter_async_context(_platform(options, ",".join(urls)))
        bench = Bench(
            options=options, platform=platform, model=model, model_url=model_url, other=other
        )
        return await bench.run()


async def _model_url(options: argparse.Namespace, model: Child, stack: AsyncExitStack) -> str:
    """Where the model server is that the platform asks."""
    if options.model_url:
        return str(options.model_url)
    if options.throughput and not options.server_url:
        return await stack.enter_async_context(BusyVllm())
    return await _url_of(model)


async def _url_of(model: Child) -> str:
    return str((await model.note_with("base_url"))["base_url"])


def _platform(options: argparse.Namespace, model_url: str) -> AnyPlatform:
    if options.server_url:
        return GivenPlatform(
            options.server_url, options.username, options.password, options.web_pid
        )
    settings = {
        **(scenarios.THROUGHPUT_SETTINGS if options.throughput else {}),
        **({"REQUIRE_AUTH": "false"} if options.fairness else {}),
    }
    return OwnPlatform(model_url=model_url, settings=settings, web_servers=options.web_servers)


def main(options: argparse.Namespace) -> int:
    """Measure, write, tell."""
    try:
        results = asyncio.run(measure(options))
    except (RuntimeError, OSError, httpx.HTTPError) as error:
        print(f"The benchmark could not go on: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return 130
    folder = options.out / time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    written = report.write(results, folder)
    print("\n".join(report.lines(results)))
    print("\n".join(f"Written: {path}" for path in written))
    return 0
