"""Values that are not finite, filled in from what lies around them."""

import numpy as np


def repaired(planes: np.ndarray) -> np.ndarray:
    """Return images without NaN and infinities: each is filled from the nearest finite values of its channel.

    Means of 2x2, 4x4, 8x8 … pixels are formed from the finite values, and each hole takes the finest mean that there
    is (the pull-push of Gortler et al., "The lumigraph", SIGGRAPH 1996), so that large holes cost no more than small
    ones. A channel without any finite value becomes 0.

    Args:
        planes: (..., H, W) floats.

    Returns:
        Finite floats of the same shape and dtype; `planes` itself if all its values are finite.
    """
    known = np.isfinite(planes)
    if known.all():
        return planes
    return _filled(np.where(known, planes, 0), known.astype(planes.dtype))


def _filled(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fill where the weights are 0."""
    rows, columns = values.shape[-2:]
    if weights.all() or rows == columns == 1:
        return values
    pairs = [(0, 0)] * (values.ndim - 2) + [(0, rows % 2), (0, columns % 2)]
    summed, counted = (_mean_of_fours(np.pad(part, pairs)) for part in (values * weights, weights))
    means = np.divide(summed, counted, out=np.zeros_like(summed), where=counted > 0)
    coarse = _filled(means, np.ceil(counted))
    fine = coarse.repeat(2, axis=-2).repeat(2, axis=-1)[..., :rows, :columns]
    return np.where(weights > 0, values, fine)


def _mean_of_fours(planes: np.ndarray) -> np.ndarray:
    # Quartered first: the sum of four of the greatest floats is infinite.
    quarters = planes * np.asarray(0.25, planes.dtype)
    rows = quarters[..., ::2, :] + quarters[..., 1::2, :]
    return rows[..., ::2] + rows[..., 1::2]
