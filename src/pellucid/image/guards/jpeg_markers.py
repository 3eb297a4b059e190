"""The markers of a JPEG (T.81, annex B): checks of its frame and its scans without decoding."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

SCAN, END = 0xDA, 0xD9
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
STANDALONE_MARKERS = frozenset((0x01, *range(0xD0, 0xD9)))  # those without a length, such as restart markers
ARITHMETIC = frozenset((0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
MAX_SCANS = 200
# Each block of 8x8 samples takes at least one bit, except with arithmetic coding.
MAX_PIXELS_PER_BYTE = 512


@dataclass(frozen=True)
class Frame:
    """The frame header of a JPEG.

    Attributes:
        height: in pixels.
        width: in pixels.
        components: their number.
        coding: the second byte of the marker.
    """

    height: int
    width: int
    components: int
    coding: int


def read_frame(data: bytes, is_whole: bool = True) -> Frame:
    """Return the frame header of the first image after a check of its scans.

    Args:
        data: a file, or a JPEG stream in a file of another format.
        is_whole: whether the marker at its end must be there.

    Raises:
        ValueError: if the image is cut short, has no frame or two, more scans than any encoder writes (each is a pass
            over all pixels), or fewer bytes than its pixels need.
    """
    frame, num_scans, first_scan, position = None, 0, 0, 0
    for marker, start, length in iterate_markers(data, is_whole):
        position = start
        if marker in FRAMES:
            if frame is not None:
                raise ValueError("it has two frames")
            if min(length, len(data) - start) < 6:
                raise ValueError("its frame is incomplete")
            height, width, components = struct.unpack_from(">HHB", data, start + 1)
            frame = Frame(height, width, components, marker)
        elif marker == SCAN:
            num_scans += 1
            first_scan = first_scan or start
            if num_scans > MAX_SCANS:
                raise ValueError(f"it has more than {MAX_SCANS} scans")
    if frame is None or not num_scans:
        raise ValueError("it has no frame or no scan")
    if frame.coding not in ARITHMETIC and frame.height * frame.width > MAX_PIXELS_PER_BYTE * (position - first_scan):
        raise ValueError(f"its {position - first_scan} bytes are too few for {frame.width}x{frame.height} pixels")
    return frame


def iterate_markers(data: bytes, is_whole: bool = True) -> Iterator[tuple[int, int, int]]:
    """Yield (second byte, start of data, bytes of data) of each marker up to the end of the first image.

    Raises:
        ValueError: if the end is missing and `is_whole`.
    """
    position = 0
    while match := MARKER.search(data, position):
        marker, start = match[1][0], match.end()
        if marker == END:
            yield marker, start, 0
            return
        if marker in STANDALONE_MARKERS:
            position = start
            continue
        if start + 2 > len(data):
            break
        (length,) = struct.unpack_from(">H", data, start)
        yield marker, start + 2, max(length - 2, 0)
        position = start + max(length, 2)
    if is_whole:
        raise ValueError("the marker at its end is missing")
    yield END, len(data), 0
