"""The marks of a JPEG (T.81, annex B): what its frame announces and its scans come to, read without decoding."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

START, SCAN, END = 0xD8, 0xDA, 0xD9
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # marks without a length; among them those of restarts
ARITHMETIC = frozenset((0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
MARK = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
MOST_SCANS = 200
# Each block of 8x8 samples takes a bit at least, but where arithmetic coding is used.
MOST_PIXELS_A_BYTE = 512


@dataclass(frozen=True)
class Frame:
    """What a JPEG announces.

    Attributes:
        height: in pixels.
        width: in pixels.
        components: how many there are.
        coding: the second byte of the mark.
    """

    height: int
    width: int
    components: int
    coding: int


def frame_of(data: bytes, is_whole: bool = True) -> Frame:
    """Return the frame of the first image, after a check that its scans are there and not too many.

    Args:
        data: a file, or what stands in one.
        is_whole: whether the mark at its end has to be there.

    Raises:
        ValueError: if the image is cut short, has two frames or none, more scans than an encoder makes (each is a pass
            over the whole image), or fewer bytes than its pixels take.
    """
    frame, scans, first, place = None, 0, 0, 0
    for mark, start, length in marks(data, is_whole):
        place = start
        if mark in FRAMES:
            if frame is not None:
                raise ValueError("it has two frames")
            if min(length, len(data) - start) < 6:
                raise ValueError("its frame is incomplete")
            height, width, components = struct.unpack_from(">HHB", data, start + 1)
            frame = Frame(height, width, components, mark)
        elif mark == SCAN:
            scans += 1
            first = first or start
            if scans > MOST_SCANS:
                raise ValueError(f"it has more than {MOST_SCANS} scans")
    if frame is None or not scans:
        raise ValueError("it has no frame or no scan")
    if frame.coding not in ARITHMETIC and frame.height * frame.width > MOST_PIXELS_A_BYTE * (place - first):
        raise ValueError(f"its {place - first} bytes are too few for {frame.width}x{frame.height} pixels")
    return frame


def marks(data: bytes, is_whole: bool = True) -> Iterator[tuple[int, int, int]]:
    """Yield each mark up to the end of the first image: its second byte, where what belongs to it starts, and its size.

    Raises:
        ValueError: if the end is missing and `is_whole`.
    """
    place = 0
    while found := MARK.search(data, place):
        mark, start = found[1][0], found.end()
        if mark == END:
            yield mark, start, 0
            return
        if mark in ALONE:
            place = start
            continue
        if start + 2 > len(data):
            break
        (length,) = struct.unpack_from(">H", data, start)
        yield mark, start + 2, max(length - 2, 0)
        place = start + max(length, 2)
    if is_whole:
        raise ValueError("the mark at its end is missing")
    yield END, len(data), 0
