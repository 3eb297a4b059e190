"""What describes the pages of a TIFF stays, to the byte where the file stays a TIFF."""

import json
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pellucid.image import ImageFile, read_image, write_image


def described(path):
    with tifffile.TiffFile(path) as file:
        pages: Any = file.pages
        return [{tag.code: tag.value for tag in page.tags} for page in pages]


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", "<>")
def test_stacks_of_imagej_stay_such(again, random, tmp_path, compression, order):
    pixels = random((6, 16, 20), "uint16")
    details = {
        "axes": "TZYX",
        "unit": "um",
        "spacing": 2.5,
        "finterval": 0.5,
        "Labels": list("abcdef"),
        "Info": "cells",
    }
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels.reshape(2, 3, 16, 20),
        imagej=True,
        byteorder=order,
        metadata=details,
        resolution=(3.25, 6.5),
        compression=compression,
    )
    found = read_image(tmp_path / "a.tif")
    assert found.pixels.shape == pixels.shape and found.dpi is None, "the unit is a micrometre"
    again(found, pixels=pixels[:, ::-1])
    with tifffile.TiffFile(tmp_path / "a.tif") as before, tifffile.TiffFile(tmp_path / "again.tif") as after:
        assert after.is_imagej and after.imagej_metadata == before.imagej_metadata
        assert after.series[0].axes == "TZYX" and after.series[0].shape == (2, 3, 16, 20)
        for code in (282, 283, 296):
            assert after.pages.first.tags[code].value == before.pages.first.tags[code].value
        np.testing.assert_array_equal(after.asarray().reshape(pixels.shape), pixels[:, ::-1])
        if compression is None:
            starts = [page.dataoffsets[0] for page in after.pages]
            assert set(np.diff(starts)) == {16 * 20 * 2}, "ImageJ looks for them one behind the other"


def test_a_stack_that_lists_only_its_first_page(again, random, tmp_path):
    pixels = random((4, 16, 20), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", truncate=True)
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(again(found).pixels, pixels)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again.tif"), pixels)


def test_axes_that_tifffile_wrote_come_back(again, random, tmp_path):
    pixels = random((2, 3, 8, 9))
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    again(read_image(tmp_path / "a.tif"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again.tif"), pixels)


@pytest.mark.parametrize("color", [False, True])
def test_ome_descriptions_come_back(again, random, tmp_path, color):
    pixels = random((2, 3, 16, 20, 3) if color else (2, 3, 16, 20), "uint16")
    axes = "TZYXS" if color else "TZYX"
    details = {"axes": axes, "PhysicalSizeX": 0.3, "PhysicalSizeXUnit": "µm", "Channel": {"Name": "GFP"}}
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, ome=True, metadata=details, compression="zlib")
    again(read_image(tmp_path / "a.ome.tif"))
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as before, tifffile.TiffFile(tmp_path / "again.tif") as after:
        assert after.ome_metadata == before.ome_metadata and "µm" in (after.ome_metadata or "")
        assert after.series[0].axes == axes
        np.testing.assert_array_equal(after.asarray(), pixels)


def test_every_page_keeps_its_own_tags(again, random, tmp_path):
    pixels = random((3, 16, 20))
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for index, page in enumerate(pixels):
            own = json.dumps({"ElapsedTime-ms": index * 40})
            tags = [(51123, "s", 0, own, True), (285, "s", 0, f"slice {index}", True), (297, "H", 2, (index, 3), True)]
            writer.write(page, photometric="minisblack", description=f"at {index} mm", extratags=tags, metadata=None)
    again(read_image(tmp_path / "a.tif"))
    before, after = described(tmp_path / "a.tif"), described(tmp_path / "again.tif")
    for code in (270, 285, 297, 51123):
        assert [page[code] for page in after] == [page[code] for page in before]


def test_places_on_the_globe_stay(again, random, tmp_path):
    tags = [(33550, "d", 3, (10.0, 10.0, 0.0), True), (33922, "d", 6, (0, 0, 0, 4e5, 5e6, 0), True)]
    tags += [(42113, "s", 0, "-9999", True)]
    tifffile.imwrite(tmp_path / "a.tif", random((16, 16), "float32"), extratags=tags, byteorder=">", tile=(16, 16))
    again(read_image(tmp_path / "a.tif"))
    (before,), (after,) = described(tmp_path / "a.tif"), described(tmp_path / "again.tif")
    for code in (33550, 33922, 42113, 322, 323):
        assert after[code] == before[code]


def test_a_description_of_axes_that_are_gone_is_left_out(again, random, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random((4, 16, 20)), imagej=True)
    again(read_image(tmp_path / "a.tif"), pixels=random((2, 16, 20)))
    assert 270 not in described(tmp_path / "again.tif")[0]


@pytest.mark.parametrize(
    "text",
    [
        '{"stage": {"shape": 3}}',
        '{"shape": "round"}',
        '{"shape": [1e400]}',
        '{"shape": [16, 20], "axes": 5}',
        '{"shape": [5, 31, 3',
        "shape=round",
    ],
)
def test_descriptions_that_only_look_like_those_of_tifffile_come_back(again, random, tmp_path, text):
    pixels = random((16, 20))
    tifffile.imwrite(tmp_path / "a.tif", pixels, description=text, metadata=None)
    np.testing.assert_array_equal(again(read_image(tmp_path / "a.tif")).pixels, pixels)
    assert described(tmp_path / "again.tif")[0][270] == text


@pytest.mark.parametrize("order", "<>")
def test_exif_places_and_xmp_stay_in_tiff(again, random, icc, exif_block, tmp_path, order):
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    tifffile.imwrite(
        tmp_path / "a.tif",
        random((8, 9, 3)),
        byteorder=order,
        iccprofile=icc,
        extratags=[(700, "B", len(xmp), xmp, True)],
    )
    plain = read_image(tmp_path / "a.tif")
    assert plain.xmp == xmp and plain.icc == icc
    full = again(ImageFile(**{**vars(plain), "exif": exif_block(1)}))
    for found in (full, again(full)):
        assert found.xmp == xmp and found.icc == icc and found.exif
        block = Image.Exif()
        block.load(found.exif)
        assert float(block.get_ifd(0x8769)[33434]) == 0.02 and block.get_ifd(0x8825)[1] == "N"


def test_layers_and_directories_elsewhere_are_left_out(again, random, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random((8, 9)), extratags=[(37724, "B", 4, b"8BIM", True)])
    again(read_image(tmp_path / "a.tif"))
    assert 37724 not in described(tmp_path / "again.tif")[0]


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("shape", [(8, 9), (3, 8, 9)])
def test_other_floats_keep_their_width(again, random, tmp_path, dtype, shape):
    pixels = random(shape, "float16").astype(dtype) * 3
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    found = read_image(tmp_path / "a.tif")
    assert found.pixels.dtype == np.float32
    again(found)
    stored = tifffile.imread(tmp_path / "again.tif")
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored, pixels)


def test_large_offsets_carry_exif_too(random, exif_block, tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.image.tiff_writer.MAX_CLASSIC_BYTES", 0)
    Image.fromarray(random((8, 9, 3))).save(tmp_path / "a.jpg", exif=exif_block(1))
    found = read_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.tif", found.pixels, like=found)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.is_bigtiff
    written = read_image(tmp_path / "b.tif")
    np.testing.assert_array_equal(written.pixels, found.pixels)
    assert written.exif
    block = Image.Exif()
    block.load(written.exif)
    assert float(block.get_ifd(0x8769)[33434]) == 0.02
