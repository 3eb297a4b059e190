"""PNG: decoded with imagecodecs, since Pillow reduces 16-bit color to 8 bits; metadata chunks are kept."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image import animation
from pellucid.image.color import is_gray
from pellucid.image.exif import EXIF_HEADER, with_exif_header
from pellucid.image.formats import ImageData, ImageFile, Metadata, StoredImage, make_image_file, make_image_size
from pellucid.image.guards.limits import ReadLimits

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bits per sample and samples per pixel, by color type.
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PALETTE = 3
KEY_LENGTHS = {0: 2, 2: 6}
# The first row and column of each pass of Adam7, and the steps between them.
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
SINGLE_PASS = ((0, 0, 1, 1),)
CHUNK_BYTES = 1 << 20
HEADER_END = 33  # the signature and the IHDR chunk
KEPT_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tEXt", b"zTXt", b"iTXt")
MAX_KEPT_CHUNKS = 10_000
MAX_CHUNK_BYTES = 64 << 20  # of a metadata chunk or profile; larger ones are skipped
XMP_KEY = b"XML:com.adobe.xmp"
EXIF_KEYS = (b"Raw profile type exif", b"Raw profile type APP1")


@dataclass(frozen=True)
class PngNative:
    """The metadata that only a PNG can hold: chunks about color and text, each as (kind, data)."""

    chunks: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True)
class Header:
    """The fields of an IHDR chunk that vary."""

    width: int
    height: int
    depth: int
    color_type: int
    interlaced: bool

    def row_bytes(self, width: int) -> int:
        """Return the bytes of a row of `width` pixels, with the byte of its filter."""
        return 1 + -(-width * self.depth * CHANNELS[self.color_type] // 8)

    def passes(self) -> Iterator[tuple[tuple[slice, slice], int, int]]:
        """Yield the rows and columns of each pass that has pixels, and its width and height."""
        for top, left, down, across in PASSES if self.interlaced else SINGLE_PASS:
            height, width = len(range(top, self.height, down)), len(range(left, self.width, across))
            if height and width:
                yield (slice(top, None, down), slice(left, None, across)), width, height


@dataclass
class _Chunks:
    """The metadata in the chunks of a file, and its number of frames."""

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    frames: int = 1
    kept: list[tuple[bytes, bytes]] = field(default_factory=list)


def open_image(stream: BinaryIO, path: Path, limits: ReadLimits) -> StoredImage:
    """Open an image of any bit depth or an animation of 8 bits; a palette becomes RGB, or gray if it is all gray."""
    header = read_header(stream.read(HEADER_END))
    height, width, depth = header.height, header.width, header.depth
    limits.check(path, height, width)
    chunks = _read_chunks(stream, path, limits)
    metadata = Metadata(chunks.icc, chunks.exif, chunks.dpi, chunks.xmp, PngNative(tuple(chunks.kept)))
    limits.check_text(path, metadata.size)
    stream.seek(0)
    if chunks.frames > 1:
        limits.check(path, height, width, chunks.frames)
        if depth == 16:
            raise PellucidError(
                f"{path} is an animation of 16 bits, which is not supported: save its frames one a file"
            )
        return animation.open_image(stream, path, "PNG", limits, metadata)

    def decode() -> ImageFile:
        samples = decode_samples(stream.read())
        if header.color_type == PALETTE and samples.ndim == 3 and is_gray(samples):
            samples = samples[..., (0, 3)] if samples.shape[2] == 4 else samples[..., 0]
        return make_image_file(path, "PNG", samples, samples.shape[2:] in ((2,), (4,)), depth, metadata)

    channels = None if header.color_type == PALETTE else 3 if CHANNELS[header.color_type] > 2 else 1
    return StoredImage(make_image_size("PNG", height, width, channels, metadata), decode)


def write(stream: BinaryIO, image: ImageData) -> None:
    """Write an image of 8 or 16 bits with its chunks, or an animation."""
    import imagecodecs

    if image.is_stack:
        animation.write(stream, image, "PNG")
        return
    png = memoryview(imagecodecs.png_encode(np.ascontiguousarray(image.samples)))
    stream.write(png[:HEADER_END])
    stream.write(_metadata_chunks(image.metadata))
    stream.write(png[HEADER_END:])


def _metadata_chunks(metadata: Metadata) -> bytes:
    """Return the metadata as chunks, to be placed after the header (PNG 3, section 11.3)."""
    chunks = []
    if metadata.icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi:
        per_meter = [round(value / 0.0254) for value in metadata.dpi]
        chunks.append((b"pHYs", struct.pack(">IIB", *per_meter, 1)))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif.removeprefix(EXIF_HEADER)))
    if metadata.xmp:
        chunks.append((b"iTXt", XMP_KEY + b"\0\0\0\0\0" + metadata.xmp))
    if isinstance(metadata.native, PngNative):
        chunks += metadata.native.chunks
    return b"".join(piece for kind, data in chunks for piece in encode_chunk(kind, data))


def _read_chunks(stream: BinaryIO, path: Path, limits: ReadLimits) -> _Chunks:
    chunks = _Chunks()
    legacy = None
    seen: set[bytes] = set()
    size = 0
    for kind, data in _chunks(stream):
        if kind == b"acTL" and len(data) == 8:
            chunks.frames = int.from_bytes(data[:4], "big")
        elif kind in seen:
            continue  # only the first counts; inflating more would take time and memory
        elif kind == b"iCCP":
            seen.add(kind)
            chunks.icc = _inflate(data.partition(b"\0")[2][1:])
        elif kind == b"eXIf":
            chunks.exif = with_exif_header(data)
        elif kind == b"pHYs" and len(data) == 9 and data[8] == 1:
            across, down, _ = struct.unpack(">IIB", data)
            chunks.dpi = across * 0.0254, down * 0.0254
        elif kind == b"iTXt" and data.startswith(XMP_KEY + b"\0"):
            if XMP_KEY not in seen:
                seen.add(XMP_KEY)
                chunks.xmp = _read_itxt(data)
        elif kind in (b"tEXt", b"zTXt") and (key := data.partition(b"\0")[0]) in EXIF_KEYS:
            # ImageMagick's EXIF before there was an eXIf chunk; kept unchanged, it would turn the image again.
            if key not in seen:
                seen.add(key)
                legacy = legacy or _raw_profile(data if kind == b"tEXt" else _text_of(data))
        elif kind in KEPT_CHUNKS and len(chunks.kept) < MAX_KEPT_CHUNKS:
            chunks.kept.append((kind, data))
        size += len(data)
        limits.check_text(path, size + len(chunks.icc or b"") + len(chunks.xmp or b""))
    chunks.exif = chunks.exif or legacy
    return chunks


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, data) of the chunks that are not the image."""
    stream.seek(len(SIGNATURE))
    while len(head := stream.read(8)) == 8:
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IEND":
            return
        if kind in (b"IDAT", b"fdAT", b"fcTL", b"PLTE") or size > MAX_CHUNK_BYTES:
            stream.seek(size + 4, 1)
            continue
        data = stream.read(size)
        if len(data) < size:
            break
        stream.seek(4, 1)
        yield kind, data
    raise ValueError("its end is missing")


def _inflate(data: bytes) -> bytes | None:
    """Return data inflated by zlib, or None if it is damaged or too large."""
    try:
        inflater = zlib.decompressobj()
        content = inflater.decompress(data, MAX_CHUNK_BYTES)
    except zlib.error:
        return None
    return content if inflater.eof else None


def _text_of(data: bytes) -> bytes:
    key, _, packed = data.partition(b"\0")
    return key + b"\0" + (_inflate(packed[1:]) or b"")


def _read_itxt(data: bytes) -> bytes | None:
    """Return the text of an iTXt chunk, whose keyword is followed by two flags, a language and a translated keyword."""
    _, _, after_keyword = data.partition(b"\0")
    is_compressed = after_keyword[:1] == b"\1"
    text = after_keyword[2:].split(b"\0", 2)[-1]
    return _inflate(text) if is_compressed else text


def _raw_profile(text: bytes) -> bytes | None:
    """Return the EXIF block in a text of a name, a length and hexadecimal digits, or None if it has another form."""
    fields = text.partition(b"\0")[2].split(None, 2)
    try:
        return with_exif_header(bytes.fromhex(fields[2].decode("ascii"))) if len(fields) == 3 else None
    except ValueError:
        return None


def read_header(data: bytes) -> Header:
    """Return the header at the start of a file.

    Raises:
        ValueError: if it is incomplete or invalid.
    """
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ValueError("its header is incomplete")
    width, height, depth, color_type, packing, filters, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    if depth not in DEPTHS.get(color_type, ()) or packing or filters or interlaced > 1:
        raise ValueError(f"its header has color type {color_type}, {depth} bits and interlace method {interlaced}")
    return Header(width, height, depth, color_type, bool(interlaced))


def decode_samples(png: bytes) -> np.ndarray:
    """Return the samples (H, W), or (H, W, C) with RGB for a palette and alpha last, uint8 or uint16.

    Exactly the samples that the header announces are decoded. libpng would inflate the bytes after the last row too,
    and write warnings to standard error. So it gets only the chunks that it needs, and each pass of an interlaced image
    as an image of its own (PNG 3, section 8).

    Raises:
        ValueError: if a chunk or a row is missing or damaged.
    """
    import imagecodecs

    header = read_header(png)
    before, rows = _sample_chunks(png, header)
    announced = sum(height * header.row_bytes(width) for _, width, height in header.passes())
    if not header.interlaced and _is_exact(rows, announced):
        return imagecodecs.png_decode(_encode_png(header, header.width, header.height, before, rows))
    plain = _inflate_rows(rows, announced)
    samples: np.ndarray | None = None
    position = 0
    for region, width, height in header.passes():
        end = position + height * header.row_bytes(width)
        packed = memoryview(zlib.compress(plain[position:end], 0))
        part = imagecodecs.png_decode(_encode_png(header, width, height, before, [packed]))
        if samples is None:
            samples = np.zeros((header.height, header.width, *part.shape[2:]), part.dtype)
        samples[region] = part
        position = end
    if samples is None:
        raise ValueError("it has no pixels")
    return samples


def _encode_png(
    header: Header, width: int, height: int, before: list[tuple[bytes, bytes]], rows: list[memoryview]
) -> bytes:
    """Return a PNG that is not interlaced from compressed rows."""
    start = struct.pack(">IIBBBBB", width, height, header.depth, header.color_type, 0, 0, 0)
    chunks = [(b"IHDR", start), *before, *((b"IDAT", part) for part in rows), (b"IEND", b"")]
    return SIGNATURE + b"".join(piece for kind, data in chunks for piece in encode_chunk(kind, data))


def encode_chunk(kind: bytes, data: bytes | memoryview) -> tuple[bytes, bytes, bytes | memoryview, bytes]:
    """Return the parts of a chunk as stored: length, kind, data, checksum."""
    return struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _sample_chunks(png: bytes, header: Header) -> tuple[list[tuple[bytes, bytes]], list[memoryview]]:
    """Return the chunks before the image that concern its samples, and the parts of the compressed image."""
    view, position = memoryview(png), len(SIGNATURE)
    found: dict[bytes, bytes] = {}
    rows: list[memoryview] = []
    while position + 12 <= len(png):
        size, kind = int.from_bytes(view[position : position + 4], "big"), png[position + 4 : position + 8]
        data, end = view[position + 8 : position + 8 + size], position + 8 + size
        if rows and kind != b"IDAT":
            break
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
            if end + 4 > len(png) or zlib.crc32(view[position + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
                raise ValueError(f"the checksum of its {kind.decode()} chunk is wrong")
            if kind == b"IDAT":
                rows.append(data)
            else:
                found.setdefault(kind, bytes(data))
        position = end + 4
    return _palette_and_transparency(found, header), rows


def _palette_and_transparency(found: dict[bytes, bytes], header: Header) -> list[tuple[bytes, bytes]]:
    """Return the palette, padded with black, and the transparency, if they are valid for the color type."""
    kept: list[tuple[bytes, bytes]] = []
    key = found.get(b"tRNS", b"")
    if header.color_type == PALETTE:
        full, palette = 3 << header.depth, found.get(b"PLTE", b"")
        if not palette or len(palette) % 3:
            raise ValueError("its palette is missing or incomplete")
        kept.append((b"PLTE", palette[:full].ljust(full, b"\0")))
        key = key[: full // 3]
    elif len(key) != KEY_LENGTHS.get(header.color_type):
        key = b""
    return [*kept, (b"tRNS", key)] if key else kept


def _inflate_pieces(rows: list[memoryview], max_bytes: int) -> Iterator[tuple[bytes, bool]]:
    """Yield inflated bytes, at most `max_bytes` + 1, each piece with whether the stream ended correctly with it."""
    inflater = zlib.decompressobj()
    for index, part in enumerate(rows):
        data: bytes | memoryview = part
        while max_bytes >= 0 and not inflater.eof:
            try:
                piece = inflater.decompress(data, min(max_bytes + 1, CHUNK_BYTES))
            except zlib.error as error:
                raise ValueError(f"its image is damaged: {error}") from None
            data = inflater.unconsumed_tail
            max_bytes -= len(piece)
            ended = inflater.eof and not inflater.unused_data and not any(map(len, rows[index + 1 :]))
            yield piece, ended
            if not data and len(piece) < CHUNK_BYTES:
                break


def _is_exact(rows: list[memoryview], announced: int) -> bool:
    """Return whether the compressed rows hold exactly `announced` bytes, with nothing behind them."""
    length, is_complete = 0, False
    for piece, ended in _inflate_pieces(rows, announced):
        length, is_complete = length + len(piece), ended
    if length < announced:
        raise ValueError(f"its rows end after {length} of {announced} bytes")
    return is_complete and length == announced


def _inflate_rows(rows: list[memoryview], announced: int) -> bytes:
    plain = b"".join(piece for piece, _ in _inflate_pieces(rows, announced))[:announced]
    if len(plain) < announced:
        raise ValueError(f"its rows end after {len(plain)} of {announced} bytes")
    return plain
