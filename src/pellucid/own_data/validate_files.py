"""Each file read and checked before the first step; what cannot be used is named, and why."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image import ImageFile, read_image, to_nchw
from pellucid.own_data.noise_statistics import in_common, middle, nothing_left
from pellucid.own_data.sources import Item
from pellucid.utils.system import cores

LEAST_IN_COMMON = 0.05
MOST_BYTES, MOST_ITEMS = 4_000_000_000, 8000
MEDIAN_STEP = 97  # of large float images so few values tell the median
ROLES = {"noisy": "noisy", "second": "the second take", "clean": "clean"}


@dataclass(frozen=True)
class LeftOut:
    """A file that cannot be used, and why, in a line that names it."""

    file: Path
    why: str


@dataclass(frozen=True)
class Examined:
    """An image or a stack that can be used.

    Attributes:
        item: its files.
        pages: how many images it holds.
        channels: of each.
        height: in pixels.
        width: in pixels.
        dtype: uint8, uint16 or float32.
        low: its least value.
        top: its greatest value.
        median: about the value in the middle.
        digest: of the clean samples, or else of the noisy ones: equal for equal images.
    """

    item: Item
    pages: int
    channels: int
    height: int
    width: int
    dtype: str
    low: float
    top: float
    median: float
    digest: str


def within_budget(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return all items, or of a huge folder as many as 4 GB of files hold, chosen by a hash of their names."""
    left, chosen = MOST_BYTES, set()
    for item in sorted(items, key=lambda item: hashlib.blake2b(item.name.encode()).digest()):
        size = sum(path.stat().st_size for path in item.files if path.exists())
        if chosen and (size > left or len(chosen) == MOST_ITEMS):
            continue
        left -= size
        chosen.add(item)
    return tuple(item for item in items if item in chosen)


def examine_all(
    items: Sequence[Item], progress: Callable[[int, int], object] | None = None
) -> tuple[tuple[Examined, ...], tuple[LeftOut, ...]]:
    """Read all files, several at a time, and return what can be used and what cannot."""
    used, left_out = [], []
    for number, found in enumerate(in_threads(examine, items)):
        (used if isinstance(found, Examined) else left_out).append(found)
        if progress:
            progress(number + 1, len(items))
    return tuple(used), tuple(left_out)


def in_threads(work: Callable[[Any], Any], values: Sequence[Any]) -> Iterator[Any]:
    """Yield `work(value)` in the order of the values; reading lets go of Python's lock."""
    number = cores()
    with ThreadPoolExecutor(number) as pool:
        try:
            waiting: list[Future[Any]] = []
            rest = iter(values)
            waiting += [pool.submit(work, value) for value in itertools.islice(rest, 2 * number)]
            while waiting:
                yield waiting.pop(0).result()
                waiting += [pool.submit(work, value) for value in itertools.islice(rest, 1)]
        finally:
            pool.shutdown(cancel_futures=True)


def examine(item: Item) -> Examined | LeftOut:
    """Read the files of one image and check that each can be used, and that they go together."""
    images: dict[str, ImageFile] = {}
    for role in ROLES:
        path = getattr(item, role)
        if path is None:
            continue
        try:
            images[role] = read_image(path)
        except PellucidError as error:
            return LeftOut(path, str(error))
        if trouble := _trouble(images[role].pixels):
            return LeftOut(path, f"{path} {trouble}")
    if len(images) == 2 and (why := _mismatch(images)):
        return LeftOut(next(iter(images.values())).path, why)
    if "noisy" in images and nothing_left(view(images["noisy"])):
        return LeftOut(images["noisy"].path, f"{images['noisy'].path} is nothing but noise: the image in it is lost")
    return _facts(item, images)


def _facts(item: Item, images: dict[str, ImageFile]) -> Examined:
    image = images.get("clean") or images["noisy"]
    shape = layout(image)
    every = [file.pixels for file in images.values()]
    digest = hashlib.blake2b(repr((shape, str(image.pixels.dtype))).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image.pixels).data)
    return Examined(
        item,
        *shape,
        dtype=str(image.pixels.dtype),
        low=min(float(pixels.min()) for pixels in every),
        top=max(float(pixels.max()) for pixels in every),
        median=float(np.median(image.pixels.reshape(-1)[::MEDIAN_STEP])),
        digest=digest.hexdigest(),
    )


def layout(image: ImageFile) -> tuple[int, int, int, int]:
    """Return (pages, channels, height, width)."""
    pixels = image.pixels if image.is_stack else image.pixels[None]
    pages, height, width = pixels.shape[:3]
    return pages, 1 if image.channel_axis is None else pixels.shape[-1], height, width


def view(image: ImageFile, white: float = 1.0, page: int = 0) -> np.ndarray:
    """Return the middle of a page, (C, H, W) float32 of at most 1024 pixels each way, `white` mapped to 1."""
    pixels = image.pixels[page] if image.is_stack else image.pixels
    pixels = pixels if image.channel_axis else pixels[..., None]
    return to_nchw(middle(np.moveaxis(pixels, -1, 0)), white, 0)[0]


def _trouble(pixels: np.ndarray) -> str | None:
    """Say what is wrong with the samples of one file, if anything is."""
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        return "holds values that are not finite (NaN or infinite): fill them in"
    if pixels.min() == pixels.max():
        return f"is {pixels.min():g} all over: there is nothing to learn from it"
    return None


def _mismatch(images: dict[str, ImageFile]) -> str | None:
    """Say why the two files of an image do not go together, if they do not."""
    first, second = images.values()
    shapes = [layout(image) for image in (first, second)]
    named = f"{first.path} and {second.path}"
    if (shapes[0][0], *shapes[0][2:]) != (shapes[1][0], *shapes[1][2:]):
        sizes = [f"{width}x{height}" + f", {pages} pages" * (pages > 1) for pages, _, height, width in shapes]
        return f"{named} differ in size ({' and '.join(sizes)}): crop them alike"
    if shapes[0][1] != shapes[1][1]:
        return f"{named} have {shapes[0][1]} and {shapes[1][1]} channels: convert one of them"
    if first.pixels.dtype != second.pixels.dtype:
        return f"{named} are {first.pixels.dtype} and {second.pixels.dtype}: save both at one depth"
    if np.array_equal(first.pixels, second.pixels):
        one, other = (ROLES[role] for role in images)
        return f"{named} are identical: {one} and {other} should differ by the noise"
    if in_common(view(first), view(second)) < LEAST_IN_COMMON:
        return f"{named} have nothing in common: either they do not belong together, or the noise leaves nothing"
    return None
