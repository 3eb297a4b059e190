import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from pellucid.metrics.sharpness import Sharpness


def photograph(rng, shape=(3, 1, 32, 32)):
    return gaussian_filter(rng.random(shape), 1.0, axes=(2, 3))


def test_blur_lowers_and_noise_raises_it():
    rng = np.random.default_rng(0)
    clean = photograph(rng)
    assert (Sharpness()(gaussian_filter(clean, 1.0, axes=(2, 3)), clean) < 0.7).all()
    assert (Sharpness()(clean + 0.2 * rng.standard_normal(clean.shape), clean) > 1.3).all()


@given(contrast=st.floats(0.05, 20), offset=st.floats(-1, 1))
def test_contrast_counts_squared_and_brightness_not_at_all(contrast, offset):
    clean = photograph(np.random.default_rng(1))
    np.testing.assert_allclose(Sharpness()(contrast * clean + offset, clean), contrast**2, rtol=1e-6)


def test_by_hand():
    reference = np.array([[0.0, 1.0], [0.0, 1.0]])[None, None]
    image = np.array([[0.0, 0.5], [0.25, 0.5]])[None, None]
    expected = (0.5**2 + 0.25**2 + 0.25**2) / 2
    assert Sharpness()(image, reference)[0] == pytest.approx(expected)


def test_flat_reference():
    flat, edge = np.zeros((1, 1, 4, 4)), np.eye(4)[None, None]
    assert Sharpness()(flat + 1, flat)[0] == 1
    assert Sharpness()(edge, flat)[0] == np.inf
