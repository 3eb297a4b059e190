import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from pellucid.errors import PellucidError
from pellucid.image import ImageFile, read_image, write_image

RNG = np.random.default_rng(0)


@pytest.fixture(scope="session")
def refusal():
    """Call what has to be refused in one line, and return that line."""

    def refusal(function, *arguments, **options):
        with pytest.raises(PellucidError) as caught:
            function(*arguments, **options)
        message = str(caught.value)
        assert "\n" not in message and len(message) < 600
        return message

    return refusal


@pytest.fixture(scope="session")
def random():
    """Make samples of any shape over the whole range of their type; floats in [0, 1)."""

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
    """Make an EXIF block of a camera with a place and an orientation."""

    def exif_block(orientation=6):
        block = Image.Exif()
        block[0x0112], block[271] = orientation, "Camera"
        block.get_ifd(0x8769)[33434] = 0.02
        block.get_ifd(0x8825)[1] = "N"
        return block.tobytes()

    return exif_block


@pytest.fixture(scope="session")
def chunk():
    """Frame a PNG chunk."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return chunk


@pytest.fixture
def again(tmp_path):
    """Write an image like itself, of the same format, and return what is read back."""

    def again(found: ImageFile, suffix: str | None = None, pixels=None) -> ImageFile:
        target = tmp_path / f"again{suffix or found.path.suffix}"
        write_image(target, found.pixels if pixels is None else pixels, like=found, overwrite=True)
        return read_image(target)

    return again
