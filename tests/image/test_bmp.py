"""BMP: alpha that comes back."""

import numpy as np
import pytest
from PIL import Image

from pellucid.image import ImageFile, read_image, write_image


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (8, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_comes_back_to_the_bit(again, random, tmp_path, size, channels):
    colors, alpha = random((*size, 3)[: 2 + (channels == 3)]), random(size)
    write_image(tmp_path / "a.bmp", colors, like=_image(colors, alpha, tmp_path))
    found = read_image(tmp_path / "a.bmp")
    found = again(found)
    np.testing.assert_array_equal(found.alpha, alpha)
    np.testing.assert_array_equal(found.pixels, colors if channels == 3 else np.dstack([colors] * 3))
    assert found.dpi == pytest.approx((300, 150), abs=0.02)
    with Image.open(tmp_path / "again.bmp") as picture:
        assert picture.mode == "RGBA"


def _image(colors, alpha, folder):
    return ImageFile(colors, alpha, None, None, (300.0, 150.0), "BMP", folder / "a.bmp", 8)
