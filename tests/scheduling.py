"""Which tests go to one process: those that share a platform, so that it is started once.

pytest-xdist's own way, marks named `xdist_group`, has no effect with pytest 9.2, whose items have
their names elsewhere than pytest-xdist 3.8 writes them.
"""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

_WITH_VLLM = frozenset(
    f"tests/e2e/test_{name}.py"
    for name in (
        "camera_page",
        "converted_models",
        "dashboard",
        "demo_model",
        "doctor",
        "faults",
        "follow_up",
        "monitor",
    )
)
"""Where the fixture `stack` is used: the whole platform with vLLM, a minute to start."""


class ByPlatform(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out modules; unit tests one by one."""

    def _split_scope(self, nodeid: str) -> Any:
        module = nodeid.partition("::")[0]
        if module in _WITH_VLLM:
            return "with vLLM"
        return nodeid if module.startswith("tests/unit/") else module
