"""The tags of TIFF files: what describes the image is kept to the byte, EXIF and GPS as directories."""

import io
import struct
from typing import Any, BinaryIO

from pellucid.image.exif import ORIENTATION

EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
DESCRIPTION, RESOLUTION_X, RESOLUTION_Y, RESOLUTION_UNIT, XMP, PROFILE = 270, 282, 283, 296, 700, 34675
DESCRIPTIVE = (DESCRIPTION, 271, 272, 305, 306, 315, 33432)  # and make, model, software, time, artist, copyright
IMAGEJ = (50838, 50839)
# What says how the samples are stored, which the writer says anew; what lies elsewhere in the file; and the layers
# that Photoshop would show in place of the image.
# fmt: off
STRUCTURAL = frozenset((
    *range(254, 260), *range(262, 267), *range(273, 285), *range(288, 294), RESOLUTION_UNIT, 301, 317, 320,
    *range(322, 326), 330, *range(332, 343), 347, 400, *range(512, 533), XMP, 32997, 32998, PROFILE,
    EXIF_DIRECTORY, GPS_DIRECTORY, 37724, 40965,
))
# fmt: on
LARGEST_TYPE = 13  # of classic TIFF
CLASSIC, BIG = 42, 43  # the marks of files with offsets of 32 and 64 bits
UNITS = (1, 2, 3)  # of the resolution: none, inch, centimetre
DOTS = {2: 1.0, 3: 2.54}  # from the resolution unit to an inch

RawTag = tuple[int, int, int, bytes, bool]


def copied(page: Any, stream: BinaryIO) -> tuple[RawTag, ...]:
    """Return the tags of a page that describe it, in the file's byte order, as tifffile takes them back."""
    tags = []
    for tag in page.tags:
        if tag.code not in STRUCTURAL and tag.dtype <= LARGEST_TYPE:
            stream.seek(tag.valueoffset)
            tags.append((int(tag.code), int(tag.dtype), int(tag.count), stream.read(tag.valuebytecount), True))
    return tuple(tags)


def orientation_of(page: Any) -> int:
    """Return a page's orientation, 1 to 8; 1 where it is stored as anything else."""
    stored = page.tags.valueof(ORIENTATION)
    return stored if isinstance(stored, int) and 1 <= stored <= 8 else 1


def resolution(page: Any) -> tuple[tuple[int, int], tuple[int, int], int] | None:
    """Return the resolution as stored, two fractions and their unit, or None if it cannot be."""
    tags = page.tags
    across, down = tags.valueof(RESOLUTION_X), tags.valueof(RESOLUTION_Y)
    if not all(isinstance(axis, tuple) and len(axis) == 2 and all(axis) for axis in (across, down)):
        return None
    unit = tags.valueof(RESOLUTION_UNIT, default=2)
    return (across, down, int(unit)) if unit in UNITS else None


def dpi_of(found: tuple[tuple[int, int], tuple[int, int], int] | None) -> tuple[float, float] | None:
    """Return pixels an inch, or None where the unit is another, as in microscopy."""
    if found is None or found[2] not in DOTS:
        return None
    return found[0][0] / found[0][1] * DOTS[found[2]], found[1][0] / found[1][1] * DOTS[found[2]]


def exif_of(stream: BinaryIO) -> bytes | None:
    """Return the first page's descriptive tags, its EXIF and its GPS directory as an EXIF block; no orientation."""
    from PIL import Image
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    kept = Image.Exif()
    try:
        stream.seek(0)
        head = stream.read(8)
        head += stream.read(8) if head[2] == BIG else b""
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


def directories_of(exif: bytes | None) -> tuple[dict[int, dict], tuple[tuple, ...]]:
    """Return the directories of an EXIF block by their tags, and its descriptive tags as tifffile takes them."""
    from PIL import Image

    block = Image.Exif()
    if exif:
        block.load(exif)
    directories = {tag: dict(block.get_ifd(tag)) for tag in (EXIF_DIRECTORY, GPS_DIRECTORY)}
    texts = tuple((tag, 2, 0, _text(block[tag]), True) for tag in DESCRIPTIVE if tag in block)
    return {tag: entries for tag, entries in directories.items() if entries}, texts


def placeholders(directories: dict[int, dict], is_big: bool) -> tuple[tuple, ...]:
    """Return tags that keep room for directories: tifffile leaves theirs out, so each gets its number plus one."""
    return tuple((number + 1, 16 if is_big else 4, 1, 0, True) for number in directories)


def append_directories(stream: BinaryIO, directories: dict[int, dict]) -> None:
    """Write EXIF and GPS directories behind the image and point the tags that keep room at them."""
    import tifffile
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        is_big, order = file.is_bigtiff, file.byteorder
        first: Any = file.pages[0]
        places = {tag: (first.tags[tag + 1].offset, first.tags[tag + 1].valueoffset) for tag in directories}
    head = (
        (b"II" if order == "<" else b"MM")
        + struct.pack(f"{order}H", BIG if is_big else CLASSIC)
        + bytes(12 if is_big else 4)
    )
    for tag, entries in directories.items():
        directory = ImageFileDirectory_v2(head, group=tag)
        for key, value in entries.items():
            directory[key] = value
        start = stream.seek(0, io.SEEK_END)
        start += stream.write(bytes(start % 2))
        stream.write(directory.tobytes(start))
        tag_offset, value_offset = places[tag]
        stream.seek(tag_offset)
        stream.write(struct.pack(f"{order}H", tag))
        stream.seek(value_offset)
        stream.write(struct.pack(order + ("Q" if is_big else "I"), start))


def _text(value: Any) -> bytes:
    return str(value).encode("utf-8", "replace").rstrip(b"\0") + b"\0"
