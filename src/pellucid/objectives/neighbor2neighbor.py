"""One half-size image of random pixels towards another of their neighbours: noisy images alone, white noise."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from pellucid.objectives.batch import Loss, TrainingBatch, check_any_size, halved_level, prepared

# The pixels of a 2x2 cell are numbered row by row; each pair lies side by side or one above the other.
PAIRS = ((0, 1), (0, 2), (1, 3), (2, 3), (1, 0), (2, 0), (3, 1), (3, 2))


@dataclass(frozen=True)
class Neighbor2Neighbor:
    """Two sub-images of each noisy one, the first towards the second (Huang et al., CVPR 2021, equation 9).

    Neighbours show nearly the same scene under independent noise, if that is white. What they show differently would
    make for a smooth network: the regulariser takes it off, as far as the network finds it in the whole image.

    Attributes:
        gamma: weight of the regulariser, at least 0. The authors let it rise from 0 to 2 in the course of a training.
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
        pairs = drawn_pairs(batch.noisy, batch.drawn)
        first, second = (sub_image(batch.noisy, pixel) for pixel in pairs)
        predicted = predict(first, halved_level(batch.sigma, lambda level: sub_image(level, pairs[0])))
        value = loss(predicted, second)
        if not self.gamma:
            return value
        with torch.no_grad():
            whole = model(batch.noisy, batch.sigma)
            gap = sub_image(whole, pairs[0]) - sub_image(whole, pairs[1])
        denoised = model.activate(predicted) if loss.on_logits else predicted
        return value + self.gamma * (denoised.float() - second - gap).square().mean()


def drawn_pairs(images: Tensor, drawn: Generator | None) -> tuple[Tensor, Tensor]:
    """Return two different, adjacent pixels of each 2x2 cell of images (N, C, H, W): numbers 0 to 3, each (N, 1, h, w).

    h and w are half of H and W, rounded down. All eight ordered pairs are equally probable.
    """
    count, _, height, width = images.shape
    choice = torch.randint(len(PAIRS), (count, 1, height // 2, width // 2), generator=drawn)
    first, second = torch.tensor(PAIRS)[choice].to(images.device).unbind(-1)
    return first, second


def sub_image(images: Tensor, pixel: Tensor) -> Tensor:
    """Return the image (N, C, h, w) of the pixels (N, 1, h, w) chosen of each 2x2 cell of images (N, C, H, W)."""
    height, width = pixel.shape[-2:]
    cells = images[..., : 2 * height, : 2 * width].unflatten(-1, (width, 2)).unflatten(-3, (height, 2))
    cells = cells.transpose(-3, -2).flatten(-2)  # (N, C, h, w, 4)
    chosen = pixel.expand(-1, images.shape[1], -1, -1)
    return cells.gather(-1, chosen[..., None])[..., 0]
