"""The size of a file from its header equals that of the decoded image; nothing is decoded for it."""

import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from pellucid.image import image_size, read_image, write_image
from pellucid.image.formats import ImageSize


@pytest.fixture
def without_decoders(monkeypatch):
    """Make every decoder fail."""

    def without_decoders():
        for name in ("png_decode", "jpeg8_decode", "webp_decode", "avif_decode"):
            monkeypatch.setattr(imagecodecs, name, None)
        monkeypatch.setattr(Image.Image, "load", None)
        monkeypatch.setattr(tifffile.TiffPage, "asarray", None)

    return without_decoders


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "ppm", "avif"])
def test_the_size_is_known_without_decoding(random, tmp_path, without_decoders, suffix):
    write_image(tmp_path / f"a.{suffix}", random((30, 50, 3)))
    without_decoders()
    size = image_size(tmp_path / f"a.{suffix}")
    assert (size.height, size.width, size.frames, size.channels) == (30, 50, 1, 3)
    assert image_size(io.BytesIO((tmp_path / f"a.{suffix}").read_bytes())) == size


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "pgm"])
def test_gray_has_one_channel(random, tmp_path, without_decoders, suffix):
    write_image(tmp_path / f"a.{suffix}", random((30, 50)))
    without_decoders()
    assert image_size(tmp_path / f"a.{suffix}").channels == 1


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_alpha_is_no_channel(random, tmp_path, without_decoders, suffix):
    Image.fromarray(random((30, 50, 4))).save(tmp_path / f"a.{suffix}")
    without_decoders()
    assert image_size(tmp_path / f"a.{suffix}").channels == 3


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_image(random, exif_block, tmp_path, suffix, orientation):
    pixels = random((30, 50, 3))
    if suffix == "tif":
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    else:
        Image.fromarray(pixels).save(tmp_path / f"a.{suffix}", exif=exif_block(orientation))
    size = image_size(tmp_path / f"a.{suffix}")
    expected = (50, 30) if orientation >= 5 else (30, 50)
    assert (size.height, size.width) == expected == read_image(tmp_path / f"a.{suffix}").pixels.shape[:2]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_the_channels_of_a_palette_are_not_known(random, tmp_path, suffix):
    Image.fromarray(random((30, 50, 3))).quantize(16).save(tmp_path / f"a.{suffix}")
    size = image_size(tmp_path / f"a.{suffix}")
    assert size.channels is None and size.num_values == 30 * 50 * 3


def test_pages_and_frames_are_counted(random, tmp_path, without_decoders):
    tifffile.imwrite(tmp_path / "a.tif", random((4, 30, 50)), photometric="minisblack")
    tifffile.imwrite(tmp_path / "b.tif", random((5, 30, 50), "uint16"), imagej=True)
    frames = [Image.fromarray(random((30, 50, 3))) for _ in range(3)]
    for suffix in ("png", "webp", "avif"):
        frames[0].save(tmp_path / f"c.{suffix}", save_all=True, append_images=frames[1:])
    without_decoders()
    assert image_size(tmp_path / "a.tif") == ImageSize("TIFF", 30, 50, 4, 1)
    assert image_size(tmp_path / "b.tif").num_values == 5 * 30 * 50
    for suffix in ("png", "webp", "avif"):
        size = image_size(tmp_path / f"c.{suffix}")
        assert (size.frames, size.height, size.width, size.channels) == (3, 30, 50, 3)


def test_limits_and_damage_are_refused(random, refusal, tmp_path):
    write_image(tmp_path / "a.png", np.zeros((30, 50), np.uint8))
    assert "--max" in refusal(image_size, tmp_path / "a.png", 1499, limit_name="--max")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:20])
    assert "cut short or damaged" in refusal(image_size, tmp_path / "b.png")
    assert "does not exist" in refusal(image_size, tmp_path / "c.png")
