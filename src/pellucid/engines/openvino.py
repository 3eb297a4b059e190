"""OpenVINO on the CPU: slower to start, then often the fastest; bfloat16 if the CPU supports it."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from pellucid.engines.base import Engine, Precision
from pellucid.engines.onnx_parser import read_onnx
from pellucid.errors import PellucidError
from pellucid.utils.optional_imports import import_optional

HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVino(Engine):
    """An exported network, in float32 or bfloat16."""

    name: ClassVar[str] = "openvino"
    library: ClassVar[str] = "openvino"
    extra: ClassVar[str] = "openvino"
    startup: ClassVar[float] = 0.5
    reads: ClassVar[str] = ".onnx"
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "bf16")

    def __init__(self, path: Path, threads: int, precision: Precision = "fp32", sha256: str | None = None) -> None:
        """Load and compile a network; raises PellucidError if OpenVINO is not installed or the file is broken."""
        openvino = import_optional("openvino", "openvino", "the engine openvino")
        self._file = read_onnx(path, sha256=sha256)
        self.input_spec = self._file.input_spec
        self.conditional = self._file.conditional
        self.precision = precision
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(self._file.content, b""), "CPU", settings)
        except RuntimeError as error:
            raise PellucidError(f"{path} cannot be run by OpenVINO: fetch or export it again") from error

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        """Denoise a batch."""
        try:
            return self._compiled(self._file.inputs(noisy, sigma))[0]
        except RuntimeError as error:
            reason = str(error).strip().rpartition("\n")[2][:200]
            raise PellucidError(f"OpenVINO failed ({reason}): try smaller tiles") from error
