"""Damage done to sound files: cut, overwritten, moved, mixed, its checksums mended so that it reaches the decoder."""

import struct
import zlib

from numpy.random import Generator

HEAD = 160  # the bytes in which headers lie, which are hit most often
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
PNG_START = b"\x89PNG\r\n\x1a\n"


def damaged(data: bytes, other: bytes, rng: Generator) -> bytes:
    """Return a file with one to four things wrong; `other` is what pieces are taken from."""
    broken = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if len(broken) < 16:
            break
        WAYS[int(rng.integers(len(WAYS)))](broken, other, rng)
    return mended(bytes(broken)) if broken.startswith(PNG_START) and rng.random() < 0.7 else bytes(broken)


def mended(png: bytes) -> bytes:
    """Return a PNG whose chunks have the checksums of what they hold."""
    whole, place = bytearray(png), len(PNG_START)
    while place + 12 <= len(whole):
        (size,) = struct.unpack_from(">I", whole, place)
        end = place + 8 + size
        if end + 4 > len(whole):
            break
        struct.pack_into(">I", whole, end, zlib.crc32(whole[place + 4 : end]))
        place = end + 4
    return bytes(whole)


def _place(broken: bytearray, rng: Generator) -> int:
    return int(rng.integers(min(HEAD, len(broken)) if rng.random() < 0.6 else len(broken)))


def _bits(broken: bytearray, other: bytes, rng: Generator) -> None:
    for _ in range(int(rng.integers(1, 9))):
        broken[_place(broken, rng)] ^= 1 << int(rng.integers(8))


def _number(broken: bytearray, other: bytes, rng: Generator) -> None:
    """Put a number that is at the edge of something where there may be a length, a size or an offset."""
    number, order = EXTREMES[int(rng.integers(len(EXTREMES)))], "<>"[int(rng.integers(2))]
    packed = struct.pack(f"{order}I", number) if rng.random() < 0.5 else struct.pack(f"{order}H", number & 0xFFFF)
    place = _place(broken, rng)
    broken[place : place + len(packed)] = packed


def _cut(broken: bytearray, other: bytes, rng: Generator) -> None:
    del broken[int(rng.integers(8, len(broken))) :]


def _removed(broken: bytearray, other: bytes, rng: Generator) -> None:
    place = _place(broken, rng)
    del broken[place : place + int(rng.integers(1, 33))]


def _repeated(broken: bytearray, other: bytes, rng: Generator) -> None:
    place = _place(broken, rng)
    broken[place:place] = broken[place : place + int(rng.integers(1, 65))] * int(rng.integers(1, 9))


def _moved(broken: bytearray, other: bytes, rng: Generator) -> None:
    start = int(rng.integers(len(broken)))
    piece = bytes(broken[start : start + int(rng.integers(4, 129))])
    place = _place(broken, rng)
    broken[place : place + len(piece)] = piece


def _mixed(broken: bytearray, other: bytes, rng: Generator) -> None:
    """Go on with another file from some place on."""
    broken[int(rng.integers(8, len(broken))) :] = other[int(rng.integers(len(other))) :]


def _noise(broken: bytearray, other: bytes, rng: Generator) -> None:
    place = _place(broken, rng)
    broken[place : place + int(rng.integers(1, 65))] = rng.bytes(int(rng.integers(1, 65)))


def _blank(broken: bytearray, other: bytes, rng: Generator) -> None:
    place, count = _place(broken, rng), int(rng.integers(1, 129))
    broken[place : place + count] = bytes((int(rng.choice((0, 0xFF))),)) * count


WAYS = (_bits, _bits, _number, _number, _number, _cut, _removed, _repeated, _moved, _mixed, _noise, _blank)
