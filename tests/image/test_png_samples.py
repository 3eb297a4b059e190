"""The samples of a PNG: exactly those that its header announces, without a word on standard error."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pellucid.image import read_image
from pellucid.image.png import decode_samples, read_header

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# ISO/IEC 15948, 8.2: the top, the left, the row step and the column step of each pass.
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def head(width=4, height=4, depth=8, color_type=0, interlaced=0):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlaced)


@pytest.fixture
def stored(chunk):
    """Make a PNG of chunks."""

    def stored(*chunks):
        return SIGNATURE + b"".join(chunk(*part) for part in (*chunks, (b"IEND", b"")))

    return stored


def rows(samples):
    """Return samples (H, W, …) as rows without a filter."""
    return b"".join(b"\0" + row.tobytes() for row in samples)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (17, 9)])
@pytest.mark.parametrize(("color_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("dtype", ["u1", ">u2"])
def test_passes_become_one_image(random, stored, capfd, size, color_type, channels, dtype):
    samples = random((*size, channels), dtype[-2:]).astype(dtype)
    parts = [samples[top::down, left::across] for top, left, down, across in ADAM7]
    body = zlib.compress(b"".join(rows(part) for part in parts if part.size))
    png = stored(head(size[1], size[0], 8 * samples.itemsize, color_type, 1), (b"IDAT", body))
    np.testing.assert_array_equal(decode_samples(png).reshape(samples.shape), samples)
    assert capfd.readouterr().err == ""


def test_interlaced_palettes_with_alpha_are_read_as_pillow_reads_them(stored, tmp_path):
    packed = bytes([0, 0x1B, 0, 0xE4, 0, 0x1B, 0, 0x1B, 0, 0xC0, 0, 0x40, 0, 0x80, 0, 0x1B, 0, 0x2D, 0, 0x72])
    kept = [(b"PLTE", bytes(range(12))), (b"tRNS", b"\0\x80"), (b"IDAT", zlib.compress(packed))]
    (tmp_path / "a.png").write_bytes(stored(head(4, 4, 2, 3, 1), *kept))
    found = read_image(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        expected = np.asarray(picture.convert("RGBA"))
    np.testing.assert_array_equal(found.pixels, expected[..., :3])
    np.testing.assert_array_equal(found.alpha, expected[..., 3])


@pytest.mark.parametrize("behind", [b"\0", bytes(1 << 24)])
def test_bytes_after_the_last_row_are_ignored(random, stored, capfd, behind):
    samples = random((4, 4))
    png = stored(head(), (b"IDAT", zlib.compress(rows(samples) + behind)))
    np.testing.assert_array_equal(decode_samples(png), samples)
    np.testing.assert_array_equal(
        decode_samples(stored(head(), (b"IDAT", zlib.compress(rows(samples)) + b"more"))), samples
    )
    assert capfd.readouterr().err == ""


def test_image_data_in_many_chunks_some_of_them_empty(random, stored):
    samples = random((4, 4))
    packed = zlib.compress(rows(samples))
    parts = [(b"IDAT", packed[place : place + 1]) for place in range(len(packed))]
    np.testing.assert_array_equal(decode_samples(stored(head(), (b"IDAT", b""), *parts, (b"IDAT", b""))), samples)


@pytest.mark.parametrize("missing", [1, 5, 20])
def test_rows_that_are_missing_are_said(random, stored, missing):
    body = zlib.compress(rows(random((4, 4)))[:-missing])
    for interlaced in (0, 1):
        with pytest.raises(ValueError, match="its rows end after"):
            decode_samples(stored(head(interlaced=interlaced), (b"IDAT", body)))


def test_indices_beyond_the_palette_are_black(stored, capfd):
    body = zlib.compress(rows(np.arange(16, dtype=np.uint8).reshape(4, 4)))
    png = stored(head(color_type=3), (b"PLTE", b"\x09\x08\x07"), (b"tRNS", bytes(300)), (b"IDAT", body))
    found = decode_samples(png)
    assert found[0, 0].tolist() == [9, 8, 7, 0] and not found.reshape(-1, 4)[1:].any()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([head(color_type=3), (b"IDAT", zlib.compress(bytes(20)))], "palette is missing"),
        ([head(color_type=3), (b"PLTE", b"\0"), (b"IDAT", zlib.compress(bytes(20)))], "palette is missing"),
        ([head(), (b"IDAT", b"no rows")], "its image is damaged"),
        ([head()], "its rows end after 0"),
    ],
)
def test_what_an_image_is_made_of_has_to_be_there(stored, chunks, words):
    with pytest.raises(ValueError, match=words):
        decode_samples(stored(*chunks))


def test_a_wrong_checksum_is_said(stored):
    png = bytearray(stored(head(), (b"IDAT", zlib.compress(bytes(20)))))
    png[-17] ^= 1
    with pytest.raises(ValueError, match="checksum of its IDAT"):
        decode_samples(bytes(png))


@pytest.mark.parametrize("wrong", [{"depth": 3}, {"color_type": 1}, {"color_type": 2, "depth": 4}, {"interlaced": 2}])
def test_headers_that_cannot_be_are_refused(stored, wrong):
    with pytest.raises(ValueError, match="its header has"):
        read_header(stored(head(**wrong)))
    with pytest.raises(ValueError, match="incomplete"):
        read_header(stored(head())[:32])
