"""The images an evaluation takes: noisy training images to fit on, and the ten test images that are shown."""

import numpy as np
import torch

from pellucid.batches import NoisyImages, training_sets
from pellucid.recipe import Recipe

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
    labels = None
    if training.labels is not None and validation.labels is not None:
        labels = torch.cat([training.labels, validation.labels])[: count or None]
    clean = torch.cat([training.clean, validation.clean])[: count or None]
    return NoisyImages(clean, labels, training.noise, training.clip).with_fixed_noise(seed, purpose)


def as_arrays(images: NoisyImages) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return (noisy, clean, labels): float32 (N, C, H, W) twice and (N,), noisy being clean where there is no noise."""
    clean = images.clean.float().div_(255).numpy()
    noisy = clean if images.fixed is None else images.fixed[0].numpy()
    return noisy, clean, None if images.labels is None else images.labels.numpy()


def shown_images(labels: np.ndarray | None, count: int) -> np.ndarray:
    """Return which of `count` test images are shown, (10,) or fewer: the first of every class, then the first ones."""
    first = [] if labels is None else np.unique(labels, return_index=True)[1].tolist()
    return np.array(list(dict.fromkeys([*first, *range(count)]))[:SHOWN], dtype=int)
