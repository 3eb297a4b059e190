"""ONNX Runtime, on the processor: starts fastest, and needs nothing but the base install."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pellucid.engines.base import Engine, Precision
from pellucid.engines.onnx_parser import Checked, OnnxFile, read_onnx
from pellucid.errors import PellucidError, TooLarge

FATAL = 4  # the least severe that it logs: what else is wrong, it raises
NO_MEMORY = "Failed to allocate memory"


class OnnxRuntime(Engine):
    """An exported network, in float32."""

    name: ClassVar[str] = "onnxruntime"
    library: ClassVar[str] = "onnxruntime"
    extra: ClassVar[str] = ""
    startup: ClassVar[float] = 0.2
    reads: ClassVar[str] = ".onnx"
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32",)

    def __init__(self, path: Path, threads: int, precision: Precision = "fp32", sha256: str | None = None) -> None:
        """Load a network; raises PellucidError if the file is broken, or another than `sha256` says."""
        self._file = read_onnx(path, sha256=sha256)
        self.input_spec = self._file.input_spec
        self.conditional = self._file.conditional
        self.precision = precision
        self._run = Session(path, self._file, threads)

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        """Denoise a batch."""
        return self._run(self._file.inputs(noisy, sigma))[0]


class Session:
    """A network of any task, loaded: called with its inputs by name, it returns its outputs in order."""

    def __init__(self, path: Path, file: OnnxFile | Checked, threads: int) -> None:
        """Load what `read_onnx` or `read_checked` read.

        Raises:
            PellucidError: if ONNX Runtime refuses the network.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = FATAL
        # Its plan for each size of tile would hold memory, and saves no time that shows.
        options.enable_mem_pattern = False
        try:
            self._session = onnxruntime.InferenceSession(file.content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no class of their own in common
            raise PellucidError(f"{path} cannot be run ({_first_line(error)}): fetch or export it again") from error

    @property
    def inputs(self) -> list[tuple[str, str, list[Any]]]:
        """Each input's name, type, such as `tensor(float)`, and shape; a text in a shape stands for any length."""
        return [(node.name, node.type, list(node.shape)) for node in self._session.get_inputs()]

    def __call__(self, inputs: dict[str, np.ndarray]) -> list[Any]:
        """Run the network.

        Raises:
            TooLarge: if the memory does not suffice.
            PellucidError: if it fails otherwise.
        """
        try:
            return list(self._session.run(None, inputs))
        except Exception as error:
            if NO_MEMORY in str(error):
                raise TooLarge("the network needs more memory than there is: try smaller tiles") from error
            raise PellucidError(f"ONNX Runtime failed ({_first_line(error)}): try smaller tiles") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
