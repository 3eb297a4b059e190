"""A corpus of hostile files: valid but unusual ones, bombs, and any number of damaged ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hostile_files.bombs import BOMBS
from hostile_files.damage import damaged
from hostile_files.valid import VALID

SUFFIXES = {
    "png": ".png",
    "jpeg": ".jpg",
    "tiff": ".tif",
    "webp": ".webp",
    "bmp": ".bmp",
    "pnm": ".pnm",
    "gif": ".png",  # the content decides, so it is refused
    "avif": ".avif",
}


@dataclass(frozen=True)
class Hostile:
    """A hostile file.

    Attributes:
        name: unique in the corpus: number, kind, format and description, with the suffix of the format.
        data: the content of the file.
    """

    name: str
    data: bytes


def generated(count: int, seed: int = 0) -> Iterator[Hostile]:
    """Yield `count` files: each valid one, each bomb, then damaged ones.

    A file depends only on its number and the seed, so a longer corpus starts with the files of a shorter one.
    """
    valid = [(name, "valid", make) for name, make in VALID.items()]
    for number, (name, kind, make) in enumerate(valid[:count]):
        yield _named(number, kind, name, make(np.random.default_rng((seed, number))))
    bombs = list(BOMBS.items())[: max(0, count - len(valid))]
    for number, (name, make) in enumerate(bombs, len(valid)):
        yield _named(number, "bomb", name, make())
    names = list(VALID)
    for number in range(len(valid) + len(BOMBS), count):
        rng = np.random.default_rng((seed, number))
        name = names[number % len(names)]
        candidates = [other for other in names if _format(other) == _format(name)]
        other = VALID[candidates[int(rng.integers(len(candidates)))]](rng)
        yield _named(number, "damaged", name, damaged(VALID[name](rng), other, rng))


def _named(number: int, kind: str, name: str, data: bytes) -> Hostile:
    return Hostile(f"{number:05}-{kind}-{name}{SUFFIXES[_format(name)]}", data)


def _format(name: str) -> str:
    return name.partition("-")[0]
