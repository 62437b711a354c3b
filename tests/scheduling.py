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
        "model_servers",
        "monitor",
    )
)
"""Where the fixture `stack` is used: the whole platform with vLLM, a minute to start."""

_ONE_BY_ONE = ("tests/unit/", "tests/contract/test_benchmark.py")
"""Their tests share nothing that takes long to start, but for:"""

_SHARING = frozenset({"tests/unit/scripts/test_release.py"})

_STACK = "with vLLM"
_FIRST = (
    _STACK,
    "tests/e2e/test_installation.py",
    "tests/e2e/test_image.py",
    "tests/contract/test_benchmark.py",
    "tests/e2e/test_page_states.py",
    "tests/e2e/test_console.py",
    "tests/e2e/test_camera_track.py",
    "tests/e2e/test_accounts.py",
    "tests/e2e/test_real_model.py",
    "tests/e2e/test_generation_at_vllm.py",
    "tests/contract/test_commands.py",
    "tests/stress/test_faults.py",
    "tests/contract/test_fairness.py",
    "tests/e2e/test_production.py",
    "tests/e2e/test_sign_out.py",
)
"""What takes a minute and more, longest first: begun late, it would leave other processes idle."""


def begins_at(nodeid: str) -> int:
    """Return the place of a test's module in the order of a run."""
    scope = scope_of(nodeid).partition("::")[0]
    return _FIRST.index(scope) if scope in _FIRST else len(_FIRST)


def is_slow(nodeid: str) -> bool:
    """Return whether a test belongs to what takes long as a whole."""
    return begins_at(nodeid) < len(_FIRST)


def scope_of(nodeid: str) -> str:
    """Return what goes to one process with this test: its platform, its module, or itself."""
    module = nodeid.partition("::")[0]
    if module in _WITH_VLLM:
        return _STACK
    return nodeid if module.startswith(_ONE_BY_ONE) and module not in _SHARING else module


class ByPlatform(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out modules in the order they were collected; some modules' tests one by one."""

    def _split_scope(self, nodeid: str) -> Any:
        return scope_of(nodeid)
