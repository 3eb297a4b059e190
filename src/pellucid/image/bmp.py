"""BMP: read by way of Pillow; written with alpha where there is one."""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.image import bmp_rle
from pellucid.image.color import all_gray
from pellucid.image.formats import Budget, ImageFile, Metadata, Sheet, finished

INCH = 0.0254


def read(stream: BinaryIO, path: Path, budget: Budget) -> ImageFile:
    """Read an image; palettes become colours, or gray if all are gray."""
    from PIL.BmpImagePlugin import BmpImageFile

    picture: Any = BmpImageFile(stream)
    budget.check(path, picture.height, picture.width)
    mode = picture.mode
    kind, _, start, options = picture.tile[0]
    if kind == "bmp_rle":
        samples = _runs(stream, picture, start, options)
    elif mode == "P":
        samples = np.asarray(picture.convert("RGB"))
        samples = samples[..., 0] if all_gray(samples) else samples
    else:
        samples = np.asarray(
            picture if mode in ("L", "RGB", "RGBA") else picture.convert("L" if mode == "1" else "RGB")
        )
    metadata = Metadata(dpi=picture.info.get("dpi"))
    return finished(path, "BMP", samples, mode == "RGBA", 1 if mode == "1" else 8, metadata)


def _runs(stream: BinaryIO, picture: Any, start: int, options: tuple) -> np.ndarray:
    """Return colours, or gray if all are gray; Pillow would take a step of Python for each pixel."""
    stream.seek(start)
    indices = bmp_rle.decode(stream, picture.height, picture.width, is_half=bool(options[1]))
    if picture.mode != "P":
        return indices if picture.mode == "L" else indices * np.uint8(255)
    kind, stored = picture.palette.rawmode, picture.palette.palette
    palette = np.zeros((256, 3), np.uint8)
    colours = np.frombuffer(stored[: len(stored) // len(kind) * len(kind)], np.uint8).reshape(-1, len(kind))[:256]
    palette[: len(colours)] = colours[:, [kind.index(colour) for colour in "RGB"]]
    samples = palette[indices]
    return samples[..., 0] if all_gray(samples) else samples


def write(stream: BinaryIO, sheet: Sheet) -> None:
    """Write gray, RGB, or RGBA with the masks that tell readers of the alpha channel."""
    from PIL import Image

    samples, dpi = sheet.samples, sheet.metadata.dpi
    if not sheet.has_alpha:
        options: dict[str, Any] = {"dpi": dpi} if dpi else {}
        Image.fromarray(np.ascontiguousarray(samples)).save(stream, "BMP", **options)
        return
    if samples.shape[2] == 2:
        samples = samples[..., (0, 0, 0, 1)]
    height, width = samples.shape[:2]
    metres = [round(value / INCH) for value in dpi or (0, 0)]
    # BITMAPV4HEADER: 32 bits as bit fields, whose masks stand for red, green, blue and alpha.
    masks = struct.pack("<4I4s48x", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, samples.size, *metres, 0, 0) + masks
    stream.write(struct.pack("<2sIHHI", b"BM", 14 + len(header) + samples.size, 0, 0, 14 + len(header)) + header)
    for row in samples[::-1]:
        stream.write(row[:, (2, 1, 0, 3)].tobytes())
