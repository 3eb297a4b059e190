"""PyTorch, on a GPU if there is one, else on the CPU; bfloat16 by autocast."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from pellucid.engines.base import Engine, Precision
from pellucid.errors import PellucidError
from pellucid.utils.optional_imports import import_optional
from pellucid.weights.catalog import check_file


class Torch(Engine):
    """The denoiser of a checkpoint, in float32 or bfloat16."""

    name: ClassVar[str] = "torch"
    library: ClassVar[str] = "torch"
    extra: ClassVar[str] = "train"
    startup: ClassVar[float] = 2.0
    reads: ClassVar[str] = ".safetensors"
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "bf16")

    def __init__(self, path: Path, threads: int, precision: Precision = "fp32", sha256: str | None = None) -> None:
        """Load a checkpoint; raises PellucidError without torch, or if the file is damaged or holds no denoiser."""
        self._torch = import_optional("torch", "train", "the engine torch")
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
        from pellucid.utils.device import torch_threads

        torch = self._torch
        inputs = [noisy] if sigma is None or not self.conditional else [noisy, sigma]
        on_cuda = self._device == "cuda"
        try:
            with (
                torch.inference_mode(),
                torch_threads(self._threads),
                torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False),
                torch.autocast(self._device, torch.bfloat16, enabled=self.precision == "bf16"),
            ):
                tensors = (torch.from_numpy(np.array(part, np.float32)).to(self._device) for part in inputs)
                return self._network(*tensors).float().cpu().numpy()
        except RuntimeError as error:
            reason = str(error).partition("\n")[0][:200]
            where = "the GPU" if on_cuda else "torch"
            raise PellucidError(f"{where} failed ({reason}): try smaller tiles") from error
