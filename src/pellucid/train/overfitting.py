"""What the loss curves of a run say: whether it overfits, in words."""

from collections.abc import Sequence
from typing import Any

GAP = 1.1
RISE = 1.01


def overfitting(history: Sequence[dict[str, Any]]) -> str | None:
    """Say in words whether a run overfits, or return None.

    A run overfits when its training loss lies far under its validation loss (here by a tenth) and the validation
    loss has risen from its least value: the network then learns its training images by heart. (A training loss far
    *above* the validation loss is not overfitting.)
    """
    if len(history) < 2:
        return None
    last = history[-1]
    best = min(history, key=lambda entry: entry["validation_loss"])
    apart = last["validation_loss"] > GAP * last["train_loss"]
    risen = last["validation_loss"] > RISE * best["validation_loss"]
    if not (apart and risen):
        return None
    return (
        f"overfitting: the training loss fell to {last['train_loss']:.4f} while the validation loss is "
        f"{last['validation_loss']:.4f}, up from {best['validation_loss']:.4f} in epoch {best['epoch']}; "
        "the checkpoint of that epoch is kept. Use fresh noise, more images or a smaller network"
    )
