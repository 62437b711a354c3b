"""``python -m tests.conversion_table``: the demo checkpoint as it is and in fewer bits, compared.

Converts it to each format, serves each by a vLLM of its own, one at a time, and prints a table:
sizes, starts, memory, and right answers on easy-vqa's whole test split and on scenes of ours. Takes
a quarter of an hour on two cores, and is too much for the suite, which asks fewer questions.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import easy_vqa

from deploy.models.conversion.formats import FORMATS
from tests.stack import ROOT
from tests.vllm_server import CHECKPOINT, VllmServer

EASY_VQA = Path(easy_vqa.__file__).parent / "data"
SCENES = 100
STARTS = 3


def convert(name: str, *, target: Path) -> float:
    """Convert the checkpoint; return how long that took, in seconds."""
    began = time.monotonic()
    options = ["--quantize", str(FORMATS[name].bits), "--format", name, "--output", str(target)]
    command = [sys.executable, "scripts/convert_model.py", "--model-path", str(CHECKPOINT)]
    subprocess.run([*command, *options], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def right_answers(base_url: str, *which: str, folder: Path) -> str:
    """Return how many of the questions are answered right."""
    answers = folder / "answers.json"
    command = [sys.executable, "-m", "deploy.demo_model.evaluate", "--base-url", base_url, *which]
    options = ["--concurrency", "16", "--json", str(answers)]
    subprocess.run([*command, *options], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    rows = json.loads(answers.read_text())
    right = sum(row["expected"] == row["answered"] for row in rows)
    return f"{100 * right / len(rows):.2f} % ({right} of {len(rows)})"


def row(name: str, model: Path, *, folder: Path) -> str:
    """Start the model several times, examine it once; return its line of the table."""
    starts = []
    server = VllmServer(folder / "vllm.log", model=model)
    for _ in range(STARTS):
        server.kill()
        began = time.monotonic()
        server.start()
        server.wait(patience=600)
        starts.append(time.monotonic() - began)
    try:
        memory = sum(process.memory_full_info().uss for process in server.processes())
        easy = right_answers(server.base_url, "--easy-vqa", str(EASY_VQA), folder=folder)
        scenes = right_answers(server.base_url, "--scenes", str(SCENES), folder=folder)
    finally:
        server.kill()
    size = sum(file.stat().st_size for file in model.glob("*.safetensors"))
    start = f"{median(starts):.0f} s ({min(starts):.0f} to {max(starts):.0f})"
    cells = name, f"{size / 1e6:.1f} MB", start, f"{memory / 1e9:.2f} GB", easy, scenes
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, a line as soon as it is known."""
    with tempfile.TemporaryDirectory(prefix="qwencam-conversion-") as name:
        folder = Path(name)
        models = {"original": CHECKPOINT}
        for form in FORMATS:
            models[form] = folder / form
            print(f"{form}: converted in {convert(form, target=models[form]):.0f} s", flush=True)
        print("\n| | file | start | memory | easy-vqa | scenes |\n|---|---|---|---|---|---|")
        for form, model in models.items():
            print(row(form, model, folder=folder), flush=True)


if __name__ == "__main__":
    main()
