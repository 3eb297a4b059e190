"""Valid but unusual files of every format, to be read as they are, and to be damaged.

Each maker takes a NumPy generator and returns the bytes of a file. The keys of `VALID` start with the format.
"""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import features

from hostile_files import valid_png, valid_tiff
from hostile_files.pictures import encoded, exif, picture, profile

Maker = Callable[[Generator], bytes]


def _jpeg(mode: str = "RGB", **options: Any) -> Maker:
    return lambda rng: encoded(picture(rng, mode), "JPEG", quality=85, **options)


def _tagged_jpeg(rng: Generator) -> bytes:
    more = {"icc_profile": profile(), "xmp": b"<x tiff:Orientation='6'/>", "comment": b"a comment", "dpi": (300, 72)}
    return encoded(picture(rng, "RGB"), "JPEG", exif=exif(6), **more)


def _ycck_jpeg(rng: Generator) -> bytes:
    """Return CMYK that its Adobe marker calls YCCK, which changes its colors but is valid."""
    data = bytearray(encoded(picture(rng, "CMYK"), "JPEG"))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def _cmyk_jpeg_of_a_broken_profile(rng: Generator) -> bytes:
    block = bytearray(profile())
    for place in rng.integers(0, len(block), 12):
        block[place] = rng.integers(256)
    return encoded(picture(rng, "CMYK"), "JPEG", icc_profile=bytes(block))


def _jpeg_restarting(rng: Generator) -> bytes:
    return encoded(picture(rng, "RGB"), "JPEG", restart_marker_blocks=2)


def _webp(mode: str = "RGB", **options: Any) -> Maker:
    return lambda rng: encoded(picture(rng, mode), "WebP", **options)


def _animated(kind: str, mode: str = "RGB", **options: Any) -> Maker:
    def make(rng: Generator) -> bytes:
        first = picture(rng, mode)
        others = [picture(rng, mode).resize(first.size) for _ in range(2)]
        return _timeless(encoded(first, kind, save_all=True, append_images=others, duration=40, **options))

    return make


def _timeless(data: bytes) -> bytes:
    """Return a file without the times at which its tracks were written (ISO/IEC 14496-12, sections 8.2 to 8.4)."""
    changed = bytearray(data)
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        if (place := data.find(box)) >= 0:
            size = 16 if data[place + 4] else 8
            changed[place + 8 : place + 8 + size] = bytes(size)
    return bytes(changed)


def _bmp(mode: str) -> Maker:
    return lambda rng: encoded(picture(rng, mode), "BMP")


def _bmp_of_runs(rng: Generator) -> bytes:
    """Return run-length encoding of 8 bits with ends of lines, a jump and literal pixels (BI_RLE8)."""
    width, height = 20, 6
    palette = b"".join(bytes((index, 255 - index, index // 2, 0)) for index in range(256))
    rows = b"".join(bytes((width, int(rng.integers(256)), 0, 0)) for _ in range(height - 2))
    body = rows + b"\0\x02\x05\0" + b"\0\x04abcd" + b"\0\0" + bytes((width, 7)) + b"\0\x01"
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 2835, 2835, 256, 0)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + header + palette + body


def _pnm(signature: bytes, maximum: int = 255) -> Maker:
    def make(rng: Generator) -> bytes:
        height, width = 9, 14
        head = b"%s\n# a comment\n%d %d\n" % (signature, width, height) + (
            b"%d\n" % maximum if signature not in (b"P1", b"P4") else b""
        )
        count = height * width * (3 if signature in (b"P3", b"P6") else 1)
        if signature == b"P4":
            return head + rng.bytes(height * -(-width // 8))
        if signature in (b"P1", b"P2", b"P3"):
            values = rng.integers(0, 2 if signature == b"P1" else maximum + 1, count)
            return head + b"".join(
                b"%d%s" % (value, b"\n" if place % 20 == 19 else b" ") for place, value in enumerate(values)
            )
        return head + rng.integers(0, maximum + 1, count).astype(">u2" if maximum > 255 else "u1").tobytes()

    return make


def _avif(mode: str = "RGB", **options: Any) -> Maker:
    return lambda rng: encoded(picture(rng, mode), "AVIF", quality=60, speed=9, **options)


def _deep_avif(rng: Generator) -> bytes:
    import imagecodecs

    samples = rng.integers(0, 1024, (32, 32, 3)).astype(np.uint16)
    return bytes(imagecodecs.avif_encode(samples, bitspersample=10, speed=9))


VALID: dict[str, Maker] = {
    **{f"png-{name}": maker for name, maker in valid_png.MAKERS.items()},
    "jpeg-gray": _jpeg("L"),
    "jpeg-color": _jpeg(),
    "jpeg-progressive": _jpeg(progressive=True),
    "jpeg-fine-chroma": _jpeg(subsampling=0),
    "jpeg-tagged": _tagged_jpeg,
    "jpeg-cmyk": _jpeg("CMYK", icc_profile=b"no profile"),
    "jpeg-ycck": _ycck_jpeg,
    "jpeg-broken-profile": _cmyk_jpeg_of_a_broken_profile,
    "jpeg-restarting": _jpeg_restarting,
    "webp-lossy": _webp(),
    "webp-lossless": _webp(lossless=True),
    "webp-alpha": _webp("RGBA", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", xmp=b"<x/>"),
    "webp-animated": _animated("WebP", "RGBA", method=0),
    "bmp-color": _bmp("RGB"),
    "bmp-gray": _bmp("L"),
    "bmp-one-bit": _bmp("1"),
    "bmp-palette": _bmp("P"),
    "bmp-alpha": _bmp("RGBA"),
    "bmp-runs": _bmp_of_runs,
    "pnm-plain-bits": _pnm(b"P1"),
    "pnm-plain-gray": _pnm(b"P2"),
    "pnm-plain-color": _pnm(b"P3", 1000),
    "pnm-bits": _pnm(b"P4"),
    "pnm-gray": _pnm(b"P5", 65_535),
    "pnm-color": _pnm(b"P6"),
    "gif-animated": _animated("GIF", "P"),
    **{f"tiff-{name}": maker for name, maker in valid_tiff.MAKERS.items()},
}
if features.check("avif"):
    VALID |= {
        "avif-color": _avif(),
        "avif-gray": _avif("L"),
        "avif-alpha": _avif("RGBA", exif=exif(3)),
        "avif-animated": _animated("AVIF", speed=9),
        "avif-deep": _deep_avif,
    }
