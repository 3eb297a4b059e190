"""How images, classes and times are measured, in the same way for networks and baselines, and on which images."""

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import nn

from pellucid import registry
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages, fixed_training_set

BATCH_SIZE = 512
NUM_SHOWN = 10


def noisy_training_images(recipe: Recipe, seed: int, rng_key: str, count: int = 0) -> NoisyImages:
    """Return the recipe's training images, the validation part included, with fixed noise.

    Args:
        recipe: names the data and the noise.
        seed: the noise depends on it and on `rng_key` only.
        rng_key: a word for what the images are used for.
        count: the maximum number of images, in the order of the training split, which is shuffled; 0 means all.
    """
    return fixed_training_set(recipe, seed, rng_key, count)


def as_arrays(images: NoisyImages) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return (noisy, clean, labels): float32 (N, C, H, W) twice, and (N,). Without noise, `noisy` is `clean`."""
    batch = images.as_batch()
    clean = batch.clean.numpy()
    noisy = clean if batch.noisy is batch.clean else batch.noisy.numpy()
    return noisy, clean, None if images.labels is None else images.labels.numpy()


def shown_indices(labels: np.ndarray | None, count: int) -> np.ndarray:
    """Return the indices, (10,) or fewer, of the test images to show: one of every class, then the first of `count`."""
    first = [] if labels is None else np.unique(labels, return_index=True)[1].tolist()
    return np.array(list(dict.fromkeys([*first, *range(count)]))[:NUM_SHOWN], dtype=int)


def image_means(images: np.ndarray, reference: np.ndarray, metrics: Iterable[str]) -> dict[str, float | None]:
    """Return the mean of each metric over images (N, C, H, W), which are clipped to [0, 1], against the reference.

    An infinite mean, such as the PSNR of identical images, is None, because JSON has no infinity.
    """
    images = np.clip(images, 0, 1)
    means = {name: registry.build("metric", name, {})(images, reference).mean() for name in metrics}
    return {name: float(mean) if np.isfinite(mean) else None for name, mean in means.items()}


def label_means(
    classifiers: Sequence[nn.Module], images: np.ndarray, labels: np.ndarray | None
) -> tuple[float | None, float | None]:
    """Return the accuracy in percent and the cross-entropy in nats on images (N, C, H, W), None without labels.

    Both are means over the images and over the classifiers.
    """
    if labels is None or not classifiers:
        return None, None
    accuracy, loss = registry.build("metric", "accuracy", {}), registry.build("metric", "cross_entropy", {})
    probabilities = [class_probabilities(classifier, images) for classifier in classifiers]
    return (
        100 * float(np.mean([accuracy(each, labels).mean() for each in probabilities])),
        float(np.mean([loss(each, labels).mean() for each in probabilities])),
    )


@torch.inference_mode()
def class_probabilities(classifier: nn.Module, images: np.ndarray) -> np.ndarray:
    """Return a classifier's probabilities (N, K) for images (N, C, H, W), float32."""
    parts = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)).split(BATCH_SIZE)
    return torch.cat([torch.softmax(classifier(part).float(), dim=1) for part in parts]).numpy()


def predict_classes(classifiers: Sequence[nn.Module], images: np.ndarray) -> list[int]:
    """Return the classes that the first classifier predicts for images (N, C, H, W), or [] without a classifier."""
    return class_probabilities(classifiers[0], images).argmax(axis=1).tolist() if classifiers else []


def denoise_timed(denoise: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> tuple[np.ndarray, float]:
    """Denoise images (N, C, H, W) in batches of 512; return them and the milliseconds per image.

    The time is the median over the batches.
    """
    parts, times = [], []
    for start in range(0, len(images), BATCH_SIZE):
        part = images[start : start + BATCH_SIZE]
        start_time = time.perf_counter()
        parts.append(denoise(part))
        times.append((time.perf_counter() - start_time) / len(part))
    return np.concatenate(parts), 1000 * float(np.median(times))
