"""Camera raw files, where rawpy is installed; where it is not, what to install."""

import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from pellucid.image import image_size, read_image, write_image
from pellucid.image.folders import plan_tasks
from pellucid.image.formats import ImageSize


def fractions(*values):
    return [part for value in values for part in (value, 1)]


@pytest.fixture
def negative(random, tmp_path):
    """A DNG of 64x96, lying on its side."""
    samples = random((64, 96), "uint16") // 4
    tags = [
        (50706, "B", 4, (1, 4, 0, 0), True),
        (50708, "s", 0, "Test Camera", True),
        (271, "s", 0, "Test", True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, (0, 1, 1, 2), True),
        (50714, "H", 1, 512, True),
        (50717, "I", 1, 16_383, True),
        (50721, "2i", 9, fractions(1, 0, 0, 0, 1, 0, 0, 0, 1), True),
        (50728, "2I", 3, fractions(1, 1, 1), True),
        (50778, "H", 1, 21, True),
        (274, "H", 1, 6, True),
    ]
    path = tmp_path / "a.dng"
    tifffile.imwrite(path, samples, photometric=32803, extratags=tags, metadata=None)
    return path


@pytest.mark.parametrize("suffix", [".dng", ".tif", ".nef"])
def test_without_the_reader_its_name_is_said(refusal, negative, monkeypatch, suffix):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    path = negative.rename(negative.with_suffix(suffix))
    message = refusal(read_image, path)
    assert "pip install rawpy" in message and str(path) in message


@pytest.mark.parametrize(
    "start",
    [b"FUJIFILMCCD-RAW 0201", b"IIRO\x08\0\0\0", b"IIU\0\x08\0\0\0", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", b"FOVb"],
)
def test_other_makers_are_known_by_their_first_bytes(refusal, tmp_path, monkeypatch, start):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    (tmp_path / "a.bin").write_bytes(start + bytes(99))
    assert "pip install rawpy" in refusal(read_image, tmp_path / "a.bin")


def test_a_negative_is_developed_upright_and_written_as_tiff(negative, tmp_path):
    pytest.importorskip("rawpy", reason="rawpy is not installed")
    found = read_image(negative)
    assert image_size(negative) == ImageSize("RAW", 96, 64, 1, 3)
    assert found.format == "RAW" and found.pixels.shape == (96, 64, 3) and found.pixels.dtype == np.uint16
    assert found.exif
    block = Image.Exif()
    block.load(found.exif)
    assert block[271] == "Test" and 0x0112 not in block
    (task,) = plan_tasks([negative], tmp_path / "out")
    assert task.target.name == "a.tif"
    write_image(tmp_path / "a.tif", found.pixels, like=found)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, found.pixels)


def test_limits_and_files_cut_short(refusal, negative):
    pytest.importorskip("rawpy", reason="rawpy is not installed")
    assert "96x64" in refusal(read_image, negative, max_pixels=99)
    negative.write_bytes(negative.read_bytes()[:6000])
    assert "cut short or damaged (Input/output error)" in refusal(read_image, negative)


def test_raw_files_are_never_written(refusal, tmp_path):
    message = refusal(write_image, tmp_path / "a.cr2", np.zeros((4, 4), np.uint8))
    assert "only read" in message and "write TIFF or PNG" in message
