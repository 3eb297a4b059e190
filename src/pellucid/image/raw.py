"""Camera raw files, developed to 16 bits by rawpy if it is installed; they are never written."""

from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from pellucid.errors import PellucidError
from pellucid.image.exif import read_tiff_exif
from pellucid.image.formats import ImageFile, Metadata, StoredImage, make_image_file, make_image_size
from pellucid.image.guards.limits import ReadLimits

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
QUARTER_TURNS = (5, 6)  # LibRaw's codes of the rotations that swap height and width


def open_image(stream: BinaryIO, path: Path, limits: ReadLimits) -> StoredImage:
    """Open a raw file, to be developed to upright sRGB of 16 bits with the camera's white balance.

    Automatic brightening, which clips highlights, and LibRaw's noise reduction stay off.
    """
    try:
        rawpy = import_module("rawpy")
    except ImportError:
        raise PellucidError(
            f"{path} is a camera raw file: pip install rawpy to read it, or develop it to TIFF first"
        ) from None
    metadata = Metadata(exif=read_tiff_exif(stream) if stream.read(4) in TIFF_SIGNATURES else None)
    limits.check_text(path, metadata.size)
    stream.seek(0)
    try:
        raw = rawpy.imread(stream)
    except rawpy.LibRawError as error:
        raise ValueError(error.args[0].decode()) from error  # its messages are bytes
    sizes = raw.sizes
    limits.check(path, sizes.iheight, sizes.iwidth)

    def decode() -> ImageFile:
        try:
            with raw:
                samples = raw.postprocess(output_bps=16, use_camera_wb=True, no_auto_bright=True)
        except rawpy.LibRawError as error:
            raise ValueError(error.args[0].decode()) from error
        return make_image_file(path, "RAW", samples, False, 16, metadata)

    height, width = (sizes.iwidth, sizes.iheight) if sizes.flip in QUARTER_TURNS else (sizes.iheight, sizes.iwidth)
    return StoredImage(make_image_size("RAW", height, width, 3, Metadata()), decode)
