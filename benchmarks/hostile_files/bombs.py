"""Files that announce, repeat or hide far more than they hold, built byte by byte."""

import struct
import zlib
from collections.abc import Callable

from numpy.random import default_rng

from hostile_files import bombs_tiff
from hostile_files.pictures import encoded, picture
from hostile_files.valid_png import SIGNATURE, file_of, framed, header

MEGABYTE = 1 << 20


def _zeros(size: int) -> bytes:
    """Return so many zeros, compressed."""
    deflater = zlib.compressobj(9)
    block = bytes(MEGABYTE)
    parts = [deflater.compress(block) for _ in range(size // MEGABYTE)]
    return b"".join([*parts, deflater.compress(bytes(size % MEGABYTE)), deflater.flush()])


def _png_of_gigapixels() -> bytes:
    return file_of([header(2**31 - 1, 2**31 - 1), (b"IDAT", zlib.compress(b"\0"))])


def _png_announcing() -> bytes:
    """Announce 15000x15000 pixels of 16 bits, and hold one row."""
    return file_of([header(15_000, 15_000, 16, 6), (b"IDAT", zlib.compress(bytes(120_001)))])


def _png_of_zeros() -> bytes:
    """Hold a megapixel of one bit in 200 bytes."""
    return file_of([header(1000, 1000, 1, 0), (b"IDAT", _zeros(1000 * 126))])


def _png_of_more_than_announced() -> bytes:
    return file_of([header(16, 16, 8, 0), (b"IDAT", _zeros(1 << 25))])


def _png_profile() -> bytes:
    """Carry fifty profiles that grow to 16 MB each."""
    packed = b"bomb\0\0" + _zeros(16 * MEGABYTE)
    body = (b"IDAT", zlib.compress(bytes(17 * 16)))
    return file_of([header(16, 16, 8, 0), *[(b"iCCP", packed)] * 50, body])


def _png_text() -> bytes:
    """Carry texts that grow, and one on which a careless regular expression takes quadratic time."""
    packed = b"Raw profile type exif\0\0" + _zeros(16 * MEGABYTE)
    blanks = b"Raw profile type exif\0\nexif\n1" + b" " * 100_000 + b"!"
    body = (b"IDAT", zlib.compress(bytes(17 * 16)))
    return file_of([header(16, 16, 8, 0), *[(b"zTXt", packed)] * 30, (b"tEXt", blanks), body])


def _png_of_many_chunks() -> bytes:
    body = framed(b"IDAT", zlib.compress(bytes(17 * 16)))
    return SIGNATURE + framed(*header(16, 16, 8, 0)) + framed(b"tEXt", b"a\0") * 50_000 + body + framed(b"IEND", b"")


def _png_frames() -> bytes:
    """Announce two billion frames, and hold one."""
    control = struct.pack(">II", 2**31 - 1, 0)
    shown = struct.pack(">IIIIIHHBB", 0, 16, 16, 0, 0, 1, 30, 0, 0)
    body = (b"IDAT", zlib.compress(bytes(17 * 16)))
    return file_of([header(16, 16, 8, 0), (b"acTL", control), (b"fcTL", shown), body])


def _jpeg_sized(data: bytes, height: int, width: int) -> bytes:
    """Return a JPEG whose frame header (T.81, B.2.2) announces another size."""
    broken = bytearray(data)
    place = next(data.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data)
    struct.pack_into(">HH", broken, place + 5, height, width)
    return bytes(broken)


def _jpeg(**options) -> bytes:
    return encoded(picture(default_rng(0), "RGB"), "JPEG", **options)


def _jpeg_of_gigapixels() -> bytes:
    return _jpeg_sized(_jpeg(), 65_500, 65_500)


def _jpeg_announcing() -> bytes:
    """Announce 14000x14000 pixels, and hold a few."""
    return _jpeg_sized(_jpeg(), 14_000, 14_000)


def _jpeg_of_scans(count: int = 20_000, side: int = 4000) -> bytes:
    """Repeat the scan of the finest detail again and again, each a pass over the whole image."""
    data = _jpeg_sized(_jpeg(progressive=True), side, side)
    start = data.rindex(b"\xff\xda")
    scan = data[start : start + 10] + b"\0"
    return data[:-2] + scan * count + b"\xff\xd9"


def _jpeg_of_two_sizes() -> bytes:
    """Add a second frame header, which some readers ignore."""
    data = _jpeg()
    place = data.index(b"\xff\xc0")
    (size,) = struct.unpack_from(">H", data, place + 2)
    frame = bytearray(data[place : place + 2 + size])
    struct.pack_into(">HH", frame, 5, 60_000, 60_000)
    return data[:place] + bytes(frame) + data[place:]


def _exif_of_shared_values(length: int = MEGABYTE, count: int = 60_000) -> bytes:
    """Return an EXIF block whose entries all name the same bytes as their value."""
    entries = b"".join(struct.pack("<HHII", 1 + tag, 7, length - 8, 8) for tag in range(count))
    return b"Exif\0\0" + (b"II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + bytes(4)).ljust(length, b"\0")


def _jpeg_exif() -> bytes:
    data, block = _jpeg(), _exif_of_shared_values()
    tiff = block[6:]
    pieces = [b"Exif\0\0" + tiff[start : start + 65_000] for start in range(0, len(tiff), 65_000)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(piece) + 2) + piece for piece in pieces)
    # Without the resolution of JFIF, which readers prefer.
    start = data.index(b"\xff\xdb")
    return b"\xff\xd8" + segments + data[start:]


def _png_exif() -> bytes:
    body = (b"IDAT", zlib.compress(bytes(17 * 16)))
    return file_of([header(16, 16, 8, 0), (b"eXIf", _exif_of_shared_values()[6:]), body])


def _webp_exif() -> bytes:
    return encoded(picture(default_rng(0), "RGB"), "WebP", exif=_exif_of_shared_values())


def _webp_of_one_color() -> bytes:
    """Hold 268 megapixels of one color in a few bytes: codes of one symbol take no bits (RFC 9649, section 3)."""
    side = 16_383
    bits = (0x2F, 8), (side - 1, 14), (side - 1, 14), (0, 1), (0, 3), (0, 1), (0, 1), (0, 1)
    # Five simple prefix codes of one symbol each: green, red, blue, alpha, distance.
    codes = [piece for _ in range(5) for piece in ((1, 1), (0, 1), (0, 1), (0, 1))]
    packed = position = 0
    for value, count in (*bits, *codes):
        packed |= value << position
        position += count
    data = packed.to_bytes(-(-position // 8) + 8, "little")
    data += bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", 12 + len(data)) + b"WEBPVP8L" + struct.pack("<I", len(data)) + data


def _webp_frames() -> bytes:
    """Hold twenty thousand frames of nothing on a canvas of 16384x16384."""
    frame = b"ANMF" + struct.pack("<I", 16) + bytes(16)
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff\x3f\0" * 2
    body = b"WEBP" + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6) + frame * 20_000
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _bmp(width: int, height: int, depth: int, compression: int, body: bytes, colors: int = 0) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, depth, compression, len(body), 0, 0, colors, 0)
    palette = bytes(4 << depth) if depth <= 8 else b""
    start = 14 + len(head) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + head + palette + body


def _bmp_of_gigapixels() -> bytes:
    return _bmp(2**31 - 1, -(2**31), 24, 0, b"")


def _bmp_announcing() -> bytes:
    return _bmp(15_000, 15_000, 24, 0, bytes(99))


def _bmp_of_runs() -> bytes:
    """Jump over 255 rows of 16000 pixels with every four bytes."""
    return _bmp(16_000, 16_000, 8, 1, b"\0\x02\xff\xff" * 99)


def _bmp_of_line_ends() -> bytes:
    """Leave rows of a thousand pixels after their first pixel."""
    return _bmp(1000, 1000, 8, 1, b"\x01\x07\0\0" * 1000)


def _bmp_of_colors() -> bytes:
    return _bmp(4, 4, 8, 0, bytes(16), colors=2**32 - 1)


def _pnm_of_gigapixels() -> bytes:
    return b"P6\n999999999 999999999\n255\n"


def _pnm_announcing() -> bytes:
    return b"P6\n15000 15000\n65535\n" + bytes(99)


def _pnm_plain() -> bytes:
    """Hold three million numbers where four are announced."""
    return b"P2\n2 2\n255\n" + b"1 " * 3_000_000


def _pnm_of_blanks() -> bytes:
    return b"P5\n" + b" #\n" * 20_000 + b"1"


def _gif_of_gigapixels() -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b"\x2c" + bytes(10)


BOMBS: dict[str, Callable[[], bytes]] = {
    "png-gigapixels": _png_of_gigapixels,
    "png-announcing": _png_announcing,
    "png-zeros": _png_of_zeros,
    "png-more-than-announced": _png_of_more_than_announced,
    "png-profile": _png_profile,
    "png-text": _png_text,
    "png-chunks": _png_of_many_chunks,
    "png-frames": _png_frames,
    "png-exif": _png_exif,
    "jpeg-gigapixels": _jpeg_of_gigapixels,
    "jpeg-announcing": _jpeg_announcing,
    "jpeg-scans": _jpeg_of_scans,
    "jpeg-two-sizes": _jpeg_of_two_sizes,
    "jpeg-exif": _jpeg_exif,
    "webp-one-color": _webp_of_one_color,
    "webp-frames": _webp_frames,
    "webp-exif": _webp_exif,
    "bmp-gigapixels": _bmp_of_gigapixels,
    "bmp-announcing": _bmp_announcing,
    "bmp-runs": _bmp_of_runs,
    "bmp-line-ends": _bmp_of_line_ends,
    "bmp-colors": _bmp_of_colors,
    "pnm-gigapixels": _pnm_of_gigapixels,
    "pnm-announcing": _pnm_announcing,
    "pnm-plain": _pnm_plain,
    "pnm-blanks": _pnm_of_blanks,
    "gif-gigapixels": _gif_of_gigapixels,
    **{f"tiff-{name}": make for name, make in bombs_tiff.MAKERS.items()},
}
