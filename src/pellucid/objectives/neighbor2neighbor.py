"""Neighbor2Neighbor: two half-size images of adjacent pixels, one the target of the other; noisy images suffice."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from pellucid.objectives.batch import Loss, TrainingBatch, check_any_size, halved_sigma, prepared

# The pixels of a 2x2 cell are numbered row by row; each pair lies side by side or one above the other.
PAIRS = ((0, 1), (0, 2), (1, 3), (2, 3), (1, 0), (2, 0), (3, 1), (3, 2))


@dataclass(frozen=True)
class Neighbor2Neighbor:
    """Two sub-images of each noisy image, the second the target of the first (Huang et al., CVPR 2021, equation 9).

    Adjacent pixels show nearly the same scene with independent noise, if the noise is white. Their true differences
    would teach the network to blur: the regularizer subtracts those that the network finds in the whole image.

    Attributes:
        gamma: weight of the regularizer, at least 0. The authors raise it from 0 to 2 during a training.
    """

    needs_labels: ClassVar[bool] = False
    gamma: float = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError for a negative weight."""
        if not self.gamma >= 0:
            raise ValueError(f"gamma = {self.gamma} must be at least 0, such as 1")

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch; raises UsageError without a loss, or for a network of a fixed size."""
        predict, loss = prepared("neighbor2neighbor", model, loss)
        check_any_size("neighbor2neighbor", model)
        pairs = random_pairs(batch.noisy, batch.generator)
        first, second = (sub_image(batch.noisy, pixel) for pixel in pairs)
        predicted = predict(first, halved_sigma(batch.sigma, lambda sigma_map: sub_image(sigma_map, pairs[0])))
        value = loss(predicted, second)
        if not self.gamma:
            return value
        with torch.no_grad():
            whole = model(batch.noisy, batch.sigma)
            gap = sub_image(whole, pairs[0]) - sub_image(whole, pairs[1])
        denoised = model.activate(predicted) if loss.on_logits else predicted
        return value + self.gamma * (denoised.float() - second - gap).square().mean()


def random_pairs(images: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor]:
    """Return two adjacent pixels of each 2x2 cell of images (N, C, H, W), as numbers 0 to 3, each (N, 1, h, w).

    h and w are half of H and W, rounded down. All eight ordered pairs are equally probable.
    """
    count, _, height, width = images.shape
    shape, device = (count, 1, height // 2, width // 2), images.device
    choice = torch.randint(len(PAIRS), shape, generator=generator, device=device)
    first, second = torch.tensor(PAIRS, device=device)[choice].unbind(-1)
    return first, second


def sub_image(images: Tensor, pixel: Tensor) -> Tensor:
    """Return the image (N, C, h, w) of the chosen pixels (N, 1, h, w) of each 2x2 cell of images (N, C, H, W)."""
    height, width = pixel.shape[-2:]
    cells = images[..., : 2 * height, : 2 * width].unflatten(-1, (width, 2)).unflatten(-3, (height, 2))
    cells = cells.transpose(-3, -2).flatten(-2)  # (N, C, h, w, 4)
    chosen = pixel.expand(-1, images.shape[1], -1, -1)
    return cells.gather(-1, chosen[..., None])[..., 0]
