"""Lets vLLM's CPU build load where the system has no libnuma: a copy lies beside this module.

``scripts/lib/environments.sh`` puts one there when it may not install the system's package. vLLM's
C++ library names its dependency ``libnuma.so.1`` only, and the loader takes what is loaded under
that name already. A ``.pth`` file imports this module at every start of that environment's Python.
"""

from pathlib import Path

COPY = Path(__file__).with_name("libnuma.so.1")


def load() -> None:
    """Loads the copy, if there is one."""
    if COPY.is_file():
        import ctypes

        ctypes.CDLL(str(COPY), mode=ctypes.RTLD_GLOBAL)
