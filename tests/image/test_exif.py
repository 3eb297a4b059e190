"""The orientation, applied once."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageOps

from pellucid.image import read_image, write_image
from pellucid.image.exif import reset_orientation, reset_xmp_orientation


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


def test_the_thumbnail_of_a_turned_image_is_cut_off(tmp_path):
    inner = io.BytesIO()
    Image.new("RGB", (8, 6)).save(inner, "JPEG")
    directory = struct.pack("<H", 1) + struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<I", 26)
    entries = [(513, 4, 1, 26 + 2 + 24 + 4), (514, 4, 1, len(inner.getvalue()))]
    second = struct.pack("<H", 2) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    block = b"Exif\0\0" + b"II*\0\x08\0\0\0" + directory + second + inner.getvalue()
    found, orientation = reset_orientation(block)
    assert orientation == 6 and len(found) == len(block)
    for data, count in ((block, 2), (found, 0)):
        exif = Image.Exif()
        exif.load(data)
        assert len(exif.get_ifd(ExifTags.IFD.IFD1)) == count
    kept, orientation = reset_orientation(
        block.replace(struct.pack("<HHII", 0x0112, 3, 1, 6), struct.pack("<HHII", 0x0112, 3, 1, 1))
    )
    exif = Image.Exif()
    exif.load(kept)
    assert orientation == 1 and len(exif.get_ifd(ExifTags.IFD.IFD1)) == 2


@pytest.mark.parametrize(
    "block", [b"", b"Exif\0\0", b"Exif\0\0" + b"II*\0", b"Exif\0\0" + b"MM\0*\xff\xff\xff\xff", b"junk" * 9]
)
def test_damaged_blocks_are_left_alone(block):
    assert reset_orientation(block) == (block, 1)


@pytest.mark.parametrize(
    "form", [b'tiff:Orientation="%d"', b"<tiff:Orientation>%d</tiff:Orientation>", b"tiff:Orientation='%d'"]
)
def test_xmp_is_upright_too(form):
    assert reset_xmp_orientation(b"a " + form % 8 + b" b") == b"a " + form % 1 + b" b"
