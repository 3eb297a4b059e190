"""Images written come back as they were, from files and from streams."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid import image
from pellucid.image import files, read_image, write_image
from pellucid.image.formats import SUFFIXES

SIZES = [(1, 1), (1, 9), (9, 1), (8, 6)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("suffix", "dtype", "channels", "alpha", "profile", "exif", "dpi", "xmp"),
    [
        (suffix, dtype, channels, alpha, *metadata)
        for suffix, dtypes, metadata in [
            ("png", ("uint8", "uint16"), (True, True, True, True)),
            ("tif", ("uint8", "uint16", "float32"), (True, True, True, True)),
            ("webp", ("uint8",), (True, True, False, True)),
            ("bmp", ("uint8",), (False, False, True, False)),
            ("ppm", ("uint8", "uint16"), (False, False, False, False)),
            ("jpg", ("uint8",), (True, True, True, True)),
        ]
        for dtype in dtypes
        for channels in (1, 3)
        for alpha in ((False,) if suffix in ("ppm", "jpg") else (False, True))
    ],
)
def test_what_came_in_comes_back(
    again, random, icc, exif_block, tmp_path, size, suffix, dtype, channels, alpha, profile, exif, dpi, xmp
):
    pixels = random(size if channels == 1 else (*size, 3), dtype)
    like = image.ImageFile(
        pixels,
        random(size, dtype) if alpha else None,
        icc if profile else None,
        exif_block(1) if exif else None,
        (300.0, 150.0) if dpi else None,
        next(kind for kind, suffixes in SUFFIXES.items() if f".{suffix}" in suffixes),
        tmp_path / f"a.{suffix}",
        8,
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>" if xmp else None,
    )
    for found in (again(like), again(again(like))):
        in_color = suffix == "webp" or (suffix == "bmp" and alpha)
        expected = np.dstack([pixels] * 3) if in_color and channels == 1 else pixels
        if suffix == "jpg":
            assert found.pixels.shape == pixels.shape
        else:
            np.testing.assert_array_equal(found.pixels, expected)
        assert found.pixels.dtype == dtype and (found.alpha is None) == (not alpha)
        if alpha:
            np.testing.assert_array_equal(found.alpha, like.alpha)
        assert found.icc == like.icc and found.xmp == like.xmp
        assert found.dpi == (pytest.approx(like.dpi, abs=0.5) if dpi else None) or suffix == "jpg"
        if exif:
            block = Image.Exif()
            block.load(found.exif)
            assert block[271] == "Camera" and float(block.get_ifd(0x8769)[33434]) == 0.02
            assert block.get_ifd(0x8825)[1] == "N" and block.get(0x0112, 1) == 1


def test_an_existing_file_is_replaced_on_request_alone(refusal, tmp_path):
    path = tmp_path / "a.png"
    write_image(path, np.full((8, 8), 80, np.uint8))
    before = path.read_bytes()
    assert "overwrite" in refusal(write_image, path, np.full((8, 8), 80, np.uint8))
    assert path.read_bytes() == before
    write_image(path, np.full((9, 9), 90, np.uint8), overwrite=True)
    assert read_image(path).pixels.shape == (9, 9)


# Streams


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "ppm"])
def test_streams_hold_what_files_hold(random, tmp_path, suffix):
    write_image(tmp_path / f"a.{suffix}", random((9, 7, 3)))
    data = (tmp_path / f"a.{suffix}").read_bytes()
    stream = io.BytesIO(data)
    found = read_image(stream)
    np.testing.assert_array_equal(found.pixels, read_image(tmp_path / f"a.{suffix}").pixels)
    assert not stream.closed and str(found.path) == "the stream"
    out = io.BytesIO()
    write_image(out, found.pixels, like=found)
    assert not out.closed and read_image(io.BytesIO(out.getvalue())).format == found.format
    write_image(tmp_path / f"b.{suffix}", found.pixels, like=found)
    assert out.getvalue() == (tmp_path / f"b.{suffix}").read_bytes()


def test_a_pipe_is_read_and_written(random, tmp_path):
    write_image(tmp_path / "a.tif", random((9, 7), "uint16"))
    code = (
        "import sys; from pellucid.image import read_image, write_image\n"
        "found = read_image(sys.stdin.buffer)\n"
        "write_image(sys.stdout.buffer, found.pixels, like=found)"
    )
    data = (tmp_path / "a.tif").read_bytes()
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    np.testing.assert_array_equal(read_image(io.BytesIO(done.stdout)).pixels, read_image(tmp_path / "a.tif").pixels)


def test_what_a_stream_cannot_do_is_one_line(refusal, random):
    assert "0 bytes" in refusal(read_image, io.BytesIO())
    assert "is not an image" in refusal(read_image, io.BytesIO(b"hello"))
    assert "name one of PNG" in refusal(write_image, io.BytesIO(), random((4, 4)))
    assert '"JPG"' in refusal(write_image, io.BytesIO(), random((4, 4)), format="JPG")
    out = io.BytesIO()
    write_image(out, random((4, 4)), format="PNG")
    assert read_image(io.BytesIO(out.getvalue())).format == "PNG"
    with Path("/dev/full").open("wb") as full:
        message = refusal(write_image, full, random((90, 90)), format="PNG")
    assert "/dev/full" in message and "disk is full" in message


def test_nothing_reaches_a_stream_before_all_is_there(refusal, random):
    out = io.BytesIO()
    refusal(write_image, out, random((4, 4), "float32"), format="PNG")
    assert not out.getvalue()


def test_deep_avif_and_raw_files_get_another_format():
    def like(kind, bits):
        return image.ImageFile(np.zeros((2, 2)), None, None, None, None, kind, Path("a"), bits)

    assert [files.written_format(like(*pair)) for pair in [("AVIF", 8), ("AVIF", 10), ("RAW", 16), ("PNG", 16)]] == [
        "AVIF",
        "PNG",
        "TIFF",
        "PNG",
    ]
