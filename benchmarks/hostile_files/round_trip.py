"""Read, write and read a file again: the result is an image, or one line that refuses it."""

import io

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image import ImageFile, image_size, read_image, write_image

MAX_MESSAGE_LENGTH = 600  # characters


def read_and_write(data: bytes, max_pixels: int) -> ImageFile | str:
    """Read a file, write its image in the same format, and read that.

    Args:
        data: the content of the file.
        max_pixels: the limit on its pixels.

    Returns:
        The image, or the message of the error if it cannot be read or written.

    Raises:
        AssertionError: if the image or the message is not as it should be.
    """
    try:
        image = read_image(io.BytesIO(data), max_pixels)
        written = io.BytesIO()
        write_image(written, image.pixels, like=image)
    except PellucidError as error:
        message = str(error)
        assert message.isprintable() and len(message) < MAX_MESSAGE_LENGTH and "should not happen" not in message, (
            message
        )
        return message
    _check_size(image, data, max_pixels)
    assert image.pixels.dtype in (np.uint8, np.uint16, np.float32) and image.pixels.size
    again = read_image(io.BytesIO(written.getvalue()), max_pixels)
    # Animations merge equal frames in a row.
    assert image.is_stack or again.pixels.shape == image.pixels.shape
    assert again.pixels.dtype == image.pixels.dtype
    return image


def _check_size(image: ImageFile, data: bytes, max_pixels: int) -> None:
    size = image_size(io.BytesIO(data), max_pixels)
    frames, height, width = image.pixels.shape[:3] if image.is_stack else (1, *image.pixels.shape[:2])
    channels = 1 if image.channel_axis is None else image.pixels.shape[-1]
    assert (size.format, size.frames, size.height, size.width) == (image.format, frames, height, width)
    assert size.channels in (channels, None)
