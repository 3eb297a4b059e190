"""BMP: read with Pillow, but run-length encoding is decoded here; written with alpha if there is one."""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.image.color import is_gray
from pellucid.image.formats import ImageData, ImageFile, Metadata, StoredImage, make_image_file, make_image_size
from pellucid.image.guards.limits import ReadLimits

INCH = 0.0254  # meters
END_OF_LINE, END, JUMP = 0, 1, 2


def open_image(stream: BinaryIO, path: Path, limits: ReadLimits) -> StoredImage:
    """Open an image; a palette becomes RGB, or gray if all of its colors are gray."""
    from PIL.BmpImagePlugin import BmpImageFile

    picture: Any = BmpImageFile(stream)
    limits.check(path, picture.height, picture.width)
    mode = picture.mode
    metadata = Metadata(dpi=picture.info.get("dpi"))

    def decode() -> ImageFile:
        codec, _, start, options = picture.tile[0]
        if codec == "bmp_rle":
            samples = _decode_rle_picture(stream, picture, start, is_half=bool(options[1]))
        elif mode == "P":
            samples = _gray_if_possible(np.asarray(picture.convert("RGB")))
        else:
            samples = np.asarray(
                picture if mode in ("L", "RGB", "RGBA") else picture.convert("L" if mode == "1" else "RGB")
            )
        return make_image_file(path, "BMP", samples, mode == "RGBA", 1 if mode == "1" else 8, metadata)

    channels = {"P": None, "1": 1, "L": 1}.get(mode, 3)
    return StoredImage(make_image_size("BMP", picture.height, picture.width, channels, metadata), decode)


def write(stream: BinaryIO, image: ImageData) -> None:
    """Write gray or RGB; with alpha RGBA, with the bit masks by which readers find the alpha channel."""
    from PIL import Image

    samples, dpi = image.samples, image.metadata.dpi
    if not image.has_alpha:
        options: dict[str, Any] = {"dpi": dpi} if dpi else {}
        Image.fromarray(np.ascontiguousarray(samples)).save(stream, "BMP", **options)
        return
    if samples.shape[2] == 2:
        samples = samples[..., (0, 0, 0, 1)]
    height, width = samples.shape[:2]
    per_meter = [round(value / INCH) for value in dpi or (0, 0)]
    # BITMAPV4HEADER: 32 bits as bit fields, with the masks of red, green, blue and alpha.
    masks = struct.pack("<4I4s48x", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, samples.size, *per_meter, 0, 0) + masks
    stream.write(struct.pack("<2sIHHI", b"BM", 14 + len(header) + samples.size, 0, 0, 14 + len(header)) + header)
    for row in samples[::-1]:
        stream.write(row[:, (2, 1, 0, 3)].tobytes())


def _decode_rle_picture(stream: BinaryIO, picture: Any, start: int, is_half: bool) -> np.ndarray:
    """Return gray or RGB samples; Pillow would run a step of Python for each pixel."""
    stream.seek(start)
    indices = decode_rle(stream, picture.height, picture.width, is_half)
    if picture.mode != "P":
        return indices if picture.mode == "L" else indices * np.uint8(255)
    order, stored = picture.palette.rawmode, picture.palette.palette
    palette = np.zeros((256, 3), np.uint8)
    colors = np.frombuffer(stored[: len(stored) // len(order) * len(order)], np.uint8).reshape(-1, len(order))[:256]
    palette[: len(colors)] = colors[:, [order.index(color) for color in "RGB"]]
    return _gray_if_possible(palette[indices])


def _gray_if_possible(samples: np.ndarray) -> np.ndarray:
    return samples[..., 0] if is_gray(samples) else samples


def decode_rle(stream: BinaryIO, height: int, width: int, is_half: bool) -> np.ndarray:
    """Return palette indices (H, W), uint8, from run-length encoding (RLE8, RLE4); skipped pixels are 0.

    It takes time in proportion to the file, not to the number of pixels in its header.

    Args:
        stream: at the first run.
        height: of the image in pixels.
        width: of the image in pixels.
        is_half: whether an index takes four bits (RLE4).

    Raises:
        ValueError: if the file ends before the image does.
    """
    data = stream.read()
    indices = np.zeros((height, width), np.uint8)
    position = row = column = 0
    while row < height:
        if position + 2 > len(data):
            if row == height - 1 and column >= width:
                break  # many files have no code for the end
            raise ValueError(f"its runs end in row {row + 1} of {height}")
        count, value = data[position], data[position + 1]
        position += 2
        if count:
            values = _split_bytes(bytes((value,)) * (count // 2 + 1)) if is_half else np.full(count, value, np.uint8)
            column = _write_pixels(indices, row, column, values[:count])
        elif value == END_OF_LINE:
            row, column = row + 1, 0
        elif value == END:
            break
        elif value == JUMP:
            across, up = data[position : position + 2].ljust(2, b"\0")
            row, column, position = row + up, column + across, position + 2
        else:
            length = (value + 1) // 2 if is_half else value
            literal = data[position : position + length]
            if len(literal) < length:
                raise ValueError(f"its runs end in row {row + 1} of {height}")
            values = _split_bytes(literal)[:value] if is_half else np.frombuffer(literal, np.uint8)
            column = _write_pixels(indices, row, column, values)
            position += length + length % 2
    return indices[::-1]


def _write_pixels(indices: np.ndarray, row: int, column: int, values: np.ndarray) -> int:
    """Write values into a row, cut off at its end, and return the next column."""
    pixels = indices[row, column : column + len(values)]
    pixels[:] = values[: len(pixels)]
    return column + len(values)


def _split_bytes(data: bytes) -> np.ndarray:
    """Return two indices for each byte, the upper half first."""
    pairs = np.frombuffer(data, np.uint8)
    return np.stack([pairs >> 4, pairs & 15], axis=1).reshape(-1)
