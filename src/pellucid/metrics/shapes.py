"""Checks of the inputs of metrics."""

import numpy as np

from pellucid.errors import UsageError


def image_pair(image: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float arrays (N, C, H, W) of one shape; integers become float64.

    Raises:
        UsageError: if the shapes differ, are not four-dimensional, or an image has no pixels.
    """
    image, reference = np.asarray(image), np.asarray(reference)
    if image.shape != reference.shape or image.ndim != 4 or 0 in image.shape[1:]:
        raise UsageError(
            f"a metric compares images and references of one shape (N, C, H, W), got {image.shape} and "
            f"{reference.shape}: reshape them first"
        )
    dtype = np.result_type(image, reference, np.float32)
    return image.astype(dtype, copy=False), reference.astype(dtype, copy=False)


def squared_error(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the mean squared difference per image (N,) as float64."""
    image, reference = image_pair(image, reference)
    return np.square(image - reference).mean(axis=(1, 2, 3), dtype=np.float64)


def positive_range(data_range: float) -> float:
    """Return `data_range`, the distance between black and white, or raise UsageError if it is not positive."""
    if not data_range > 0:
        raise UsageError(f"data_range is {data_range}: give the distance between black and white, such as 1.0 or 255")
    return float(data_range)


def label_pair(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (N, K) and integer labels (N,).

    Raises:
        UsageError: if the shapes do not fit, or a label is no integer from 0 to K - 1.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise UsageError(
            f"a label metric takes probabilities (N, K) and labels (N,), got {probabilities.shape} and {labels.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(f"labels are {labels.dtype}: give class numbers as integers")
    if len(labels) and not 0 <= labels.min() <= labels.max() < probabilities.shape[1]:
        raise UsageError(
            f"labels run from {labels.min()} to {labels.max()}, the probabilities have {probabilities.shape[1]} "
            "classes: use the classifier trained on these labels"
        )
    return probabilities, labels
