import numpy as np
import pytest

from pellucid.classical.median import Median


def test_is_the_median_of_the_square_around_a_pixel():
    images = np.random.default_rng(0).random((3, 2, 9, 7), dtype=np.float32)
    found = Median(radius=2)(images)
    assert found[1, 1, 4, 3] == np.median(images[1, 1, 2:7, 1:6])
    np.testing.assert_array_equal(Median(radius=0)(images), images)


def test_radius_is_whole():
    with pytest.raises(ValueError, match=r"radius is 1\.5"):
        Median(radius=1.5)  # pyright: ignore[reportArgumentType]
