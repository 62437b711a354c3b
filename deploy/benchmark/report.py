"""What is written at the end: JSON, plots where matplotlib is there, and a few lines to read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIGURES = (
    "question_to_request_ms",
    "frame_age_at_model_ms",
    "claimed_minus_true_age_ms",
    "platform_share_of_first_token_ms",
    "platform_share_of_answer_ms",
)
NO_PLOTS = (
    "No plots: .venv/bin/pip install --no-deps -r deploy/requirements/benchmark.txt "
    "gives matplotlib."
)


def write(results: dict[str, Any], folder: Path) -> list[Path]:
    """Write `results.json` and the plots into `folder`; return what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    path.write_text(json.dumps(results, indent=1))
    return [path, *_plots(results, folder)]


def lines(results: dict[str, Any]) -> Iterator[str]:
    """Yield the results in a few lines."""
    for name, run in results.get("questions", {}).items():
        yield f"Questions, camera {name}: {run['answered']} of {run['asked']} answered"
        yield from (f"  {figure:34} {_told(run[figure])}" for figure in FIGURES)
    for run in results.get("streams", []):
        yield f"{run['streams']} streams, {'live' if run['live_rate'] else 'idle'} ({run['shape']})"
        for figure in ("cpu_percent_per_stream", "memory_mb_per_stream", "threads", "descriptors"):
            if figure in run:
                yield f"  {figure:34} {run[figure]}"
        if "questions" in run:
            age = run["questions"]["frame_age_at_model_ms"]
            yield f"  {'frame_age_at_model_ms':34} {_told(age)}"
    if "soak" in results:
        soak = results["soak"]
        told = {name: soak[name] for name in soak if name != "samples"}
        yield from _named("Soak", told)
    for name in ("churn", "fairness", "failover"):
        if name in results:
            yield from _named(name.capitalize(), results[name])
    if "throughput" in results:
        run = results["throughput"]
        yield f"Throughput, {run['questioners']} questioners, tokens a second"
        for each in run["rounds"]:
            rates = [each[who]["tokens_per_second"] for who in ("platform", "bare")]
            yield "  platform {:8.1f}   bare client {:8.1f}".format(*rates)
        yield f"  {'platform, % of bare':34} {_told(run['share_percent'])}"
    for row in results.get("freshness", []):
        name = f"{row['sender']}, {row['release']}, {row['framerate']}/s, {row['network']}"
        yield f"  {name:36} age  {_told(row['age_ms'])} damaged {row['damaged']}"
        yield f"  {'':36} wait {_told(row['wait_ms'])}"


def _named(name: str, run: dict[str, Any], *, indent: str = "") -> Iterator[str]:
    """Yield one line a figure, spreads in words, groups of figures under their names."""
    yield f"{indent}{name}"
    for key, value in run.items():
        if isinstance(value, dict) and "count" in value:
            yield f"{indent}  {key:34} {_told(value)}"
        elif isinstance(value, dict) and value:
            yield from _named(key, value, indent=indent + "  ")
        else:
            yield f"{indent}  {key:34} {value}"


def _told(spread: dict[str, Any]) -> str:
    if not spread["count"]:
        return "nothing"
    return "median {median:8.2f}   p95 {p95:8.2f}   max {max:8.2f}".format(**spread)


def _plots(results: dict[str, Any], folder: Path) -> list[Path]:
    try:
        import matplotlib
    except ImportError:
        print(NO_PLOTS)
        return []
    matplotlib.use("Agg")
    drawn = []
    if results.get("questions"):
        drawn += [
            _distribution(results, "question_to_request_ms", folder / "latency.png"),
            _distribution(results, "frame_age_at_model_ms", folder / "freshness.png"),
        ]
    if results.get("streams") and "cpu_percent" in results["streams"][0]:
        drawn.append(_against_streams(results["streams"], folder / "streams.png"))
    if results.get("soak", {}).get("samples"):
        drawn.append(_over_time(results["soak"], folder / "soak.png"))
    return drawn


def _distribution(results: dict[str, Any], figure: str, path: Path) -> Path:
    from matplotlib import pyplot

    drawing, axes = pyplot.subplots(figsize=(7, 4))
    for name, run in results["questions"].items():
        values = sorted(run["values"][figure])
        if values:
            shares = [100 * (rank + 1) / len(values) for rank in range(len(values))]
            axes.step(values, shares, where="post", label=f"camera {name}")
    axes.set(xlabel=figure.replace("_", " "), ylabel="% of questions at most", ylim=(0, 101))
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.legend()
    drawing.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(drawing)
    return path


def _against_streams(runs: list[dict[str, Any]], path: Path) -> Path:
    from matplotlib import pyplot

    drawing, (cpu, memory) = pyplot.subplots(1, 2, figsize=(10, 4))
    for live in (False, True):
        chosen = [run for run in runs if bool(run["live_rate"]) is live and "cpu_percent" in run]
        if not chosen:
            continue
        counts = [run["streams"] for run in chosen]
        name = "live" if live else "idle"
        cpu.plot(counts, [run["cpu_percent"] for run in chosen], "o-", label=name)
        memory.plot(counts, [run["memory_mb"] for run in chosen], "o-", label=name)
    cpu.set(xlabel="streams", ylabel="% of a core, web server")
    memory.set(xlabel="streams", ylabel="MB private to the web server")
    for axes in (cpu, memory):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
    drawing.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(drawing)
    return path


def _over_time(soak: dict[str, Any], path: Path) -> Path:
    from matplotlib import pyplot

    drawing, (memory, things) = pyplot.subplots(1, 2, figsize=(10, 4))
    minutes = [sample["minute"] for sample in soak["samples"]]
    memory.plot(minutes, [sample["memory_mb"] for sample in soak["samples"]])
    memory.set(xlabel="minutes", ylabel="MB private to the web server")
    for name in ("threads", "descriptors"):
        things.plot(minutes, [sample[name] for sample in soak["samples"]], label=name)
    things.set(xlabel="minutes")
    things.legend()
    for axes in (memory, things):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    drawing.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(drawing)
    return path
