import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from pellucid.inference.frames import Frames
from pellucid.server.workers import processing


def read(path) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())))


def frames(pixels) -> Frames:
    return Frames(pixels, -1, has_alpha=False)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (5, "RGB")])
def test_any_image_becomes_an_8_bit_picture(tmp_path, dtype, channels, mode):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (6, 7, channels), dtype)
    processing.write_previews(tmp_path, frames(pixels), frames(pixels[::-1]), None)
    expected = np.rint(pixels[..., :3] / np.iinfo(dtype).max * 255)
    for name, version in (("before", expected), ("after", expected[::-1])):
        np.testing.assert_array_equal(read(tmp_path / f"{name}.png"), version if mode == "RGB" else version[..., 0])


def test_large_images_are_reduced_with_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(processing, "MAX_PREVIEW_SIDE", 10)
    flat = frames(np.zeros((12, 25, 3), np.uint8))
    metadata = processing.write_previews(tmp_path, flat, flat, None)
    assert "3x3" in metadata["size_note"]
    assert {read(path).shape for path in tmp_path.iterdir()} == {(4, 8, 3)}


def test_colors_are_converted_to_srgb(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ")
    for icc, expected in ((srgb, pixels), (swapped, pixels[..., (1, 0, 2)]), (b"no profile", pixels)):
        processing.write_previews(tmp_path, frames(pixels), frames(pixels), icc)
        for name in ("before", "after"):
            assert np.abs(read(tmp_path / f"{name}.png").astype(int) - expected).max() <= 2


@pytest.mark.parametrize(("size", "gain"), [(0, 64), (1, 64), (10, 8), (60, 2), (200, 1)])
def test_small_differences_are_enlarged(tmp_path, size, gain):
    noisy = np.zeros((8, 9, 1), np.uint8) + size
    metadata = processing.write_previews(tmp_path, frames(noisy), frames(np.zeros((8, 9, 1), np.uint8)), None)
    assert metadata["difference_gain"] == gain
    expected = min(255, round(127.5 + gain * size))
    assert np.abs(read(tmp_path / "difference.png").astype(int) - expected).max() <= 1
