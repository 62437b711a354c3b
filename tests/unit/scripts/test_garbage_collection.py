"""The ``.pth`` file that keeps the collector from looking at vLLM's imports over and over."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.stack import ROOT


def test_every_start_of_that_python_reads_it(tmp_path: Path):
    shutil.copy(ROOT / "deploy" / "vllm_cpu" / "garbage_collection.pth", tmp_path)
    program = f"import gc, site; site.addsitedir({str(tmp_path)!r}); print(*gc.get_threshold())"
    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert (found.stdout, found.stderr) == ("100000 50 1000\n", "")
