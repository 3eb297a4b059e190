"""AVIF: 8 bits in kind, more at their full depth, and what to install where Pillow cannot read it."""

import imagecodecs
import numpy as np
import pytest
from PIL import Image, features

from pellucid.image import read_image, write_image
from pellucid.image.folders import plan_tasks

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without AVIF")


@pytest.fixture
def smooth(random):
    return np.asarray(Image.fromarray(random((4, 6, 4))).resize((48, 32), Image.Resampling.BICUBIC))


@needs_avif
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_8_bits_come_back_in_kind(again, smooth, icc, exif_block, tmp_path, channels):
    pixels = smooth[..., 0] if channels == 1 else smooth[..., :channels]
    colors = {"subsampling": "4:0:0"} if channels == 1 else {"icc_profile": icc, "subsampling": "4:4:4"}
    Image.fromarray(pixels).save(tmp_path / "a.avif", quality=100, exif=exif_block(6), **colors)
    found = read_image(tmp_path / "a.avif")
    assert found.format == "AVIF" and found.bit_depth == 8
    assert found.pixels.shape[:2] == (48, 32), "turned upright"
    assert (found.channel_axis is None) == (channels == 1)
    written = again(found)
    assert written.pixels.shape == found.pixels.shape and written.icc == found.icc
    assert written.exif and b"Camera" in written.exif
    assert np.abs(written.pixels.astype(int) - found.pixels).mean() < 2
    if channels == 4:
        np.testing.assert_array_equal(written.alpha, found.alpha)


@needs_avif
@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [3, 4])
def test_more_bits_are_kept_and_go_into_a_png(smooth, tmp_path, bits, channels):
    stored = smooth[..., :channels].astype(np.uint16) << (bits - 8)
    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(stored, level=100, bitspersample=bits))
    found = read_image(tmp_path / "a.avif")
    assert found.bit_depth == bits and found.pixels.dtype == np.uint16
    np.testing.assert_array_equal(found.pixels, np.rint(stored[..., :3] * (65_535 / ((1 << bits) - 1))))
    (task,) = plan_tasks([tmp_path / "a.avif"], tmp_path / "out")
    assert task.target.name == "a.png"
    write_image(tmp_path / "a.png", found.pixels, like=found)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, found.pixels)


@needs_avif
def test_8_bits_keep_their_name(smooth, tmp_path):
    Image.fromarray(smooth).save(tmp_path / "a.avif")
    (task,) = plan_tasks([tmp_path / "a.avif"], tmp_path / "out")
    assert task.target.name == "a.avif"


@needs_avif
def test_limits_and_files_cut_short(refusal, smooth, tmp_path):
    Image.fromarray(smooth).save(tmp_path / "a.avif")
    assert "48x32" in refusal(read_image, tmp_path / "a.avif", max_pixels=99)
    (tmp_path / "a.avif").write_bytes((tmp_path / "a.avif").read_bytes()[:-40])
    assert "cut short" in refusal(read_image, tmp_path / "a.avif")


def test_a_pillow_without_avif_is_named_with_the_remedy(refusal, tmp_path, monkeypatch):
    (tmp_path / "a.avif").write_bytes(b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf" + bytes(99))
    monkeypatch.setattr(features, "check", lambda name: False)
    assert 'pip install "pillow>=11.3"' in refusal(read_image, tmp_path / "a.avif")
