"""Fill in NaN and infinite values from their surroundings."""

import numpy as np


def fill_nonfinite(planes: np.ndarray) -> np.ndarray:
    """Return images without NaN and infinities: each is filled from the nearest finite values of its channel.

    The means of the finite values in blocks of 2x2, 4x4, 8x8 … pixels are computed, and each hole takes the mean of the
    smallest block that has one (the pull-push algorithm of Gortler et al., "The lumigraph", SIGGRAPH 1996), so large
    holes cost no more than small ones. A channel without any finite value becomes 0.

    Args:
        planes: (..., H, W) floats.

    Returns:
        Finite floats of the same shape and dtype; `planes` itself if all its values are finite.
    """
    known = np.isfinite(planes)
    if known.all():
        return planes
    return _fill(np.where(known, planes, 0), known.astype(planes.dtype))


def _fill(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fill the values whose weight is 0."""
    rows, columns = values.shape[-2:]
    if weights.all() or rows == columns == 1:
        return values
    padding = [(0, 0)] * (values.ndim - 2) + [(0, rows % 2), (0, columns % 2)]
    sums, counts = (_mean_of_blocks(np.pad(part, padding)) for part in (values * weights, weights))
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    coarse = _fill(means, np.ceil(counts))
    fine = coarse.repeat(2, axis=-2).repeat(2, axis=-1)[..., :rows, :columns]
    return np.where(weights > 0, values, fine)


def _mean_of_blocks(planes: np.ndarray) -> np.ndarray:
    # Divide before adding: the sum of four of the largest floats is infinite.
    quarters = planes * np.asarray(0.25, planes.dtype)
    rows = quarters[..., ::2, :] + quarters[..., 1::2, :]
    return rows[..., ::2] + rows[..., 1::2]
