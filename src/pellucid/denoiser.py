"""Run a trained checkpoint on arrays: what the user gave comes back as it was, denoised."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pellucid.checkpoint import Checkpoint
from pellucid.checkpoint import load as load_checkpoint
from pellucid.errors import UsageError
from pellucid.image import data_range_of, from_nchw, to_nchw
from pellucid.spec import InputSpec
from pellucid.tiling import plan, stitch

BATCH = 256
# Tiles start where five halvings fall on the same grid, and keep 64 pixels of context, more than the networks see.
TILE, OVERLAP, GRID = 768, 192, 32


class Denoiser:
    """A trained denoiser, and the classifier behind it if its checkpoint holds one.

    Attributes:
        checkpoint: the recipe, the networks and the figures that came with them.
        input_spec: the images that the denoiser takes.

    Example:
        >>> denoiser = Denoiser.load("runs/digits/best.safetensors")  # doctest: +SKIP
        >>> denoised = denoiser(noisy)  # doctest: +SKIP
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Wrap a checkpoint in memory.

        Raises:
            UsageError: if it holds no denoiser.
        """
        if "denoiser" not in checkpoint.networks:
            raise UsageError(f'the checkpoint of "{checkpoint.recipe.name}" holds no denoiser: give one that does')
        self.checkpoint = checkpoint
        self._network = checkpoint.networks["denoiser"]
        self.input_spec: InputSpec = self._network.input_spec

    @classmethod
    def load(cls, path: str | Path) -> "Denoiser":
        """Read a checkpoint file.

        Raises:
            PellucidError: if the file is absent, broken or of another version.
            UsageError: if it holds no denoiser.
        """
        return cls(load_checkpoint(Path(path)))

    def __call__(
        self,
        image: np.ndarray,
        sigma: float | None = None,
        *,
        channel_axis: int | None = None,
        data_range: float | None = None,
        name: str = "the image",
    ) -> np.ndarray:
        """Denoise one image.

        Args:
            image: (H, W), or with channels on `channel_axis`; any integer or floating dtype.
            sigma: the noise level in units of the range, in [0, 1]; only networks with a level input use it.
            channel_axis: where the channels are; None for a gray image.
            data_range: the value of white; by default the dtype's maximum for integers and 1 for floats.
            name: what to call the image in an error, such as its file.

        Returns:
            The denoised image, of the same shape and dtype.

        Raises:
            UsageError: if the size or the channels do not fit the model.
        """
        white = data_range_of(image) if data_range is None else data_range
        planes = to_nchw(image, white, channel_axis)
        count, channels, height, width = planes.shape
        # A gray convolutional network cleans the channels of a colour image one by one.
        apart = channels not in self.input_spec.channels and 1 in self.input_spec.channels
        if apart and self.input_spec.fixed_size is None:
            planes = planes.reshape(count * channels, 1, height, width)
        self.input_spec.check(planes.shape[1:], name)
        denoised = self.batch(planes, sigma).reshape(count, channels, height, width)
        return from_nchw(denoised, image, white, channel_axis)

    def batch(self, images: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Denoise images (N, C, H, W), float32 with white at 1, of one size; the output is not clipped."""
        if self.input_spec.fixed_size or max(images.shape[-2:]) <= TILE:
            return self._denoise(images, sigma)
        height, width = images.shape[-2:]
        tiles = plan(height, width, TILE, OVERLAP, GRID)
        return stitch(tiles, (self._denoise(tile.crop(images), sigma) for tile in tiles), height, width)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return the codes of images (N, C, H, W): (N, latent_dim), or (N, channels, h, w) of a convolutional network.

        Raises:
            UsageError: if the network has skips, whose code is no compressed image.
        """
        self._check_skip_free()
        return self._run(images, self._network.encode)

    def decode(self, codes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the images (N, C, H, W) of codes, float32 after the output activation; `size` is (H, W)."""
        self._check_skip_free()
        network = self._network
        return self._run(codes, lambda part: network.activate(network.decode(part, size)))

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Return the class probabilities (N, K) of images (N, C, H, W), as given: denoise them first if wanted.

        Raises:
            UsageError: if the checkpoint holds no classifier, or the size does not fit it.
        """
        classifier = self.checkpoint.networks.get("classifier")
        if classifier is None:
            raise UsageError(
                f'the checkpoint of "{self.checkpoint.recipe.name}" holds no classifier: give a combined checkpoint, '
                "such as the combined.safetensors that a recipe with a [classifier] table leaves"
            )
        classifier.input_spec.check(images.shape[1:])
        return self._run(images, lambda part: torch.softmax(classifier(part).float(), dim=1))

    def _denoise(self, images: np.ndarray, sigma: float | None) -> np.ndarray:
        return self._run(images, lambda part: self._network(part, _levels(sigma, len(part))))

    def _check_skip_free(self) -> None:
        if self._network.has_skips:
            raise UsageError(
                f'the network of "{self.checkpoint.recipe.name}" has skip connections, so its code is no compressed '
                'image: use a "dense" or "conv" model'
            )

    @staticmethod
    @torch.inference_mode()
    def _run(values: np.ndarray, network: Any) -> np.ndarray:
        parts = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).split(BATCH)
        return torch.cat([network(part).float() for part in parts]).numpy()


def _levels(sigma: float | None, count: int) -> Tensor | None:
    return None if sigma is None else torch.full((count,), sigma)
