"""Supervised training: noisy images in, clean ones as targets."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from pellucid.objectives.batch import Loss, TrainingBatch, prepared


@dataclass(frozen=True)
class Supervised:
    """The loss of the network's output for the noisy images against the clean ones (Vincent et al. 2008)."""

    needs_labels: ClassVar[bool] = False

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch; raises UsageError without a loss."""
        predict, loss = prepared("supervised", model, loss)
        return loss(predict(batch.noisy, batch.sigma), batch.clean)
