"""Noise2Noise: two noisy captures of each scene, one the target of the other; no clean image is needed."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pellucid.objectives.batch import Loss, TrainingBatch, prepared


@dataclass(frozen=True)
class Noise2Noise:
    """The loss of the network's output for one noisy capture against another (Lehtinen et al., ICML 2018).

    If the second capture's noise has mean zero whatever the first one's is, the expected gradient of the squared error
    is that of supervised training: a network cannot predict the noise of a capture that it has not seen, so it predicts
    the mean.

    The captures are `batch.noisy` and `batch.clean`, as a dataset of two captures has them.

    Attributes:
        swap: whether each sample's input and target are swapped at random. This doubles the data if both captures have
            the same noise. Set it to false if the targets are clean.
    """

    needs_labels: ClassVar[bool] = False
    swap: bool = True

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch; raises UsageError without a loss."""
        predict, loss = prepared("noise2noise", model, loss)
        noisy, target = batch.noisy, batch.clean
        if self.swap:
            is_swapped = torch.rand(len(noisy), 1, 1, 1, generator=batch.generator, device=noisy.device) < 0.5
            noisy, target = torch.where(is_swapped, target, noisy), torch.where(is_swapped, noisy, target)
        return loss(predict(noisy, batch.sigma), target)
