"""Run the networks of a checkpoint in memory: denoise, encode, decode and classify."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch

from pellucid.checkpoint import Checkpoint
from pellucid.engines.base import Precision
from pellucid.errors import UsageError
from pellucid.models.base import is_conditional

BATCH_SIZE = 256


class CheckpointModel:
    """The networks of a checkpoint in memory, in float32, on as many threads as torch is set to.

    It is a `pellucid.engines.base.Network`, so a network that was just trained runs like one from a file. Unlike
    exported networks it also returns codes and class probabilities.
    """

    name: ClassVar[str] = "torch"
    precision: Precision = "fp32"

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Use the networks of a checkpoint; raises UsageError if it holds no denoiser."""
        if "denoiser" not in checkpoint.networks:
            raise UsageError(f'the checkpoint of "{checkpoint.recipe.name}" holds no denoiser: give one that does')
        self.checkpoint = checkpoint
        self._network = checkpoint.networks["denoiser"]
        self.input_spec = self._network.input_spec
        self.conditional = is_conditional(self._network)

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        """Denoise a batch (N, C, H, W); see `pellucid.engines.base.Network`."""
        inputs = [noisy] if sigma is None else [noisy, sigma]
        with torch.inference_mode():
            return self._network(*(torch.from_numpy(np.array(part, np.float32)) for part in inputs)).float().numpy()

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return the codes; see `Denoiser.encode`."""
        self._check_skip_free()
        return self._run(images, self._network.encode)

    def decode(self, codes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the images of codes; see `Denoiser.decode`."""
        self._check_skip_free()
        network = self._network
        return self._run(codes, lambda part: network.activate(network.decode(part, size)))

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Return the class probabilities; see `Denoiser.classify`."""
        classifier = self.checkpoint.networks.get("classifier")
        if classifier is None:
            raise UsageError(
                f'the checkpoint of "{self.checkpoint.recipe.name}" holds no classifier: give a combined checkpoint, '
                "such as the combined.safetensors that a recipe with a [classifier] table leaves"
            )
        classifier.input_spec.check(images.shape[1:])
        return self._run(images, lambda part: torch.softmax(classifier(part).float(), dim=1))

    def _check_skip_free(self) -> None:
        if self._network.has_skips:
            raise UsageError(
                f'the network of "{self.checkpoint.recipe.name}" has skip connections, so its code is no compressed '
                'image: use a "dense" or "conv" model'
            )

    @staticmethod
    @torch.inference_mode()
    def _run(values: np.ndarray, network: Callable[[torch.Tensor], Any]) -> np.ndarray:
        parts = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).split(BATCH_SIZE)
        return torch.cat([network(part).float() for part in parts]).numpy()
