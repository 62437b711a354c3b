"""Lets PyPI's torchvision (the CUDA build) be imported beside a CPU build of torch.

Its C++ library cannot load there, so ``torchvision::nms`` and ``torchvision::qnms`` are unknown and
``import torchvision`` fails where it attaches shape rules to them. vLLM needs only torchvision's
pure Python transforms, so declaring the two signatures is enough; they still cannot be called.

A ``.pth`` file installed beside this module imports it at every start of that environment's Python,
vLLM's spawned engine processes included. It costs nothing until torchvision is imported, and does
nothing when the real operators have loaded.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

OPERATORS = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
NEEDS_OPERATORS = "torchvision._meta_registrations"


def declare_missing() -> None:
    """Declares each operator that torchvision's own library has not registered."""
    import torch

    missing = [name for name in OPERATORS if not hasattr(torch.ops.torchvision, name)]
    for name in missing:
        torch.library.define(f"torchvision::{name}", SIGNATURE)


class DeclareBeforeUse:
    """An import hook that finds no module: it acts just before the operators are looked up."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == NEEDS_OPERATORS:
            declare_missing()
        return None


def install() -> None:
    """Puts the hook first on the import path, once."""
    if not any(isinstance(finder, DeclareBeforeUse) for finder in sys.meta_path):
        sys.meta_path.insert(0, DeclareBeforeUse())
