"""The loss on images that are not trained on."""

from typing import Any

import torch

from pellucid.recipes.recipe import Train
from pellucid.train.batches import NoisyImages
from pellucid.train.step import Step
from pellucid.utils.seeding import make_generator

AT_ONCE = 256


@torch.no_grad()
def validation_loss(model: Any, step: Step, images: NoisyImages, options: Train, most: int = 0) -> float:
    """Return the mean loss of a model, which is put into evaluation mode, over images.

    Args:
        model: the network, or the average of its weights.
        step: names the objective, the loss and the precision.
        images: their chance depends on the seed alone, so that epochs can be compared.
        options: the seed and the size of a batch.
        most: the most images that are taken, the first of them; 0 takes all.
    """
    model.eval()
    total, count = 0.0, min(most or len(images), len(images))
    drawn = make_generator(options.seed, "validation")
    for index in torch.arange(count).split(max(options.batch_size, AT_ONCE)):
        with torch.autocast("cpu", torch.bfloat16, enabled=step.bf16):
            loss = step.objective(model, step.loss, images.batch(index, drawn))
        total += loss.item() * len(index)
    return total / count
