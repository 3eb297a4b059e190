"""Small images of every mode of Pillow, and metadata for them."""

import functools
import io
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageCms

SIDES = (17, 48)


def samples(rng: Generator, *shape: int) -> np.ndarray:
    """Return a ramp with noise as uint8, of any shape."""
    ramp = np.linspace(0, 200, shape[-2] if len(shape) == 3 else shape[-1])
    ramp = ramp[:, None] if len(shape) == 3 else ramp
    return (ramp + rng.integers(0, 56, shape)).astype(np.uint8)


def size(rng: Generator) -> tuple[int, int]:
    """Return a random height and width."""
    height, width = rng.integers(*SIDES, 2)
    return int(height), int(width)


def picture(rng: Generator, mode: str) -> Image.Image:
    """Return an image of one of Pillow's modes."""
    image = Image.fromarray(samples(rng, *size(rng), 3))
    if mode == "RGBA":
        image.putalpha(Image.fromarray(samples(rng, image.height, image.width)))
        return image
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the image as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@functools.cache
def profile() -> bytes:
    """Return an sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation: int) -> bytes:
    """Return an EXIF block with a camera, an exposure time, a GPS position and an orientation."""
    block = Image.Exif()
    block[0x0112], block[271], block[282], block[283], block[296] = orientation, "Camera", 300.0, 300.0, 2
    block.get_ifd(0x8769)[33434] = 0.02
    block.get_ifd(0x8825)[1] = "N"
    return block.tobytes()
