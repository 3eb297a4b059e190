"""What an objective is given for one step."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Generator, Tensor


class Loss(Protocol):
    """A loss: a prediction, or logits when `on_logits`, and the clean images to one number."""

    on_logits: ClassVar[bool]

    def __call__(self, prediction: Tensor, clean: Tensor) -> Tensor:
        """Return the scalar loss."""
        ...


@dataclass(frozen=True)
class TrainingBatch:
    """One batch of training images.

    Attributes:
        clean: (N, C, H, W), float32 in [0, 1].
        noisy: (N, C, H, W), what the network is shown; the clean images themselves where there is no noise.
        sigma: the noise level in [0, 1] units, (N,) or a map (N, 1, H, W), or None if it is not known.
        label: class indices (N,), or None.
        drawn: what an objective draws its own chance from, or None for one that is not repeatable.
    """

    clean: Tensor
    noisy: Tensor
    sigma: Tensor | None = None
    label: Tensor | None = None
    drawn: Generator | None = None
