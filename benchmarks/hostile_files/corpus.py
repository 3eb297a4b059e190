"""Hostile files one after the other: sound but unusual ones, bombs, and as many damaged ones as are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hostile_files.bombs import BOMBS
from hostile_files.damage import damaged
from hostile_files.sound import SOUND

SUFFIXES = {
    "png": ".png",
    "jpeg": ".jpg",
    "tiff": ".tif",
    "webp": ".webp",
    "bmp": ".bmp",
    "pnm": ".pnm",
    "gif": ".png",  # which is told by its content, and refused
    "avif": ".avif",
}


@dataclass(frozen=True)
class Hostile:
    """A file.

    Attributes:
        name: what it is, its format first, with the suffix that it is to have; different for each of a corpus.
        data: its bytes.
    """

    name: str
    data: bytes


def generated(count: int, seed: int = 0) -> Iterator[Hostile]:
    """Yield `count` files: each sound one, each bomb, then damaged ones of all kinds in turn.

    A file depends on its number and the seed alone, so that a longer corpus starts with a shorter one.
    """
    certain = [(name, "sound", make) for name, make in SOUND.items()]
    for number, (name, kind, make) in enumerate(certain[:count]):
        yield _named(number, kind, name, make(np.random.default_rng((seed, number))))
    bombs = list(BOMBS.items())[: max(0, count - len(certain))]
    for number, (name, make) in enumerate(bombs, len(certain)):
        yield _named(number, "bomb", name, make())
    names = list(SOUND)
    for number in range(len(certain) + len(BOMBS), count):
        rng = np.random.default_rng((seed, number))
        name = names[number % len(names)]
        kin = [other for other in names if _format(other) == _format(name)]
        other = SOUND[kin[int(rng.integers(len(kin)))]](rng)
        yield _named(number, "damaged", name, damaged(SOUND[name](rng), other, rng))


def _named(number: int, kind: str, name: str, data: bytes) -> Hostile:
    return Hostile(f"{number:05}-{kind}-{name}{SUFFIXES[_format(name)]}", data)


def _format(name: str) -> str:
    return name.partition("-")[0]
