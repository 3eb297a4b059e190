"""HEIC, where pillow-heif is installed; where it is not, what to install."""

import sys

import numpy as np
import pytest
from PIL import Image

from pellucid.image import ImageFile, image_size, read_image, write_image


@pytest.fixture
def heif():
    return pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")


@pytest.fixture
def smooth(random):
    return np.asarray(Image.fromarray(random((4, 6, 4))).resize((48, 32), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("name", ["heic", "mif1", "msf1"])
def test_without_the_reader_its_name_is_said(refusal, tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftyp" + name.encode() + b"\0\0\0\0mif1heic" + bytes(99))
    message = refusal(read_image, tmp_path / "a.heic")
    assert "pip install pillow-heif" in message and str(tmp_path / "a.heic") in message
    message = refusal(write_image, tmp_path / "b.heic", np.zeros((8, 8, 3), np.uint8))
    assert "pip install pillow-heif" in message and str(tmp_path / "b.heic") in message
    assert not (tmp_path / "b.heic").exists()


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_images_come_back_in_kind(heif, again, smooth, icc, exif_block, tmp_path, channels, dtype):
    pixels = (smooth[..., 0] if channels == 1 else smooth[..., :3]).astype(dtype)
    pixels = pixels * 257 if dtype == "uint16" else pixels
    alpha = smooth[..., 3].astype(dtype) if channels == 4 else None
    profile = None if channels == 1 else icc
    depth = 10 if dtype == "uint16" else 8
    like = ImageFile(pixels, alpha, profile, exif_block(1), None, "HEIF", tmp_path / "a.heic", depth)
    found = again(like)
    size = image_size(found.path)
    assert (size.height, size.width, size.frames) == (*pixels.shape[:2], 1)
    assert size.channels == (1 if channels == 1 else 3)
    assert found.format == "HEIF" and found.bit_depth == depth and found.pixels.dtype == dtype
    assert found.pixels.shape == pixels.shape and found.icc == profile and found.exif
    step = 65_535 / 1023 if dtype == "uint16" else 1
    assert np.abs(found.pixels.astype(int) - pixels).mean() < 3 * (257 if step > 1 else 1)
    assert (found.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(found.alpha, np.rint(np.rint(alpha / step) * step))
        np.testing.assert_array_equal(again(found).alpha, found.alpha)
    assert found.native == (420 if channels == 1 else 444)


def test_the_chroma_resolution_is_the_source_s(heif, again, smooth, tmp_path):
    with (tmp_path / "a.heic").open("wb") as stream:
        heif.encode("RGB", (48, 32), np.ascontiguousarray(smooth[..., :3]).tobytes(), stream, chroma=420)
    found = read_image(tmp_path / "a.heic")
    assert found.native == 420 and again(found).native == 420


def test_limits_and_files_cut_short(heif, refusal, smooth, tmp_path):
    write_image(tmp_path / "a.heic", smooth[..., :3])
    assert "48x32" in refusal(read_image, tmp_path / "a.heic", max_pixels=99)
    (tmp_path / "a.heic").write_bytes((tmp_path / "a.heic").read_bytes()[:-40])
    assert "cut short" in refusal(read_image, tmp_path / "a.heic")


def test_16_bits_are_never_cut(heif, refusal, random, tmp_path):
    message = refusal(write_image, tmp_path / "a.heic", random((8, 8, 3), "uint16"))
    assert str(tmp_path / "a.heic") in message and "write PNG or TIFF" in message
    assert not (tmp_path / "a.heic").exists()
