"""PNG: samples by way of imagecodecs, since Pillow cuts 16-bit colour to 8; chunks kept as they are."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image import animation
from pellucid.image.color import all_gray
from pellucid.image.exif import EXIF_MARK, marked
from pellucid.image.formats import Budget, ImageFile, Metadata, Sheet, finished
from pellucid.image.png_samples import PALETTE, decode, framed, header_of

START = 8  # the length of the signature
HEADER_END = 33  # the signature and the IHDR chunk
KEPT = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tEXt", b"zTXt", b"iTXt")
MOST_KEPT = 10_000  # chunks
LARGEST = 64 << 20  # of a chunk or profile; more is passed over
XMP_KEY = b"XML:com.adobe.xmp"
EXIF_KEYS = (b"Raw profile type exif", b"Raw profile type APP1")


@dataclass(frozen=True)
class PngNative:
    """The chunks about colour and text, each a kind and its data, that another PNG takes back."""

    chunks: tuple[tuple[bytes, bytes], ...] = ()


@dataclass
class _Chunks:
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    frames: int = 1
    kept: list[tuple[bytes, bytes]] = field(default_factory=list)


def read(stream: BinaryIO, path: Path, budget: Budget) -> ImageFile:
    """Read a still image of any depth, or an animation of 8 bits; palettes become colours, or gray if all are gray."""
    header = header_of(stream.read(HEADER_END))
    height, width, depth = header.height, header.width, header.depth
    budget.check(path, height, width)
    chunks = _read_chunks(stream, path, budget)
    metadata = Metadata(chunks.icc, chunks.exif, chunks.dpi, chunks.xmp, PngNative(tuple(chunks.kept)))
    budget.check_text(path, metadata.size)
    stream.seek(0)
    if chunks.frames > 1:
        budget.check(path, height, width, chunks.frames)
        if depth == 16:
            raise PellucidError(
                f"{path} is an animation of 16 bits, which is not supported: save its frames one a file"
            )
        return animation.read(stream, path, "PNG", budget, metadata)
    samples = decode(stream.read())
    if header.colour_type == PALETTE and samples.ndim == 3 and all_gray(samples):
        samples = samples[..., (0, 3)] if samples.shape[2] == 4 else samples[..., 0]
    return finished(path, "PNG", samples, samples.shape[2:] in ((2,), (4,)), depth, metadata)


def write(stream: BinaryIO, sheet: Sheet) -> None:
    """Write an image of 8 or 16 bits with its chunks, or an animation."""
    import imagecodecs

    if sheet.is_stack:
        animation.write(stream, sheet, "PNG")
        return
    png = memoryview(imagecodecs.png_encode(np.ascontiguousarray(sheet.samples)))
    stream.write(png[:HEADER_END])
    stream.write(_framed(sheet.metadata))
    stream.write(png[HEADER_END:])


def _framed(metadata: Metadata) -> bytes:
    """Return the chunks that belong right after the header (PNG 3, section 11.3)."""
    chunks = []
    if metadata.icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi:
        metres = [round(value / 0.0254) for value in metadata.dpi]
        chunks.append((b"pHYs", struct.pack(">IIB", *metres, 1)))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif.removeprefix(EXIF_MARK)))
    if metadata.xmp:
        chunks.append((b"iTXt", XMP_KEY + b"\0\0\0\0\0" + metadata.xmp))
    if isinstance(metadata.native, PngNative):
        chunks += metadata.native.chunks
    return b"".join(piece for kind, data in chunks for piece in framed(kind, data))


def _read_chunks(stream: BinaryIO, path: Path, budget: Budget) -> _Chunks:
    found = _Chunks()
    legacy = None
    met: set[bytes] = set()
    size = 0
    for kind, data in _chunks(stream):
        if kind == b"acTL" and len(data) == 8:
            found.frames = int.from_bytes(data[:4], "big")
        elif kind in met:
            continue  # of these there is one; more would only take time and room to unpack
        elif kind == b"iCCP":
            met.add(kind)
            found.icc = _inflated(data.partition(b"\0")[2][1:])
        elif kind == b"eXIf":
            found.exif = marked(data)
        elif kind == b"pHYs" and len(data) == 9 and data[8] == 1:
            across, down, _ = struct.unpack(">IIB", data)
            found.dpi = across * 0.0254, down * 0.0254
        elif kind == b"iTXt" and data.startswith(XMP_KEY + b"\0"):
            if XMP_KEY not in met:
                met.add(XMP_KEY)
                found.xmp = _international(data)
        elif kind in (b"tEXt", b"zTXt") and (key := data.partition(b"\0")[0]) in EXIF_KEYS:
            # ImageMagick's way before there was an eXIf chunk; kept as it is, it would turn the image once more.
            if key not in met:
                met.add(key)
                legacy = legacy or _raw_profile(data if kind == b"tEXt" else _text_of(data))
        elif kind in KEPT and len(found.kept) < MOST_KEPT:
            found.kept.append((kind, data))
        size += len(data)
        budget.check_text(path, size + len(found.icc or b"") + len(found.xmp or b""))
    found.exif = found.exif or legacy
    return found


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks that are not the image, by their kind, each with its data."""
    stream.seek(START)
    while len(head := stream.read(8)) == 8:
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IEND":
            return
        if kind in (b"IDAT", b"fdAT", b"fcTL", b"PLTE") or size > LARGEST:
            stream.seek(size + 4, 1)
            continue
        data = stream.read(size)
        if len(data) < size:
            break
        stream.seek(4, 1)
        yield kind, data
    raise ValueError("its end is missing")


def _inflated(data: bytes) -> bytes | None:
    """Return what zlib compressed, or None if it is damaged or too large."""
    try:
        machine = zlib.decompressobj()
        whole = machine.decompress(data, LARGEST)
    except zlib.error:
        return None
    return whole if machine.eof else None


def _text_of(data: bytes) -> bytes:
    key, _, packed = data.partition(b"\0")
    return key + b"\0" + (_inflated(packed[1:]) or b"")


def _international(data: bytes) -> bytes | None:
    """Return the text of an iTXt chunk, whose keyword is followed by two flags, a language and a translated keyword."""
    _, _, rest = data.partition(b"\0")
    packed = rest[:1] == b"\1"
    text = rest[2:].split(b"\0", 2)[-1]
    return _inflated(text) if packed else text


def _raw_profile(text: bytes) -> bytes | None:
    """Return the EXIF block of a text that holds a name, a length and hexadecimal digits, or None if it does not."""
    words = text.partition(b"\0")[2].split(None, 2)
    try:
        return marked(bytes.fromhex(words[2].decode("ascii"))) if len(words) == 3 else None
    except ValueError:
        return None
