"""Noisy images towards their noise level and its uncertainty."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pellucid.objectives.batch import Loss, TrainingBatch


@dataclass(frozen=True)
class NoiseLevel:
    """The Gaussian negative log-likelihood of ln(sigma + 0.5 / 255), its deviation predicted too (Nix, Weigend 1994).

    Every other noisy image is limited to [0, 1] and rounded to 8 bits first, as files are. The loss is unused.
    """

    needs_labels: ClassVar[bool] = False

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch; raises ValueError where the noise has no level."""
        if batch.sigma is None:
            raise ValueError("the noise_level objective needs noise: add a [noise] table")
        noisy = batch.noisy.clone()
        noisy[::2] = (noisy[::2].clamp(0, 1) * 255).round() / 255
        found, spread = model.logarithms(noisy)
        error = (found - torch.log(batch.sigma + model.floor)) / spread.exp()
        return (0.5 * error.square() + spread).mean()
