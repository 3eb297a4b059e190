"""EXIF blocks and XMP packets: their orientation, which is read once and then set to upright."""

import re
import struct

EXIF_MARK = b"Exif\x00\x00"
ORIENTATION = 0x0112
XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>)\s*)[1-8]")


def upright(exif: bytes) -> tuple[bytes, int]:
    """Return an EXIF block with its orientation set to 1, and the orientation that it had.

    All else is left untouched, but for the thumbnail of an image that was turned: it would lie on its side, so the
    link to it is cut.
    """
    block = bytearray(exif)
    start = len(EXIF_MARK)
    order = "<" if block[start : start + 2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(f"{order}I", block, start + 4)
        (entries,) = struct.unpack_from(f"{order}H", block, start + directory)
        for index in range(entries):
            entry = start + directory + 2 + 12 * index
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, entry)
            if tag == ORIENTATION and kind == 3 and 1 <= value <= 8:
                struct.pack_into(f"{order}H", block, entry + 8, 1)
                if value > 1:
                    struct.pack_into(f"{order}I", block, start + directory + 2 + 12 * entries, 0)
                return bytes(block), value
    except struct.error:
        pass
    return exif, 1


def upright_xmp(xmp: bytes) -> bytes:
    """Return an XMP packet with its orientation set to 1, which some readers prefer to that of EXIF."""
    return XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def marked(exif: bytes | None) -> bytes | None:
    """Return an EXIF block from its mark on, or None for an empty one."""
    return EXIF_MARK + exif.removeprefix(EXIF_MARK) if exif else None
