"""JPEG: quantization never coarser than in the source, CMYK, files cut short."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter
from PIL.JpegImagePlugin import JpegImageFile

from pellucid.image import read_image, write_image


@pytest.fixture
def photo(random):
    """Smooth colors with some grain, as photographs have."""
    picture = Image.fromarray(random((12, 16, 3))).resize((160, 120), Image.Resampling.BICUBIC)
    grain = Image.fromarray(random((120, 160, 3))).filter(ImageFilter.GaussianBlur(1))
    return Image.blend(picture, grain, 0.2)


def tables(path):
    with JpegImageFile(path) as picture:
        return picture.quantization, [component[1:3] for component in picture.layer]


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("quality", [30, 80, 95, 99])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_steps_are_the_finer_of_both(again, photo, tmp_path, quality, subsampling):
    photo.save(tmp_path / "a.jpg", quality=quality, subsampling=subsampling)
    found = read_image(tmp_path / "a.jpg")
    written = again(found)
    assert psnr(found.pixels, written.pixels) > 45
    before, after = tables(tmp_path / "a.jpg")[0], tables(tmp_path / "again.jpg")
    photo.save(tmp_path / "reference.jpg", quality=97)
    reference = tables(tmp_path / "reference.jpg")[0]
    for index in (0, 1):
        assert list(after[0][index]) == [min(pair) for pair in zip(before[index], reference[index], strict=True)]
    assert after[1] == [(1, 1)] * 3, "full chroma resolution"


def test_gray_stays_gray_and_keeps_its_table(again, photo, tmp_path):
    photo.convert("L").save(tmp_path / "a.jpg", quality=99)
    found = read_image(tmp_path / "a.jpg")
    assert found.pixels.ndim == 2 and again(found).pixels.ndim == 2
    assert tables(tmp_path / "again.jpg")[0][0] == tables(tmp_path / "a.jpg")[0][0]


@pytest.mark.parametrize("progressive", [False, True])
def test_scans_comment_and_xmp_come_back(again, photo, tmp_path, progressive):
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    photo.save(tmp_path / "a.jpg", progressive=progressive, comment=b"by hand", xmp=xmp)
    again(read_image(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "again.jpg") as picture:
        assert bool(picture.info.get("progressive")) == progressive
        assert picture.info["comment"] == b"by hand" and picture.info["xmp"] == xmp


def test_components_that_are_red_green_and_blue(again, photo, tmp_path):
    photo.save(tmp_path / "a.jpg", quality=90, keep_rgb=True)
    found = read_image(tmp_path / "a.jpg")
    np.testing.assert_array_equal(found.pixels, np.asarray(Image.open(tmp_path / "a.jpg")))
    assert found.native.tables is None
    assert psnr(found.pixels, again(found).pixels) > 40


def test_colors_of_print_are_written_as_rgb(again, tmp_path):
    Image.new("CMYK", (16, 16), (20, 200, 120, 10)).save(tmp_path / "a.jpg")
    found = read_image(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as picture:
        assert np.abs(found.pixels.astype(int) - np.asarray(picture.convert("RGB"))).max() <= 1
    assert again(found).pixels.shape == (16, 16, 3)


def test_components_of_ycck_are_converted(tmp_path):
    colors = np.full((16, 16, 3), (200, 60, 30), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colors).convert("CMYK").save(stream, "JPEG")
    data = stream.getvalue()
    mark = data.index(b"Adobe")
    # The same samples, called YCCK: another color, but read without a complaint and as Pillow reads it.
    (tmp_path / "a.jpg").write_bytes(data[: mark + 11] + b"\2" + data[mark + 12 :])
    found = read_image(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as picture:
        np.testing.assert_array_equal(found.pixels, np.asarray(picture.convert("RGB")))


def test_a_thumbnail_with_an_end_of_its_own_does_not_hide_a_cut(refusal, photo, exif_block, tmp_path):
    inner = io.BytesIO()
    photo.resize((16, 12)).save(inner, "JPEG")
    photo.save(tmp_path / "a.jpg", exif=exif_block(1) + inner.getvalue())
    data = (tmp_path / "a.jpg").read_bytes()
    assert read_image(tmp_path / "a.jpg").pixels.shape == (120, 160, 3)
    (tmp_path / "a.jpg").write_bytes(data[:-500])
    assert "cut short" in refusal(read_image, tmp_path / "a.jpg")


def test_more_than_8_bits_are_named(refusal, photo, tmp_path):
    photo.save(tmp_path / "a.jpg")
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    data[data.index(b"\xff\xc0") + 4] = 12
    (tmp_path / "a.jpg").write_bytes(data)
    assert "save it as PNG or TIFF" in refusal(read_image, tmp_path / "a.jpg")


def test_what_follows_the_image_is_passed_over(photo, tmp_path):
    photo.save(tmp_path / "a.jpg")
    before = read_image(tmp_path / "a.jpg").pixels
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes() * 2)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").pixels, before)


def test_metadata_too_large_for_a_segment_are_refused(refusal, random, exif_block, tmp_path):
    Image.fromarray(random((8, 8, 3))).save(tmp_path / "a.png", exif=exif_block(1) + bytes(70_000))
    found = read_image(tmp_path / "a.png")
    message = refusal(write_image, tmp_path / "a.jpg", found.pixels, like=found)
    assert str(tmp_path / "a.jpg") in message and "EXIF" in message and "write PNG or TIFF" in message
    assert not (tmp_path / "a.jpg").exists()
