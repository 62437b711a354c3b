"""Run by vLLM's own Python: imports vLLM once, then forks a server for each request.

Of the seventeen seconds of a core that a start takes on the demo checkpoint fifteen are imports,
once for the server and once for its engine. A fork has them already.

A line of JSON on standard input is a request: arguments, environment, and the file of the log. The
answer is the process's id. All servers end with this process.
"""

import ctypes
import importlib
import json
import multiprocessing
import os
import runpy
import signal
import sys
import traceback
from typing import Any

SERVER = "vllm.entrypoints.openai.api_server"
IMPORTED = (
    SERVER,
    "vllm.v1.engine.core",
    "vllm.v1.executor.uniproc_executor",
    "vllm.v1.worker.cpu_worker",
    "vllm.model_executor.models.qwen2_5_vl",
)
PR_SET_PDEATHSIG = 1


def serve(request: dict[str, Any]) -> None:
    """Be the server; returns when it ends."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor, opened in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(opened, descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    # On a CPU vLLM has the engine import everything anew, for the sake of OpenMP's threads, which
    # do not survive a fork. There are none here: OMP_NUM_THREADS is 1.
    context = multiprocessing.get_context
    multiprocessing.get_context = lambda method=None: context(  # type: ignore[assignment]
        "fork" if method == "spawn" else method
    )
    sys.argv = ["vllm", *request["arguments"]]
    runpy.run_module(SERVER, run_name="__main__", alter_sys=True)


def main() -> None:
    """Answer requests until there can be none any more."""
    # What is imported may print.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in IMPORTED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody asks how they ended.
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            try:
                serve(json.loads(line))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(1)
        answers.write(f"{process}\n")
        answers.flush()


if __name__ == "__main__":
    main()
