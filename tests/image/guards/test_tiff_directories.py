"""Directories of TIFFs that lead astray are refused before tifffile follows them."""

import io
import struct
from pathlib import Path

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
