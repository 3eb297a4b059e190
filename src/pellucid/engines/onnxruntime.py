"""ONNX Runtime on the CPU: starts fastest, and is part of every installation."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pellucid.engines.base import Engine, Precision
from pellucid.engines.onnx_parser import CheckedModel, OnnxFile, read_onnx
from pellucid.errors import PellucidError, TooLarge

LOG_FATAL = 4  # log nothing less severe: other problems become exceptions
OUT_OF_MEMORY = "Failed to allocate memory"


class OnnxRuntime(Engine):
    """An exported network, in float32."""

    name: ClassVar[str] = "onnxruntime"
    library: ClassVar[str] = "onnxruntime"
    extra: ClassVar[str] = ""
    startup: ClassVar[float] = 0.2
    reads: ClassVar[str] = ".onnx"
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32",)

    def __init__(self, path: Path, threads: int, precision: Precision = "fp32", sha256: str | None = None) -> None:
        """Load a network; raises PellucidError if the file is broken, or does not have this `sha256`."""
        self._file = read_onnx(path, sha256=sha256)
        self.input_spec = self._file.input_spec
        self.conditional = self._file.conditional
        self.precision = precision
        self._run = Session(path, self._file, threads)

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        """Denoise a batch."""
        return self._run(self._file.inputs(noisy, sigma))[0]


class Session:
    """A loaded network of any task; it maps inputs by name to a list of outputs."""

    def __init__(self, path: Path, file: OnnxFile | CheckedModel, threads: int) -> None:
        """Load a file that `read_onnx` or `read_checked_model` has read.

        Raises:
            PellucidError: if ONNX Runtime cannot load the network.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = LOG_FATAL
        # A memory plan for each tile size would use memory, and saves no noticeable time.
        options.enable_mem_pattern = False
        try:
            self._session = onnxruntime.InferenceSession(file.content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common class of their own
            raise PellucidError(f"{path} cannot be run ({_first_line(error)}): fetch or export it again") from error

    @property
    def inputs(self) -> list[tuple[str, str, list[Any]]]:
        """Each input's name, type, such as `tensor(float)`, and shape; a string in a shape stands for any length."""
        return [(node.name, node.type, list(node.shape)) for node in self._session.get_inputs()]

    def __call__(self, inputs: dict[str, np.ndarray]) -> list[Any]:
        """Run the network.

        Raises:
            TooLarge: if there is not enough memory.
            PellucidError: if it fails for another reason.
        """
        try:
            return list(self._session.run(None, inputs))
        except Exception as error:
            if OUT_OF_MEMORY in str(error):
                raise TooLarge("the network needs more memory than there is: try smaller tiles") from error
            raise PellucidError(f"ONNX Runtime failed ({_first_line(error)}): try smaller tiles") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
