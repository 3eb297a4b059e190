"""Strips and tiles that are missing, or hold more than their part of the page, are refused before they are decoded."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile

from pellucid.image import read_image


@pytest.fixture
def changed(tmp_path, random):
    """Write 32x48 pixels with tifffile, change a tag's first value or the bytes of a strip, and return the path."""

    def changed(tag=None, value=0, strip=None, **options):
        path = tmp_path / "a.tif"
        pixels = random((32, 48, 3)) if options.get("photometric") == "rgb" else random((32, 48))
        tifffile.imwrite(path, pixels, metadata=None, **options)
        data = bytearray(path.read_bytes())
        with tifffile.TiffFile(path) as file:
            tags = file.pages.first.tags
            if tag:
                kind = {3: "<H", 4: "<I"}[tags[tag].dtype]
                struct.pack_into(kind, data, tags[tag].valueoffset, value)
            if strip:
                start, length = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
                data[start : start + length] = strip(bytes(data[start : start + length]))
        path.write_bytes(data)
        return path

    return changed


@pytest.mark.parametrize("compression", ["zlib", "lzw", None])
def test_strips_that_are_not_named_are_not_made_up(changed, refusal, compression):
    path = changed(257, 320, compression=compression, rowsperstrip=8)
    assert "4 of its 40 strips or tiles are there" in refusal(read_image, path)


def test_planes_stored_in_no_known_way_are_refused(changed, refusal):
    path = changed(284, 258, photometric="rgb", tile=(16, 16))
    assert "cut short or damaged" in refusal(read_image, path)


@pytest.mark.parametrize(
    ("compression", "strip"),
    [
        ("jpeg", lambda data: _at(data, data.index(b"\xff\xc0") + 5, ">HH", 200, 200)),
        ("webp", lambda data: _at(data, 21, "<I", 999 | 999 << 14)),
        ("png", lambda data: _at(_at(data, 16, ">II", 999, 999), 29, ">I", zlib.crc32(data[12:16]))),
        ("jpeg2000", lambda data: _at(data, data.index(b"\xff\x4f\xff\x51") + 8, ">II", 999, 999)),
    ],
)
def test_images_inside_are_no_larger_than_their_tile(changed, refusal, monkeypatch, compression, strip):
    options = {"photometric": "rgb", "compression": compression, "tile": (32, 48)}
    if compression in ("webp", "png", "jpeg2000"):
        options["compressionargs"] = {"lossless": True} if compression == "webp" else {}
    assert read_image(changed(**options)).pixels.shape == (32, 48, 3)
    path = changed(strip=strip, **options)
    for name in ("jpeg_decode", "webp_decode", "png_decode", "jpeg2k_decode"):
        monkeypatch.setattr(imagecodecs, name, None)
    message = refusal(read_image, path)
    assert "a strip or tile of 48x32 pixels holds" in message or "too few for 200x200" in message


def test_tiles_far_larger_than_their_pages_are_refused(changed, refusal):
    path = changed(compression="zlib", tile=(1024, 1024))
    assert read_image(path).pixels.shape == (32, 48)
    assert "tiles of 1024x1024 pixels" in refusal(read_image, path, max_pixels=200_000)


def test_compressions_whose_size_cannot_be_told_are_refused(changed, refusal):
    path = changed(259, 50_002, compression="zlib")
    message = refusal(read_image, path)
    assert "JPEGXL" in message and "save it with LZW or deflate" in message


def test_more_channels_than_any_camera_has_are_refused(refusal, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 2, 1001), np.uint8), planarconfig="contig", metadata=None)
    assert "1001 channels" in refusal(read_image, tmp_path / "a.tif")


def _at(data, place, kind, *values):
    return data[:place] + struct.pack(kind, *values) + data[place + struct.calcsize(kind) :]
