"""Damage to valid files: cut, overwritten, moved, mixed; checksums may be corrected, so that decoders are reached."""

import struct
import zlib

from numpy.random import Generator

HEAD_BYTES = 160  # headers lie in the first bytes, which are damaged most often
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def damaged(data: bytes, other: bytes, rng: Generator) -> bytes:
    """Return a file with one to four defects; `other` is a file that pieces are copied from."""
    broken = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if len(broken) < 16:
            break
        DEFECTS[int(rng.integers(len(DEFECTS)))](broken, other, rng)
    return (
        with_valid_checksums(bytes(broken))
        if broken.startswith(PNG_SIGNATURE) and rng.random() < 0.7
        else bytes(broken)
    )


def with_valid_checksums(png: bytes) -> bytes:
    """Return a PNG with the checksums of its chunks corrected."""
    data, position = bytearray(png), len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, position)
        end = position + 8 + size
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[position + 4 : end]))
        position = end + 4
    return bytes(data)


def _random_offset(broken: bytearray, rng: Generator) -> int:
    return int(rng.integers(min(HEAD_BYTES, len(broken)) if rng.random() < 0.6 else len(broken)))


def _bits(broken: bytearray, other: bytes, rng: Generator) -> None:
    for _ in range(int(rng.integers(1, 9))):
        broken[_random_offset(broken, rng)] ^= 1 << int(rng.integers(8))


def _number(broken: bytearray, other: bytes, rng: Generator) -> None:
    """Overwrite a possible length, size or offset with an extreme number."""
    number, order = EXTREMES[int(rng.integers(len(EXTREMES)))], "<>"[int(rng.integers(2))]
    packed = struct.pack(f"{order}I", number) if rng.random() < 0.5 else struct.pack(f"{order}H", number & 0xFFFF)
    offset = _random_offset(broken, rng)
    broken[offset : offset + len(packed)] = packed


def _cut(broken: bytearray, other: bytes, rng: Generator) -> None:
    del broken[int(rng.integers(8, len(broken))) :]


def _removed(broken: bytearray, other: bytes, rng: Generator) -> None:
    offset = _random_offset(broken, rng)
    del broken[offset : offset + int(rng.integers(1, 33))]


def _repeated(broken: bytearray, other: bytes, rng: Generator) -> None:
    offset = _random_offset(broken, rng)
    broken[offset:offset] = broken[offset : offset + int(rng.integers(1, 65))] * int(rng.integers(1, 9))


def _moved(broken: bytearray, other: bytes, rng: Generator) -> None:
    start = int(rng.integers(len(broken)))
    piece = bytes(broken[start : start + int(rng.integers(4, 129))])
    offset = _random_offset(broken, rng)
    broken[offset : offset + len(piece)] = piece


def _mixed(broken: bytearray, other: bytes, rng: Generator) -> None:
    """Replace the end by that of another file."""
    broken[int(rng.integers(8, len(broken))) :] = other[int(rng.integers(len(other))) :]


def _noise(broken: bytearray, other: bytes, rng: Generator) -> None:
    offset = _random_offset(broken, rng)
    broken[offset : offset + int(rng.integers(1, 65))] = rng.bytes(int(rng.integers(1, 65)))


def _blank(broken: bytearray, other: bytes, rng: Generator) -> None:
    offset, count = _random_offset(broken, rng), int(rng.integers(1, 129))
    broken[offset : offset + count] = bytes((int(rng.choice((0, 0xFF))),)) * count


DEFECTS = (_bits, _bits, _number, _number, _number, _cut, _removed, _repeated, _moved, _mixed, _noise, _blank)
