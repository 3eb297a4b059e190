"""The orientation, applied once."""

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from pellucid.image import read_image, write_image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_the_orientation_is_applied_once(random, tmp_path, orientation, suffix):
    path = tmp_path / f"a.{suffix}"
    pixels = np.repeat(np.repeat(random((3, 2, 3)), 8, 0), 8, 1)
    if suffix == "tif":
        tifffile.imwrite(path, pixels, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(path, exif=exif, lossless=True)
    with Image.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    found = read_image(path)
    np.testing.assert_array_equal(found.pixels, expected)
    write_image(tmp_path / "again.png", found.pixels, like=found)
    np.testing.assert_array_equal(read_image(tmp_path / "again.png").pixels, expected)
