"""Classification: the cross-entropy of predicted and true labels."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from pellucid.objectives.batch import Loss, TrainingBatch


@dataclass(frozen=True)
class Classification:
    """Cross-entropy, in nats, of a classifier's logits for `batch.noisy`; no noise and no loss are needed."""

    needs_labels: ClassVar[bool] = True

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch; raises ValueError without labels."""
        if batch.label is None:
            raise ValueError("the classification objective needs labels: use a data set that has them")
        return functional.cross_entropy(model(batch.noisy).float(), batch.label)
