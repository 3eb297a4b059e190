"""Read and check every image file before training; a file that cannot be used is named with the reason."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image import ImageFile, read_image, to_nchw
from pellucid.own_data.sources import Item
from pellucid.utils.progress import Progress
from pellucid.utils.system import num_cores

MIN_CORRELATION = 0.05
MAX_BYTES, MAX_ITEMS = 4_000_000_000, 8000
MAX_SIDE = 1024  # more of an image than its center adds nothing
BLOCK_SIZE, MIN_BLOCKS = 8, 64
MEDIAN_STEP = 97  # of large float images so few values give the median
ROLES = {"noisy": "noisy", "second_capture": "the second capture", "clean": "clean"}


@dataclass(frozen=True)
class SkippedFile:
    """A file that cannot be used, and the reason in a line that names it."""

    file: Path
    reason: str


@dataclass(frozen=True)
class ImageInfo:
    """An image or a stack that can be used.

    Attributes:
        item: its files.
        pages: the number of images in it.
        channels: of each.
        height: in pixels.
        width: in pixels.
        dtype: uint8, uint16 or float32.
        minimum: the smallest value in its files.
        maximum: the largest value in its files.
        median: approximately, of the clean file if there is one, else of the noisy one.
        digest: a hash of the samples of the same file: the same for images that are equal.
    """

    item: Item
    pages: int
    channels: int
    height: int
    width: int
    dtype: str
    minimum: float
    maximum: float
    median: float
    digest: str


def limit_total_size(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return all items, or for a huge folder at most 4 GB and 8000 of them, chosen by a hash of their names."""
    bytes_left, chosen = MAX_BYTES, set()
    for item in sorted(items, key=lambda item: hashlib.blake2b(item.name.encode()).digest()):
        size = sum(path.stat().st_size for path in item.files if path.exists())
        if chosen and (size > bytes_left or len(chosen) == MAX_ITEMS):
            continue
        bytes_left -= size
        chosen.add(item)
    return tuple(item for item in items if item in chosen)


def inspect_all(
    items: Sequence[Item], progress: Progress | None = None
) -> tuple[tuple[ImageInfo, ...], tuple[SkippedFile, ...]]:
    """Read all files, several at a time, and return the images that can be used and the files that cannot."""
    images, skipped = [], []
    for result in map_in_threads(inspect_image, items, progress):
        (images if isinstance(result, ImageInfo) else skipped).append(result)
    return tuple(images), tuple(skipped)


def map_in_threads(function: Callable[[Any], Any], values: Sequence[Any], progress: Progress | None) -> Iterator[Any]:
    """Yield `function(value)` in the order of the values; reading a file releases Python's lock."""
    with ThreadPoolExecutor(num_cores()) as executor:
        try:
            for number, result in enumerate(executor.map(function, values)):
                yield result
                if progress:
                    progress(number + 1, len(values))
        finally:
            executor.shutdown(cancel_futures=True)


def inspect_image(item: Item) -> ImageInfo | SkippedFile:
    """Read the files of one image and check that each can be used, and that they belong together."""
    images: dict[str, ImageFile] = {}
    for role in ROLES:
        path = getattr(item, role)
        if path is None:
            continue
        try:
            images[role] = read_image(path)
        except PellucidError as error:
            return SkippedFile(path, str(error))
        if problem := _sample_error(images[role].pixels):
            return SkippedFile(path, f"{path} {problem}")
    if len(images) == 2 and (reason := _pair_error(images)):
        return SkippedFile(next(iter(images.values())).path, reason)
    if "noisy" in images and is_only_noise(center_planes(images["noisy"])):
        path = images["noisy"].path
        return SkippedFile(path, f"{path} is nothing but noise: the image in it is lost")
    return _image_info(item, images)


def layout(image: ImageFile) -> tuple[int, int, int, int]:
    """Return (pages, channels, height, width)."""
    pixels = image.pixels if image.is_stack else image.pixels[None]
    pages, height, width = pixels.shape[:3]
    return pages, 1 if image.channel_axis is None else pixels.shape[-1], height, width


def center_planes(image: ImageFile, data_range: float = 1.0, page: int = 0) -> np.ndarray:
    """Return the center of a page, (C, H, W) float32 of at most 1024x1024 pixels, divided by `data_range`."""
    pixels = image.pixels[page] if image.is_stack else image.pixels
    pixels = pixels if image.channel_axis else pixels[..., None]
    return to_nchw(center_crop(np.moveaxis(pixels, -1, 0)), data_range, 0)[0]


def center_crop(planes: np.ndarray) -> np.ndarray:
    """Return the center of an image (C, H, W), at most 1024 pixels high and wide."""
    _, height, width = planes.shape
    top, left = max(0, height - MAX_SIDE) // 2, max(0, width - MAX_SIDE) // 2
    return planes[:, top : top + MAX_SIDE, left : left + MAX_SIDE]


def correlation(noisy: np.ndarray, clean: np.ndarray) -> float:
    """Return the correlation coefficient of two images of one shape; 0 if one is constant."""
    first, second = (image - image.mean(dtype=np.float64) for image in (noisy, clean))
    power = float(np.sqrt(np.square(first).mean() * np.square(second).mean()))
    return float((first * second).mean()) / power if power else 0.0


def is_only_noise(noisy: np.ndarray) -> bool:
    """Return whether an image (C, H, W) is white noise without content.

    The means of 8x8 blocks of white noise have 1/64 of the variance of its pixels; content adds to that. Images of
    fewer than 64 blocks are too small to decide: False.
    """
    _, height, width = noisy.shape
    rows, columns = height // BLOCK_SIZE, width // BLOCK_SIZE
    if rows * columns < MIN_BLOCKS:
        return False
    cropped = noisy[:, : rows * BLOCK_SIZE, : columns * BLOCK_SIZE].astype(np.float64)
    blocks = cropped.reshape(len(cropped), rows, BLOCK_SIZE, columns, BLOCK_SIZE)
    within = blocks.var(axis=(2, 4)).mean()
    between = blocks.mean(axis=(2, 4)).var(axis=(1, 2)).mean()
    return bool(between < 1.2 * within / BLOCK_SIZE**2)


def _image_info(item: Item, images: dict[str, ImageFile]) -> ImageInfo:
    image = images.get("clean") or images["noisy"]
    shape = layout(image)
    samples = [file.pixels for file in images.values()]
    digest = hashlib.blake2b(repr((shape, str(image.pixels.dtype))).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image.pixels).data)
    return ImageInfo(
        item,
        *shape,
        dtype=str(image.pixels.dtype),
        minimum=min(float(pixels.min()) for pixels in samples),
        maximum=max(float(pixels.max()) for pixels in samples),
        median=float(np.median(image.pixels.reshape(-1)[::MEDIAN_STEP])),
        digest=digest.hexdigest(),
    )


def _sample_error(pixels: np.ndarray) -> str | None:
    """Return the problem with the samples of one file, or None."""
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        return "holds values that are not finite (NaN or infinite): fill them in"
    if pixels.min() == pixels.max():
        return f"is {pixels.min():g} everywhere: there is nothing to learn from it"
    return None


def _pair_error(images: dict[str, ImageFile]) -> str | None:
    """Return the reason why the two files of an image do not belong together, or None."""
    first, second = images.values()
    shapes = [layout(image) for image in (first, second)]
    names = f"{first.path} and {second.path}"
    if (shapes[0][0], *shapes[0][2:]) != (shapes[1][0], *shapes[1][2:]):
        sizes = [f"{width}x{height}" + f", {pages} pages" * (pages > 1) for pages, _, height, width in shapes]
        return f"{names} differ in size ({' and '.join(sizes)}): crop them to the same size"
    if shapes[0][1] != shapes[1][1]:
        return f"{names} have {shapes[0][1]} and {shapes[1][1]} channels: convert one of them"
    if first.pixels.dtype != second.pixels.dtype:
        return f"{names} are {first.pixels.dtype} and {second.pixels.dtype}: save both with the same bit depth"
    if np.array_equal(first.pixels, second.pixels):
        roles = " and ".join(ROLES[role] for role in images)
        return f"{names} are identical: {roles} should differ by the noise"
    if correlation(center_planes(first), center_planes(second)) < MIN_CORRELATION:
        return f"{names} have nothing in common: either they do not belong together, or noise hides the image"
    return None
