import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from pellucid.image import ImageFile, read_image, write_image

RNG = np.random.default_rng(0)


@pytest.fixture(scope="session")
def random():
    """Make random samples of any shape over the full range of their dtype; floats in [0, 1)."""

    def random(shape, dtype="uint8"):
        if np.dtype(dtype).kind == "f":
            return RNG.random(shape).astype(dtype)
        return RNG.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)

    return random


@pytest.fixture(scope="session")
def icc():
    """An sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="session")
def exif_block():
    """Make an EXIF block with a camera, an exposure time, a GPS position and an orientation."""

    def exif_block(orientation=6):
        block = Image.Exif()
        block[0x0112], block[271] = orientation, "Camera"
        block.get_ifd(0x8769)[33434] = 0.02
        block.get_ifd(0x8825)[1] = "N"
        return block.tobytes()

    return exif_block


@pytest.fixture(scope="session")
def chunk():
    """Make a PNG chunk with its length and checksum."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return chunk


@pytest.fixture
def again(tmp_path):
    """Write an image in its own format with its own metadata, and read the result."""

    def again(found: ImageFile, suffix: str | None = None, pixels=None) -> ImageFile:
        target = tmp_path / f"again{suffix or found.path.suffix}"
        write_image(target, found.pixels if pixels is None else pixels, like=found, overwrite=True)
        return read_image(target)

    return again
