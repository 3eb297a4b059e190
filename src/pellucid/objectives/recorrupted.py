"""Recorrupted-to-Recorrupted: more noise on the input, less on the target; noisy images of known sigma suffice."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from pellucid.objectives.batch import Loss, TrainingBatch, prepared

LIGHT_RADIUS = 2


@dataclass(frozen=True)
class Recorrupted:
    """Recorrupted-to-Recorrupted (Pang et al., CVPR 2021, section 3): two images out of each noisy one.

    Noise z with the distribution of n is added to and subtracted from the noisy image y = x + n: the input is
    `y + alpha z` and the target `y - z / alpha`. If n is Gaussian, the noises of the two are independent, and the
    expected squared error is that against the clean image x plus a constant. A conditional network gets the higher
    sigma of its input in training, and the image's own sigma when it denoises.

    The noise is white. Its standard deviation is the batch's sigma; or, if `shot` or `read` is set, the square root of
    `shot * x + read²`, with x the mean of 5x5 pixels.

    Attributes:
        alpha: the factor of the added noise, or (low, high) for a random one per sample.
        shot: the variance of the noise at white, on top of that of `read`, in [0, 1] units squared.
        read: the standard deviation of the noise at black, in [0, 1] units.
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
            ValueError: if sigma is not known, and neither `shot` nor `read` is set.
        """
        predict, loss = prepared("recorrupted", model, loss)
        noisy = batch.noisy
        low, high = self.alpha if isinstance(self.alpha, tuple) else (self.alpha, self.alpha)
        uniform = torch.rand(len(noisy), 1, 1, 1, generator=batch.generator, device=noisy.device)
        alpha = uniform.mul(high - low).add(low).to(noisy)
        white_noise = torch.randn(noisy.shape, generator=batch.generator, device=noisy.device)
        added = white_noise.to(noisy) * self._std(batch)
        sigma = batch.sigma
        if sigma is not None:
            sigma = sigma * (1 + alpha.square()).sqrt().view(-1, *[1] * (sigma.ndim - 1))
        return loss(predict(noisy + alpha * added, sigma), noisy - added / alpha)

    def _std(self, batch: TrainingBatch) -> Tensor:
        """Return the noise's standard deviation, broadcastable to the noisy images."""
        if not (self.shot or self.read):
            if batch.sigma is None:
                raise ValueError("the recorrupted objective needs the noise level: set shot or read")
            return batch.sigma.view(-1, 1, 1, 1) if batch.sigma.ndim == 1 else batch.sigma
        padded = functional.pad(batch.noisy, (LIGHT_RADIUS,) * 4, mode="replicate")
        light = functional.avg_pool2d(padded, 2 * LIGHT_RADIUS + 1, stride=1).clamp(min=0)
        return (self.shot * light + self.read**2).sqrt()
