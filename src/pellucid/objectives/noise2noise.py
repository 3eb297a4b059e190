"""One noisy take towards another of the same scene: no clean image is needed."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pellucid.objectives.batch import Loss, TrainingBatch, prepared


@dataclass(frozen=True)
class Noise2Noise:
    """The loss of the network's output for one noisy take against another (Lehtinen et al., ICML 2018).

    Where the second take's noise has mean zero whatever the first one's is, the expected gradient of the squared error
    is the supervised one: a network cannot predict the noise of a take that it has not seen, so it predicts the mean.

    The takes are `batch.noisy` and `batch.clean`, as a data set of two takes gives them.

    Attributes:
        swap: whether each sample's direction is drawn anew, either take towards the other: twice the data, where both
            takes have the same noise. Clean images in the second take's place call for false.
    """

    needs_labels: ClassVar[bool] = False
    swap: bool = True

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch; raises UsageError without a loss."""
        predict, loss = prepared("noise2noise", model, loss)
        shown, wanted = batch.noisy, batch.clean
        if self.swap:
            turned = torch.rand(len(shown), 1, 1, 1, generator=batch.drawn).to(shown.device) < 0.5
            shown, wanted = torch.where(turned, wanted, shown), torch.where(turned, shown, wanted)
        return loss(predict(shown, batch.sigma), wanted)
