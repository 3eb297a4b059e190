"""PyTorch: on a GPU where there is one, else on the processor; bfloat16 by autocast."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np

from pellucid.engines.base import Engine, Precision
from pellucid.errors import PellucidError
from pellucid.utils.optional_imports import need
from pellucid.weights import check_file


class Torch(Engine):
    """The denoiser of a checkpoint, in float32 or bfloat16."""

    name: ClassVar[str] = "torch"
    library: ClassVar[str] = "torch"
    extra: ClassVar[str] = "train"
    startup: ClassVar[float] = 2.0
    reads: ClassVar[str] = ".safetensors"
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "bf16")

    def __init__(self, path: Path, threads: int, precision: Precision = "fp32", sha256: str | None = None) -> None:
        """Load a checkpoint; raises PellucidError if torch is not installed, or the file is broken or no denoiser."""
        self._torch = need("torch", "train", "the engine torch")
        from pellucid.checkpoint import load
        from pellucid.models.base import is_conditional

        check_file(path, sha256)
        networks = load(path).networks
        if "denoiser" not in networks:
            raise PellucidError(f"{path} holds no denoiser: give a checkpoint that does")
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        network = networks["denoiser"]
        self._network = network.to(self._device, memory_format=self._torch.channels_last)
        self._threads = threads
        self.input_spec = network.input_spec
        self.conditional = is_conditional(network)
        self.precision = precision

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        """Denoise a batch."""
        torch = self._torch
        inputs = [noisy] if sigma is None or not self.conditional else [noisy, sigma]
        on_cuda = self._device == "cuda"
        try:
            with (
                torch.inference_mode(),
                _threads(torch, self._threads),
                torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False),
                torch.autocast(self._device, torch.bfloat16, enabled=self.precision == "bf16"),
            ):
                tensors = (torch.from_numpy(np.array(part, np.float32)).to(self._device) for part in inputs)
                return self._network(*tensors).float().cpu().numpy()
        except RuntimeError as error:
            reason = str(error).partition("\n")[0][:200]
            where = "the GPU" if on_cuda else "torch"
            raise PellucidError(f"{where} failed ({reason}): try smaller tiles") from error


@contextmanager
def _threads(torch, count: int) -> Iterator[None]:
    """Let torch compute on `count` threads, and leave its setting as it was."""
    before = torch.get_num_threads()
    if before != count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if before != count:
            torch.set_num_threads(before)
