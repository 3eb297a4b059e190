"""Runs of a BMP, decoded as Pillow does, in time that depends on the file."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from pellucid.image import read_image
from pellucid.image.bmp import decode_rle


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x03\x05\0\0" + b"\x02\x07\0\x01", [[7, 7, 0], [5, 5, 5]]),
        (b"\x03\x05\0\0" + b"\x03\x07", [[7, 7, 7], [5, 5, 5]]),  # without the mark of the end
        (b"\x09\x05\0\0" + b"\x01\x07\0\x01", [[7, 0, 0], [5, 5, 5]]),  # a run that goes over the edge
        (b"\0\x03abc\0" + b"\0\0" + b"\0\x02\x01\0" + b"\x01\x07\0\x01", [[0, 7, 0], list(b"abc")]),
        (b"\0\x02\x02\x01" + b"\x01\x07\0\x01", [[0, 0, 7], [0, 0, 0]]),
        (b"\0\x02\x09\x09", [[0, 0, 0], [0, 0, 0]]),
    ],
)
def test_runs_stretches_and_jumps(data, expected):
    assert decode_rle(io.BytesIO(data), 2, 3, is_half=False).tolist() == expected


def test_indices_of_four_bits():
    data = b"\x03\x12" + b"\0\0" + b"\0\x03\x34\x50" + b"\0\x01"
    assert decode_rle(io.BytesIO(data), 2, 3, is_half=True).tolist() == [[3, 4, 5], [1, 2, 1]]


@pytest.mark.parametrize("data", [b"", b"\x03", b"\x03\x05", b"\x03\x05\0\0", b"\x03\x05\0\0\0\x03ab"])
def test_runs_cut_short_are_refused(data):
    with pytest.raises(ValueError, match="its runs end in row"):
        decode_rle(io.BytesIO(data), 2, 3, is_half=False)


@pytest.mark.parametrize("gray", [False, True])
def test_colors_of_runs_are_those_of_the_palette(tmp_path, gray):
    palette = np.arange(256, dtype=np.uint8)[::-1, None].repeat(4, axis=1)
    palette[:, 1] = palette[:, 1] if gray else 9
    body = b"\x02\x05\x01\xff\0\0" + b"\0\x03\x01\x02\x03\0" + b"\0\x01"
    header = struct.pack("<IiiHHIIiiII", 40, 3, 2, 1, 8, 1, len(body), 0, 0, 256, 0)
    start = 54 + palette.nbytes
    head = struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
    (tmp_path / "a.bmp").write_bytes(head + header + palette.tobytes() + body)
    with Image.open(tmp_path / "a.bmp") as picture:
        expected = np.asarray(picture.convert("L" if gray else "RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.bmp").pixels, expected)
