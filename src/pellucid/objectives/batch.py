"""The input of an objective: one batch of images, and a loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Generator, Tensor

from pellucid.errors import UsageError


class Loss(Protocol):
    """A loss: it compares a prediction, or logits when `on_logits`, with clean images, and returns one number."""

    on_logits: ClassVar[bool]

    def __call__(self, prediction: Tensor, clean: Tensor) -> Tensor:
        """Return the scalar loss."""
        ...


@dataclass(frozen=True)
class TrainingBatch:
    """One batch of training images.

    Attributes:
        clean: (N, C, H, W), float32 in [0, 1].
        noisy: (N, C, H, W), the input of the network; the clean images themselves where there is no noise.
        sigma: the noise level in [0, 1] units, (N,) or a map (N, 1, H, W), or None if it is not known.
        label: class indices (N,), or None.
        generator: of the batch's device, for the random numbers of an objective; None for numbers that cannot be
            repeated.
    """

    clean: Tensor
    noisy: Tensor
    sigma: Tensor | None = None
    label: Tensor | None = None
    generator: Generator | None = None


def prepared(objective: str, model: Any, loss: Loss | None) -> tuple[Callable[..., Tensor], Loss]:
    """Return the function that makes the input of the loss, the network or its logits, and the loss.

    Raises:
        UsageError: if there is no loss, naming the objective.
    """
    if loss is None:
        raise UsageError(f"the {objective} objective needs a loss: name one, such as mse")
    return (model.logits if loss.on_logits else model), loss


def check_any_size(objective: str, model: Any) -> None:
    """Raise UsageError for a network of a fixed size, if an objective uses smaller images."""
    if model.input_spec.fixed_size:
        raise UsageError(
            f"the {objective} objective gives the network images of half the size, which one of a fixed size cannot "
            "take: train a unet or conv, or use noise2void"
        )


def halved_sigma(sigma: Tensor | None, halve: Callable[[Tensor], Tensor]) -> Tensor | None:
    """Return the sigma of half-size images: `halve` of a map (N, 1, H, W); one number per image, (N,), as it is."""
    return halve(sigma) if sigma is not None and sigma.ndim == 4 else sigma
