"""Estimation of the noise level, with its uncertainty."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pellucid.objectives.batch import Loss, TrainingBatch


@dataclass(frozen=True)
class NoiseLevel:
    """The Gaussian negative log-likelihood of ln(sigma + 0.5 / 255), with a predicted std (Nix and Weigend 1994).

    Every other noisy image is clipped to [0, 1] and rounded to 8 bits first, as files are. No loss is needed.
    """

    needs_labels: ClassVar[bool] = False

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch; raises ValueError if sigma is not known."""
        if batch.sigma is None:
            raise ValueError("the noise_level objective needs noise: add a [noise] table")
        noisy = batch.noisy.clone()
        noisy[::2] = (noisy[::2].clamp(0, 1) * 255).round() / 255
        log_sigma, log_std = model.logarithms(noisy)
        error = (log_sigma - torch.log(batch.sigma + model.sigma_offset)) / log_std.exp()
        return (0.5 * error.square() + log_std).mean()
