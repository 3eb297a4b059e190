"""The images an evaluation takes: noisy training images to fit on, and the ten test images that are shown."""

from dataclasses import replace

import numpy as np
import torch

from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages, training_sets

SHOWN = 10


def noisy_training_images(recipe: Recipe, seed: int, purpose: str, count: int = 0) -> NoisyImages:
    """Return the recipe's training images, its validation part among them, with noise drawn once.

    Args:
        recipe: names the data and the noise.
        seed: the noise depends on it and on the purpose alone.
        purpose: what the images are for.
        count: the most images wanted, in the order of the training split, which is shuffled; 0 means all.
    """
    training, validation = training_sets(recipe)

    def joined(name: str) -> torch.Tensor | None:
        parts = [getattr(images, name) for images in (training, validation)]
        return None if any(part is None for part in parts) else torch.cat(parts)[: count or None]

    clean = joined("clean")
    given = clean if training.is_noisy_alone else joined("given")
    tensors = {"clean": clean, "given": given, "labels": joined("labels"), "levels": joined("levels")}
    tensors["taken"] = joined("taken")
    return replace(training, fixed=None, variation=None, **tensors).with_fixed_noise(seed, purpose)


def as_arrays(images: NoisyImages) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return (noisy, clean, labels): float32 (N, C, H, W) twice and (N,), noisy being clean where there is no noise."""
    batch = images.whole()
    clean = batch.clean.numpy()
    noisy = clean if batch.noisy is batch.clean else batch.noisy.numpy()
    return noisy, clean, None if images.labels is None else images.labels.numpy()


def shown_images(labels: np.ndarray | None, count: int) -> np.ndarray:
    """Return which of `count` test images are shown, (10,) or fewer: the first of every class, then the first ones."""
    first = [] if labels is None else np.unique(labels, return_index=True)[1].tolist()
    return np.array(list(dict.fromkeys([*first, *range(count)]))[:SHOWN], dtype=int)
