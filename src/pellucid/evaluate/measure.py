"""How images, classifiers and time are measured: one way for networks and rivals alike."""

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import nn

from pellucid import registry

BATCH = 512


def image_means(images: np.ndarray, reference: np.ndarray, metrics: Iterable[str]) -> dict[str, float | None]:
    """Return the mean over the images, (N, C, H, W) clipped to [0, 1] here, of each metric against the reference.

    A mean that is infinite, as PSNR is for identical images, has no place in JSON and is None.
    """
    images = np.clip(images, 0, 1)
    means = {name: registry.build("metric", name, {})(images, reference).mean() for name in metrics}
    return {name: float(mean) if np.isfinite(mean) else None for name, mean in means.items()}


def label_means(
    classifiers: Sequence[nn.Module], images: np.ndarray, labels: np.ndarray | None
) -> tuple[float | None, float | None]:
    """Return the accuracy in percent and the cross-entropy in nats on images (N, C, H, W), None without labels.

    Both are the mean over the images, and over the classifiers.
    """
    if labels is None or not classifiers:
        return None, None
    accuracy, loss = registry.build("metric", "accuracy", {}), registry.build("metric", "cross_entropy", {})
    seen = [probabilities(classifier, images) for classifier in classifiers]
    return (
        100 * float(np.mean([accuracy(each, labels).mean() for each in seen])),
        float(np.mean([loss(each, labels).mean() for each in seen])),
    )


@torch.inference_mode()
def probabilities(classifier: nn.Module, images: np.ndarray) -> np.ndarray:
    """Return a classifier's probabilities (N, K) for images (N, C, H, W), float32."""
    parts = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)).split(BATCH)
    return torch.cat([torch.softmax(classifier(part).float(), dim=1) for part in parts]).numpy()


def predicted(classifiers: Sequence[nn.Module], images: np.ndarray) -> list[int]:
    """Return the classes that the first classifier sees in images (N, C, H, W); nothing without a classifier."""
    return probabilities(classifiers[0], images).argmax(axis=1).tolist() if classifiers else []


def timed(denoise: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> tuple[np.ndarray, float]:
    """Denoise images (N, C, H, W) in batches of 512; return them and the milliseconds an image.

    The time is the median, over the batches, of a batch's time divided by its images.
    """
    parts, times = [], []
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        began = time.perf_counter()
        parts.append(denoise(part))
        times.append((time.perf_counter() - began) / len(part))
    return np.concatenate(parts), 1000 * float(np.median(times))
