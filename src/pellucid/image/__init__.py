"""Image files and arrays: read, checked and written atomically; arrays converted to (N, C, H, W) and back."""

from pellucid.image.arrays import data_range_of, from_nchw, range_warning, to_nchw
from pellucid.image.files import image_size, list_images, read_image, write_image
from pellucid.image.formats import ImageFile

__all__ = [
    "ImageFile",
    "data_range_of",
    "from_nchw",
    "image_size",
    "list_images",
    "range_warning",
    "read_image",
    "to_nchw",
    "write_image",
]
