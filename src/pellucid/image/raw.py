"""Camera raw files, if rawpy is installed: developed into 16 bits; they are never written."""

from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from pellucid.errors import PellucidError
from pellucid.image.formats import Budget, ImageFile, Metadata, finished
from pellucid.image.tiff_tags import exif_of

TIFF_STARTS = (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")


def read(stream: BinaryIO, path: Path, budget: Budget) -> ImageFile:
    """Develop a raw file to upright sRGB of 16 bits, with the camera's white balance.

    Nothing is brightened, since that clips the highlights, and LibRaw's own noise reduction stays off.
    """
    try:
        rawpy = import_module("rawpy")
    except ImportError:
        raise PellucidError(
            f"{path} is a camera raw file: pip install rawpy to read it, or develop it to TIFF first"
        ) from None
    metadata = Metadata(exif=exif_of(stream) if stream.read(4) in TIFF_STARTS else None)
    budget.check_text(path, metadata.size)
    stream.seek(0)
    try:
        with rawpy.imread(stream) as raw:
            budget.check(path, raw.sizes.iheight, raw.sizes.iwidth)
            samples = raw.postprocess(output_bps=16, use_camera_wb=True, no_auto_bright=True)
    except rawpy.LibRawError as error:
        raise ValueError(error.args[0].decode()) from error  # it says what is wrong in bytes
    return finished(path, "RAW", samples, False, 16, metadata)
