"""What a file gives, whatever is in it: an image that can be written and read again, or one line that refuses it."""

import io

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image import ImageFile, read_image, write_image

LONGEST = 600  # characters of a refusal


def opened(data: bytes, most_pixels: int) -> ImageFile | str:
    """Read a file as any command does, write what it holds as a file of the same format, and read that.

    Returns:
        The image, or the line that refuses it or its writing.

    Raises:
        AssertionError: if neither is as it has to be.
    """
    try:
        image = read_image(io.BytesIO(data), most_pixels)
        written = io.BytesIO()
        write_image(written, image.pixels, like=image)
    except PellucidError as error:
        message = str(error)
        assert message.isprintable() and len(message) < LONGEST and "should not happen" not in message, message
        return message
    assert image.pixels.dtype in (np.uint8, np.uint16, np.float32) and image.pixels.size
    again = read_image(io.BytesIO(written.getvalue()), most_pixels)
    # Of equal frames in a row an animation keeps one.
    assert image.is_stack or again.pixels.shape == image.pixels.shape
    assert again.pixels.dtype == image.pixels.dtype
    return image
