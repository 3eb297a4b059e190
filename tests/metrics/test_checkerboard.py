import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pellucid.metrics.checkerboard import Checkerboard


@pytest.mark.parametrize("size", [(28, 28), (27, 32), (8, 8), (15, 15)])
def test_white_error_scores_one(size):
    error = np.random.default_rng(0).standard_normal((400, 2, *size))
    assert Checkerboard()(error, np.zeros_like(error)).mean() == pytest.approx(1, abs=0.05)


def test_a_pattern_of_period_two_scores_all_of_its_energy():
    rows, columns = np.indices((28, 28))
    patterns = np.stack([(-1.0) ** (rows + columns), (-1.0) ** rows, (-1.0) ** columns])[:, None]
    highest = 28 + 28 - 1
    np.testing.assert_allclose(Checkerboard()(patterns, 0 * patterns), (28 * 28 - 1) / highest)


def test_equals_the_alternating_sums_of_the_error():
    error = np.random.default_rng(1).standard_normal((1, 1, 8, 8))
    plane = error[0, 0]
    signs = (-1.0) ** np.arange(8)
    rows, columns = signs @ plane, plane @ signs
    nyquist = 8 * (rows**2).sum() + 8 * (columns**2).sum() - (signs @ plane @ signs) ** 2
    total = 64 * ((plane - plane.mean()) ** 2).sum()
    assert Checkerboard()(error, np.zeros_like(error))[0] == pytest.approx(nyquist / total * 63 / 15)


def test_smooth_error_scores_under_one_and_brightness_does_not_matter():
    error = gaussian_filter(np.random.default_rng(0).random((5, 1, 28, 28)), 1.5, axes=(2, 3))
    found = Checkerboard()(error, np.zeros_like(error))
    assert (found < 0.1).all()
    np.testing.assert_allclose(Checkerboard()(error + 5, np.zeros_like(error)), found, atol=1e-9)


def test_a_single_pixel_has_no_pattern():
    assert Checkerboard()(np.ones((2, 1, 1, 1)), np.zeros((2, 1, 1, 1))).tolist() == [1, 1]
