"""The loss on images that are not trained on, and signs of overfitting in the loss curves."""

from collections.abc import Sequence
from typing import Any

import torch

from pellucid.recipes.recipe import Train
from pellucid.train.batches import NoisyImages
from pellucid.train.step import TrainingStep
from pellucid.utils.seeding import make_generator

BATCH_SIZE = 256
GAP_FACTOR, RISE_FACTOR = 1.1, 1.01


@torch.no_grad()
def validation_loss(model: Any, step: TrainingStep, images: NoisyImages, options: Train, max_images: int = 0) -> float:
    """Return the mean loss of a model over images; the model is put into evaluation mode.

    Args:
        model: the network, or the average of its weights.
        step: has the objective, the loss and the precision.
        images: their noise depends on the seed alone, so that epochs can be compared.
        options: the seed and the size of a batch.
        max_images: how many images to use at most, the first ones; 0 uses all.
    """
    model.eval()
    total, count = 0.0, min(max_images or len(images), len(images))
    generator = make_generator(options.seed, "validation", device=step.device)
    for index in torch.arange(count).split(max(options.batch_size, BATCH_SIZE)):
        total += step.evaluate(model, images.batch(index, generator)).item() * len(index)
    return total / count


def describe_overfitting(history: Sequence[dict[str, Any]]) -> str | None:
    """Return one sentence if the loss curves show overfitting, or None.

    A run overfits when its training loss lies far below its validation loss (here by a tenth) and the validation loss
    has risen from its minimum: the network then memorizes its training images. (A training loss far *above* the
    validation loss is no overfitting.)
    """
    if len(history) < 2:
        return None
    last = history[-1]
    best = min(history, key=lambda entry: entry["validation_loss"])
    has_gap = last["validation_loss"] > GAP_FACTOR * last["train_loss"]
    has_risen = last["validation_loss"] > RISE_FACTOR * best["validation_loss"]
    if not (has_gap and has_risen):
        return None
    return (
        f"overfitting: the training loss fell to {last['train_loss']:.4f} while the validation loss is "
        f"{last['validation_loss']:.4f}, up from {best['validation_loss']:.4f} in epoch {best['epoch']}; "
        "the checkpoint of that epoch is kept. Use fresh noise, more images or a smaller network"
    )
