"""Each noisy image with noise added towards itself with noise taken off: noisy images alone, of a known level."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from pellucid.objectives.batch import Loss, TrainingBatch, prepared

REACH = 2


@dataclass(frozen=True)
class Recorrupted:
    """Recorrupted-to-Recorrupted (Pang et al., CVPR 2021, section 3): two images out of each noisy one.

    To the noisy image y = x + n, noise z of n's distribution is added and subtracted: `y + alpha z` is shown and
    `y - z / alpha` is wanted. If n is Gaussian, the noises of the two are independent, and the expected squared error
    is that against the clean image x and a constant. A conditional network is told the higher level that it is shown,
    and the image's own level when it denoises.

    The noise is white. Its deviation is the level that comes with the image; or, where `shot` or `read` is given, the
    root of `shot * x + read²`, x the mean of 5x5 pixels.

    Attributes:
        alpha: how much of the noise is added, or (low, high): then drawn for each sample.
        shot: the variance that the noise has at white, in units of the range squared, on top of `read`.
        read: the deviation of the noise at black, in units of the range.
    """

    needs_labels: ClassVar[bool] = False
    alpha: float | tuple[float, float] = (0.4, 1.2)
    shot: float = 0.0
    read: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for an option out of range."""
        low, high = self.alpha if isinstance(self.alpha, list | tuple) else (self.alpha, self.alpha)
        if not 0 < low <= high <= 10:
            raise ValueError(f"alpha = {self.alpha} must be above 0 and at most 10, or (low, high), such as 0.5")
        object.__setattr__(self, "alpha", (float(low), float(high)))
        for name in ("shot", "read"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be in [0, 1], in units of the range")

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch.

        Raises:
            UsageError: without a loss.
            ValueError: where the noise has no level, and neither `shot` nor `read` is given.
        """
        predict, loss = prepared("recorrupted", model, loss)
        noisy = batch.noisy
        low, high = self.alpha if isinstance(self.alpha, tuple) else (self.alpha, self.alpha)
        alpha = torch.rand(len(noisy), 1, 1, 1, generator=batch.drawn).mul(high - low).add(low).to(noisy)
        added = torch.randn(noisy.shape, generator=batch.drawn).to(noisy) * self._deviation(batch)
        level = None if batch.sigma is None else batch.sigma * (1 + alpha.square()).sqrt().view(_like(batch.sigma))
        return loss(predict(noisy + alpha * added, level), noisy - added / alpha)

    def _deviation(self, batch: TrainingBatch) -> Tensor:
        """Return the noise's standard deviation, to be broadcast over the noisy images."""
        if not (self.shot or self.read):
            if batch.sigma is None:
                raise ValueError("the recorrupted objective needs the noise's level: give it shot or read")
            return batch.sigma.view(-1, 1, 1, 1) if batch.sigma.ndim == 1 else batch.sigma
        padded = functional.pad(batch.noisy, (REACH,) * 4, mode="replicate")
        light = functional.avg_pool2d(padded, 2 * REACH + 1, stride=1).clamp(min=0)
        return (self.shot * light + self.read**2).sqrt()


def _like(level: Tensor) -> tuple[int, ...]:
    """Return the shape that lets one number a sample multiply levels (N,) or (N, 1, H, W)."""
    return (-1,) + (1,) * (level.ndim - 1)
