"""EXIF blocks and XMP packets: their orientation, and EXIF in TIFF files."""

import re
import struct
from typing import Any, BinaryIO

EXIF_HEADER = b"Exif\x00\x00"
ORIENTATION = 0x0112
EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)  # description, make, model, software, time, artist, copyright
BIG_TIFF = 43
XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>)\s*)[1-8]")


def reset_orientation(exif: bytes) -> tuple[bytes, int]:
    """Return an EXIF block with its orientation set to 1, and the orientation that it had (1 to 8).

    If that was not 1, the link to the thumbnail is removed too, since the thumbnail is not turned.
    """
    block = bytearray(exif)
    start = len(EXIF_HEADER)
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


def reset_xmp_orientation(xmp: bytes) -> bytes:
    """Return an XMP packet with its orientation set to 1; some programs prefer it to that of EXIF."""
    return XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def with_exif_header(exif: bytes | None) -> bytes | None:
    """Return an EXIF block that starts with `EXIF_HEADER`, or None for an empty one."""
    return EXIF_HEADER + exif.removeprefix(EXIF_HEADER) if exif else None


def read_tiff_exif(stream: BinaryIO) -> bytes | None:
    """Return the descriptive tags, EXIF and GPS of the first page of a TIFF as an EXIF block, without orientation."""
    from PIL import Image
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    kept = Image.Exif()
    try:
        stream.seek(0)
        head = stream.read(8)
        head += stream.read(8) if head[2] == BIG_TIFF else b""
        stored = ImageFileDirectory_v2(head)
        stream.seek(stored.next)
        stored.load(stream)
        for tag in DESCRIPTIVE:
            if tag in stored:
                kept[tag] = stored[tag]
        for tag in (EXIF_DIRECTORY, GPS_DIRECTORY):
            if tag in stored:
                directory = ImageFileDirectory_v2(head, group=tag)
                stream.seek(stored[tag])
                directory.load(stream)
                kept.get_ifd(tag).update(dict(directory))
        return kept.tobytes() if len(kept) else None
    except (SyntaxError, ValueError, IndexError, KeyError, TypeError, OSError, OverflowError, struct.error):
        return None


def read_directories(exif: bytes | None) -> tuple[dict[int, dict], tuple[tuple, ...]]:
    """Return the directories of an EXIF block by their tags, and its descriptive tags as tifffile writes them."""
    from PIL import Image

    block = Image.Exif()
    if exif:
        block.load(exif)
    directories = {tag: dict(block.get_ifd(tag)) for tag in (EXIF_DIRECTORY, GPS_DIRECTORY)}
    texts = tuple((tag, 2, 0, _text(block[tag]), True) for tag in DESCRIPTIVE if tag in block)
    return {tag: entries for tag, entries in directories.items() if entries}, texts


def _text(value: Any) -> bytes:
    return str(value).encode("utf-8", "replace").rstrip(b"\0") + b"\0"
