"""TIFF files with misleading directories, or with bad strips or tiles, are refused before anything is decoded."""

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from pellucid.errors import TooLarge
from pellucid.image import read_image
from pellucid.image.guards.limits import ReadLimits
from pellucid.image.guards.tiff_layout import check_directories

PATH = Path("a.tif")


def directory(*entries, next_offset=0):
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + body + struct.pack("<I", next_offset)


def file_of(body, first=8):
    return io.BytesIO(b"II*\0" + struct.pack("<I", first) + body)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pages", [1, 4])
def test_valid_files_of_all_forms_pass(random, order, big, pages):
    stream = io.BytesIO()
    options = {"byteorder": order, "bigtiff": big, "photometric": "minisblack", "metadata": None}
    tifffile.imwrite(stream, random((pages, 16, 16)), description="x" * 900, tile=(16, 16), **options)
    check_directories(stream, PATH, ReadLimits())
    place = stream.getvalue().rindex(b"x" * 900)
    with pytest.raises(ValueError, match="is missing"):
        check_directories(io.BytesIO(stream.getvalue()[: min(place, 100)]), PATH, ReadLimits())


@pytest.mark.parametrize("start", [8, 14])
def test_a_chain_that_goes_round_is_refused(start):
    body = directory(next_offset=14) + directory(next_offset=start)
    with pytest.raises(ValueError, match="names an earlier one as the next"):
        check_directories(file_of(body), PATH, ReadLimits())


def test_a_value_that_many_tags_share_is_refused(tmp_path, refusal, random):
    shared = [(40_000 + tag, 7, 1 << 20, 8) for tag in range(9)]
    for count, fits in ((4, True), (9, False)):
        stream = file_of(bytes(1 << 20) + directory(*shared[:count]), 8 + (1 << 20))
        if fits:
            check_directories(stream, PATH, ReadLimits())
        else:
            with pytest.raises(ValueError, match="far larger than the file"):
                check_directories(stream, PATH, ReadLimits())


def test_values_below_the_first_page_count_too():
    inner = 8 + 18
    raw = directory((330, 4, 1, inner)) + directory(*[(40_000 + tag, 7, 1 << 20, 8) for tag in range(9)])
    with pytest.raises(ValueError, match="far larger than the file"):
        check_directories(file_of(raw), PATH, ReadLimits())
    with pytest.raises(ValueError, match="names 65 directories below it"):
        check_directories(file_of(directory((330, 4, 65, 8))), PATH, ReadLimits())


def test_pages_are_counted_before_they_are_read():
    places = range(14, 14 + 6 * 200, 6)
    body = b"".join(directory(next_offset=place) for place in places) + directory()
    check_directories(file_of(body), PATH, ReadLimits(max_frames=50))
    with pytest.raises(TooLarge, match="more than 68 pages"):
        check_directories(file_of(body), PATH, ReadLimits(max_frames=1))


def test_copies_without_an_image_are_refused():
    places = range(26, 26 + 18 * 99, 18)
    body = b"".join(directory((254, 4, 1, 1), next_offset=place) for place in places) + directory((254, 4, 1, 1))
    with pytest.raises(ValueError, match="are copies or masks"):
        check_directories(file_of(body), PATH, ReadLimits())


def test_an_orientation_or_resolution_that_cannot_be_says_nothing(random, tmp_path):
    pixels = random((6, 9))
    tags = [(274, "H", 1, 77, True), (282, "H", 1, 3, True), (283, "H", 2, (3, 0), True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=tags, metadata=None)
    data = (tmp_path / "a.tif").read_bytes()
    assert struct.pack("<HHIHH", 274, 3, 1, 77, 0) in data
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, pixels)


# Strips and tiles


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


def test_compressions_of_unknown_size_are_refused(changed, refusal):
    path = changed(259, 50_002, compression="zlib")
    message = refusal(read_image, path)
    assert "JPEGXL" in message and "save it with LZW or deflate" in message


def test_more_channels_than_any_camera_has_are_refused(refusal, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 2, 1001), np.uint8), planarconfig="contig", metadata=None)
    assert "1001 channels" in refusal(read_image, tmp_path / "a.tif")


def _at(data, place, kind, *values):
    return data[:place] + struct.pack(kind, *values) + data[place + struct.calcsize(kind) :]
