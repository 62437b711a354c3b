"""ONNX models that packages carry, run by onnxruntime on one core."""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Array = NDArray[np.float32]


class ModelFailed(Exception):
    """A model can't be loaded or run, or answers with something else than it should."""


def _one_each_core() -> threading.Semaphore:
    """More runs at once than there are cores end no sooner, and each holds 40 MB."""
    return threading.Semaphore(os.cpu_count() or 1)


@dataclass(frozen=True)
class OnnxModel:
    """One model file, loaded when it is first run and kept; any thread may run it.

    Attributes:
        package: name of the installed distribution that carries the file.
        path: the file's place among the installed packages.
        outputs: names of the outputs, in the order `run` returns them.
        prepare: changes the file's bytes before they are loaded.
    """

    package: str
    path: str
    outputs: tuple[str, ...]
    prepare: Callable[[bytes], bytes] = bytes
    _loading: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _cores: threading.Semaphore = field(default_factory=_one_each_core, repr=False)
    _loaded: list["InferenceSession"] = field(default_factory=list, repr=False)

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Return the outputs, all of them finite. Raises `ModelFailed`."""
        session = self.load()
        try:
            with self._cores:
                outputs: list[Array] = session.run(list(self.outputs), dict(inputs))
        except Exception as error:
            # onnxruntime's errors share no base class. Its text names shapes, never pixels.
            raise ModelFailed(f"{self.path} does not run.") from error
        if not all(np.isfinite(output).all() for output in outputs):
            raise ModelFailed(f"{self.path} answers with numbers that are not finite.")
        return outputs

    def load(self) -> "InferenceSession":
        """Return the loaded model, about half a second the first time. Raises `ModelFailed`."""
        # The lock lets the first callers wait for one load instead of loading once each. A load
        # that failed leaves nothing behind, so the next frame tries again.
        with self._loading:
            if not self._loaded:
                self._loaded.append(self._load())
            return self._loaded[0]

    def _load(self) -> "InferenceSession":
        try:
            # Since 1.29 onnxruntime reports its use to Microsoft and keeps a database of it in the
            # home folder, unless this is set before it begins (its Privacy.md).
            os.environ["ORT_DISABLE_TELEMETRY"] = "1"
            # Imported only where a filter is on: it costs 30 MB and a third of a second.
            from onnxruntime import InferenceSession, SessionOptions

            options = SessionOptions()
            options.intra_op_num_threads = 1  # the caller is one of many threads
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            content = self.prepare(self._read())
            return InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except ModelFailed:
            raise
        except Exception as error:
            raise ModelFailed(f"{self.path} can't be loaded.") from error

    def _read(self) -> bytes:
        # Asked of the distribution, since importing the package would import all it needs.
        try:
            return bytes(distribution(self.package).locate_file(self.path).read_bytes())  # type: ignore[attr-defined]
        except (PackageNotFoundError, OSError) as error:
            raise ModelFailed(f"{self.path} of {self.package} is not installed.") from error
