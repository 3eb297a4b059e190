"""TIFF however it is stored: depths, planes, palettes, alpha, pages."""

import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pellucid.image import data_range_of, read_image, write_image


@pytest.mark.parametrize("shape", [(13, 9), (13, 9, 3), (13, 9, 5)])
def test_floats_beyond_the_range_survive_in_tiff(random, tmp_path, shape):
    pixels = random(shape, "float32") * 40 - 3
    write_image(tmp_path / "a.tiff", pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tiff").pixels, pixels)


def test_white_is_zero_in_some_tiffs(random, tmp_path):
    pixels = random((8, 8), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", 65_535 - pixels, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, pixels)


def test_colors_multiplied_by_alpha_are_divided_by_it(tmp_path):
    alpha = np.full((4, 4), 128, np.uint8)
    alpha[0] = 0
    colors = np.full((4, 4, 3), 200, np.uint8)
    stored = np.dstack([np.rint(colors * (alpha[..., None] / 255)).astype(np.uint8), alpha])
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.alpha, alpha)
    assert np.abs(found.pixels[1:].astype(int) - 200).max() <= 1 and not found.pixels[0].any()


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "jpeg", "zstd"])
def test_tiffs_are_read_however_they_are_compressed(tmp_path, compression):
    pixels = np.full((32, 32, 3), 90, np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression=compression, photometric="rgb", tile=(16, 16))
    assert np.abs(read_image(tmp_path / "a.tif").pixels.astype(int) - 90).max() <= 3


def test_planes_of_a_tiff_become_channels(random, tmp_path):
    pixels = random((3, 8, 9), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, np.moveaxis(pixels, 0, -1))


def test_twelve_bits_in_a_tiff_are_noticed(random, tmp_path):
    pixels = random((8, 10), "uint16") >> 4
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    found = read_image(tmp_path / "a.tif")
    assert data_range_of(found.pixels) == 4095


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("where", [0.2, 0.5, 0.9])
def test_a_tiff_cut_short_is_named(random, refusal, tmp_path, compression, where):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, random((64, 64), "uint16"), compression=compression)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * where)])
    assert str(path) in refusal(read_image, path)


def test_reduced_copies_in_a_tiff_are_passed_over(random, tmp_path):
    pixels = random((16, 16))
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(pixels, photometric="minisblack")
        writer.write(pixels[::2, ::2], photometric="minisblack", subfiletype=1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize(
    ("pixels", "options", "word"),
    [
        (np.zeros((4, 4), np.int32), {}, "int32"),
        (np.zeros((4, 4, 3), np.uint8), {"photometric": "cielab"}, "CIELAB"),
    ],
)
def test_tiffs_that_are_not_supported_say_how_to_save_them(refusal, tmp_path, pixels, options, word):
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    message = refusal(read_image, tmp_path / "a.tif")
    assert word in message and ": save it as" in message


def test_gray_of_four_bits_reaches_white(tmp_path):
    values = np.arange(16, dtype=np.uint8).reshape(2, 8)
    header = b"II*\0\x08\0\0\0" + struct.pack("<H", 8)
    entries = [(256, 4, 8), (257, 4, 2), (258, 3, 4), (259, 3, 1), (262, 3, 1), (273, 4, 110), (278, 4, 2), (279, 4, 8)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries) + bytes(4)
    packed = (values[:, ::2] << 4 | values[:, 1::2]).tobytes()
    (tmp_path / "a.tif").write_bytes(header + body + packed)
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, values * 17)
    assert found.bit_depth == 4


def test_floats_that_are_not_numbers_pass_through(again, tmp_path):
    pixels = np.array([[np.nan, np.inf, -np.inf, 40.0, -3.0, 0.5]], np.float32)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    np.testing.assert_array_equal(again(read_image(tmp_path / "a.tif")).pixels, pixels)


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("count", [1, 3])
def test_planes_and_alpha_on_pages(again, random, tmp_path, planes, dtype, count):
    samples = random((count, 8, 9, 4), dtype)
    stored = np.moveaxis(samples, -1, 1) if planes == "separate" else samples
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planes, extrasamples=["unassalpha"], metadata=None
    )
    found = read_image(tmp_path / "a.tif")
    samples = samples if count > 1 else samples[0]
    for image in (found, again(found)):
        np.testing.assert_array_equal(image.pixels, samples[..., :3])
        np.testing.assert_array_equal(image.alpha, samples[..., 3])


# Pages


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(5, 16, 24), (5, 16, 24, 3), (2, 1, 1), (3, 1, 9, 3)])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd", "lzma"])
def test_pages_come_back_as_they_were_stored(again, random, tmp_path, dtype, shape, compression):
    pixels = random(shape, dtype)
    photometric = "rgb" if len(shape) == 4 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, compression=compression, metadata=None)
    found = read_image(tmp_path / "a.tif")
    assert found.is_stack and found.channel_axis == (-1 if len(shape) == 4 else None)
    written = again(found)
    for image in (found, written):
        np.testing.assert_array_equal(image.pixels, pixels)
        assert image.pixels.dtype == dtype and image.is_stack
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again.tif"), pixels)
    with tifffile.TiffFile(tmp_path / "a.tif") as before, tifffile.TiffFile(tmp_path / "again.tif") as after:
        assert after.pages.first.compression == before.pages.first.compression
        assert after.pages.first.predictor == before.pages.first.predictor
        assert len(after.pages) == len(before.pages)


def test_pages_of_jpeg_come_back_without_further_loss(again, random, tmp_path):
    pixels = np.kron(random((3, 4, 4, 3)), np.ones((1, 8, 8, 1), np.uint8))
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression="jpeg", metadata=None)
    found = read_image(tmp_path / "a.tif")
    assert found.pixels.shape == pixels.shape
    np.testing.assert_array_equal(again(found).pixels, found.pixels)


@pytest.mark.parametrize("color", [False, True])
def test_pages_of_fewer_bits_palettes_and_print(random, tmp_path, color):
    pixels = random((3, 8, 8, 3)) // 64 * 64
    kinds = ["P", "CMYK"] if color else ["1", "L"]
    for mode in kinds:
        pictures = [Image.fromarray(frame).convert(mode) for frame in pixels]
        pictures[0].save(tmp_path / "a.tif", save_all=True, append_images=pictures[1:])
        found = read_image(tmp_path / "a.tif")
        target = "RGB" if color else "L"
        expected = np.stack([np.asarray(picture.convert(target)) for picture in pictures])
        assert np.abs(found.pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (np.zeros((9, 8), np.uint8), "8x9"),
        (np.zeros((8, 8), np.uint16), "uint16"),
        (np.zeros((8, 8, 3), np.uint8), "RGB"),
    ],
)
def test_pages_that_make_no_stack_are_refused(refusal, tmp_path, other, word):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), other):
            writer.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None)
    message = refusal(read_image, tmp_path / "a.tif")
    assert "page 3" in message and word in message and "save the pages one a file" in message


def test_masks_beside_an_image_are_passed_over(random, tmp_path):
    pixels = random((16, 16))
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(pixels, photometric="minisblack", metadata=None)
        writer.write(pixels > 90, photometric="mask", subfiletype=4, metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, pixels)


def test_pages_count_against_the_limits_before_decoding(refusal, random, tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", random((5, 8, 8)), photometric="minisblack")
    tifffile.imwrite(tmp_path / "b.tif", random((5, 8, 8)), photometric="minisblack", truncate=True)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", None)
    for name in ("a.tif", "b.tif"):
        message = refusal(read_image, tmp_path / name, max_pixels=319)
        assert "5 pages of 8x8 = 0.00032 megapixels" in message
        assert "more than the 4 allowed" in refusal(read_image, tmp_path / name, max_frames=4)


@pytest.mark.parametrize("where", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_stacks_cut_short_are_named(refusal, random, tmp_path, where, compression):
    tifffile.imwrite(
        tmp_path / "a.tif", random((5, 16, 16), "uint16"), photometric="minisblack", compression=compression
    )
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: int(len(data) * where)])
    assert str(tmp_path / "a.tif") in refusal(read_image, tmp_path / "a.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pages_are_turned_upright_once(again, random, tmp_path, orientation):
    pixels = random((3, 4, 6, 3))
    tags = [(274, "H", 1, orientation, True)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pixels:
            writer.write(page, photometric="rgb", extratags=tags, metadata=None, resolution=(300, 150))
    found = read_image(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "one.tif", pixels[1], photometric="rgb", extratags=tags)
    np.testing.assert_array_equal(found.pixels[1], read_image(tmp_path / "one.tif").pixels)
    written = again(found)
    np.testing.assert_array_equal(written.pixels, found.pixels)
    assert written.dpi == found.dpi == ((150, 300) if orientation >= 5 else (300, 150))


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)),
    channels=st.sampled_from([0, 3]),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    order=st.sampled_from("<>"),
    compression=st.sampled_from([None, "lzw", "zlib"]),
    alpha=st.booleans(),
    seed=st.integers(0, 999),
)
def test_any_stack_comes_back(tmp_path_factory, shape, channels, dtype, order, compression, alpha, seed):
    path = tmp_path_factory.getbasetemp() / "any.tif"
    count = (channels or 1) + alpha
    samples = np.random.default_rng(seed).random((*shape, count)) * (1 if dtype == "float32" else np.iinfo(dtype).max)
    samples = samples.astype(dtype) if count > 1 else samples[..., 0].astype(dtype)
    tifffile.imwrite(
        path,
        samples,
        byteorder=order,
        photometric="rgb" if channels else "minisblack",
        compression=compression,
        extrasamples=["unassalpha"] if alpha else None,
        planarconfig="contig" if count > 1 else None,
        metadata=None,
    )
    found = read_image(path)
    write_image(path, found.pixels, like=found, overwrite=True)
    written = read_image(path)
    expected = samples if shape[0] > 1 else samples[0]
    for image in (found, written):
        stored = (
            image.pixels
            if image.alpha is None
            else np.concatenate([image.pixels.reshape(*image.alpha.shape, -1), image.alpha[..., None]], axis=-1)
        )
        np.testing.assert_array_equal(stored, expected)
        assert image.is_stack == (shape[0] > 1)


def test_values_that_float32_cannot_hold_become_infinite_in_silence(tmp_path, recwarn):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[1e300, -1e300, 1.5]]), metadata=None)
    assert read_image(tmp_path / "a.tif").pixels.tolist() == [[np.inf, -np.inf, 1.5]] and not recwarn


def test_a_single_channel_is_the_image_whatever_it_is_called(random, tmp_path):
    pixels = random((6, 9))
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=[(338, "H", 1, 1, True)], metadata=None)
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.alpha is None


@pytest.mark.parametrize("unit", [0, 4, 2])
def test_resolutions_in_units_that_are_none_are_dropped(again, random, tmp_path, unit):
    tifffile.imwrite(tmp_path / "a.tif", random((6, 9)), resolution=(300, 150), resolutionunit="INCH", metadata=None)
    data = (tmp_path / "a.tif").read_bytes()
    stored = b"\x28\x01\x03\0\x01\0\0\0\x02\0"
    assert stored in data
    (tmp_path / "a.tif").write_bytes(data.replace(stored, stored[:-2] + bytes((unit, 0))))
    assert again(read_image(tmp_path / "a.tif")).dpi == ((300, 150) if unit == 2 else None)


def test_a_width_of_many_numbers_is_refused_in_a_short_line(refusal, random, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random((6, 9)), metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        first: Any = file.pages[0]
        first.tags[256].overwrite(list(range(1 << 31, (1 << 31) + 257)))
        first.tags[257].overwrite(0)
    assert "not one whole number each" in refusal(read_image, tmp_path / "a.tif")
