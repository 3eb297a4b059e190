"""WebP: without loss, whatever it carries; animations as stacks."""

import numpy as np
import pytest
from PIL import Image

from pellucid.image import read_image


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("lossless", [False, True])
def test_images_are_read_as_others_read_them_and_come_back(
    again, random, icc, exif_block, tmp_path, channels, lossless
):
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    picture = Image.fromarray(random((13, 9, channels)))
    picture.save(tmp_path / "a.webp", lossless=lossless, exact=True, icc_profile=icc, exif=exif_block(1), xmp=xmp)
    found = read_image(tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as stored:
        expected = np.asarray(stored)
    np.testing.assert_array_equal(found.pixels, expected[..., :3])
    written = again(found)
    np.testing.assert_array_equal(written.pixels, found.pixels)
    assert (written.alpha is None) == (channels == 3)
    if found.alpha is not None:
        np.testing.assert_array_equal(found.alpha, expected[..., 3])
        np.testing.assert_array_equal(written.alpha, found.alpha)
    assert (written.icc, written.exif, written.xmp) == (icc, found.exif, xmp)


def test_a_file_without_metadata_is_read(random, tmp_path):
    Image.fromarray(random((13, 9, 3))).save(tmp_path / "a.webp")
    found = read_image(tmp_path / "a.webp")
    assert found.pixels.shape == (13, 9, 3) and found.icc is None and found.exif is None


def test_two_sizes_in_one_file_are_refused(random, refusal, tmp_path):
    Image.fromarray(random((13, 9, 3))).save(tmp_path / "a.webp", xmp=b"<x/>")
    data = bytearray((tmp_path / "a.webp").read_bytes())
    assert data[12:16] == b"VP8X"
    data[24:27] = (7).to_bytes(3, "little")
    (tmp_path / "a.webp").write_bytes(data)
    assert "cut short or damaged" in refusal(read_image, tmp_path / "a.webp")
