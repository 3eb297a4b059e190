"""Image files and arrays: read, checked, written atomically; and turned into the networks' (N, C, H, W) and back."""

from pellucid.image.arrays import data_range_of, from_nchw, range_remark, to_nchw
from pellucid.image.files import list_images, read_image, write_image
from pellucid.image.formats import ImageFile

__all__ = [
    "ImageFile",
    "data_range_of",
    "from_nchw",
    "list_images",
    "range_remark",
    "read_image",
    "to_nchw",
    "write_image",
]
