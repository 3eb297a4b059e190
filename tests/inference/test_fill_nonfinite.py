import numpy as np
import pytest

from pellucid.inference.fill_nonfinite import fill_nonfinite


def test_finite_images_are_left_alone():
    planes = np.random.default_rng(0).random((2, 3, 5, 7), dtype=np.float32)
    assert fill_nonfinite(planes) is planes


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (64, 64)])
def test_a_hole_takes_the_mean_of_its_neighbourhood(value, size):
    planes = np.full((1, 2, *size), 0.25, np.float32)
    planes[0, 0, -1, -1] = value
    filled = fill_nonfinite(planes)
    assert filled.dtype == np.float32 and filled.shape == planes.shape
    wanted = 0 if size == (1, 1) else 0.25
    assert filled[0, 0, -1, -1] == pytest.approx(wanted)
    assert np.array_equal(filled[0, 1], planes[0, 1])


def test_finite_values_stay_to_the_bit_and_the_fill_lies_between_its_neighbors():
    rng = np.random.default_rng(0)
    planes = rng.random((1, 1, 33, 47), dtype=np.float32)
    holes = rng.random(planes.shape) < 0.3
    holes[..., 8:24, 8:24] = True
    broken = np.where(holes, np.float32(np.nan), planes)
    filled = fill_nonfinite(broken)
    assert np.array_equal(filled[~holes], planes[~holes])
    assert np.isfinite(filled).all() and filled.min() >= 0 and filled.max() <= 1


def test_a_channel_without_a_finite_value_becomes_black():
    planes = np.full((1, 2, 6, 6), np.nan, np.float32)
    planes[:, 1] = 1
    filled = fill_nonfinite(planes)
    assert not filled[:, 0].any() and (filled[:, 1] == 1).all()
