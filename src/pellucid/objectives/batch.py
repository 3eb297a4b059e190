"""What an objective is given for one step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Generator, Tensor

from pellucid.errors import UsageError


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


def prepared(objective: str, model: Any, loss: Loss | None) -> tuple[Callable[..., Tensor], Loss]:
    """Return what predicts as the loss wants it, the network or its logits, and the loss.

    Raises:
        UsageError: without a loss; `objective` is named.
    """
    if loss is None:
        raise UsageError(f"the {objective} objective needs a loss: name one, such as mse")
    return (model.logits if loss.on_logits else model), loss


def check_any_size(objective: str, model: Any) -> None:
    """Raise UsageError for a network of a fixed size, to which an objective shows smaller images."""
    if model.input_spec.fixed_size:
        raise UsageError(
            f"the {objective} objective shows the network images of half the size, which one of a fixed size does not "
            "take: train a unet or conv, or use noise2void"
        )


def halved_level(sigma: Tensor | None, halve: Callable[[Tensor], Tensor]) -> Tensor | None:
    """Return the level of images halved by `halve`: a map (N, 1, H, W) is halved too, one number a sample (N,) kept."""
    return halve(sigma) if sigma is not None and sigma.ndim == 4 else sigma
