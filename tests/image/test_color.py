"""Palettes and CMYK become RGB."""

import numpy as np
import pytest
from PIL import Image

from pellucid.image import read_image


def test_palettes_become_colors_and_gray_palettes_gray(random, tmp_path):
    pixels = random((8, 8, 3)) // 64 * 64
    for suffix in ("png", "bmp", "tif"):
        picture = Image.fromarray(pixels).quantize(64)
        picture.save(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}").pixels, np.asarray(picture.convert("RGB")))
        gray = Image.fromarray(pixels[..., 0]).convert("P")
        gray.save(tmp_path / f"g.{suffix}")
        np.testing.assert_array_equal(read_image(tmp_path / f"g.{suffix}").pixels, np.asarray(gray.convert("L")))


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_becomes_rgb_without_its_profile(icc, tmp_path, suffix):
    colors = np.full((16, 16, 3), (200, 60, 30), np.uint8)
    Image.fromarray(colors).convert("CMYK").save(tmp_path / f"a.{suffix}", icc_profile=icc)
    found = read_image(tmp_path / f"a.{suffix}")
    assert np.abs(found.pixels.astype(int) - colors).max() < 12
    assert found.icc is None
