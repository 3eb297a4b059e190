import numpy as np
import pytest

from pellucid.classical.base import affine_correction


def test_is_the_least_squares_line():
    rng = np.random.default_rng(0)
    x = rng.random((7, 1, 5, 5)).astype(np.float32)
    y = (0.6 * x - 0.2 + 0.1 * rng.standard_normal(x.shape)).astype(np.float32)
    slope, intercept = np.polyfit(x.ravel(), y.ravel(), 1)
    assert affine_correction(x, y) == pytest.approx((slope, intercept), abs=1e-5)


def test_flat_images_get_the_mean():
    clean = np.linspace(0, 1, 16, dtype=np.float32).reshape(1, 1, 4, 4)
    assert affine_correction(np.full_like(clean, 0.3), clean) == (0.0, pytest.approx(0.5))
