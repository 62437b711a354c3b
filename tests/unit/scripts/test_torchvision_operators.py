"""The import hook that lets PyPI's torchvision load beside a CPU build of torch.

Guards: it declares what is missing, steps aside for real operators, finds no module itself, and
costs nothing (no torch) until torchvision asks.
"""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from deploy.vllm_cpu.torchvision_operators import DeclareBeforeUse, install


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in torch whose own operators a test may set; returns what gets declared."""
    names: list[str] = []
    torch = ModuleType("torch")
    torch.ops = SimpleNamespace(torchvision=SimpleNamespace())
    torch.library = SimpleNamespace(define=lambda name, signature: names.append(name))
    monkeypatch.setitem(sys.modules, "torch", torch)
    return names


def find(name: str) -> None:
    assert DeclareBeforeUse().find_spec(name) is None


def test_declares_both_operators_just_before_they_are_looked_up(declared):
    find("torchvision._meta_registrations")
    assert declared == ["torchvision::nms", "torchvision::qnms"]


def test_leaves_every_other_import_alone(declared):
    for name in ("torchvision", "torchvision.transforms", "json"):
        find(name)
    assert declared == []


def test_steps_aside_for_real_operators(declared):
    real = sys.modules["torch"].ops.torchvision
    real.nms = real.qnms = object()
    find("torchvision._meta_registrations")
    assert declared == []


def test_is_installed_once(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    install()
    install()
    assert sum(isinstance(finder, DeclareBeforeUse) for finder in sys.meta_path) == 1
