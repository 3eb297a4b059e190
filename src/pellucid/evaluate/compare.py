"""How far apart two images are: of different files, dtypes and depths too, as long as they are of one size."""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from pellucid.errors import UsageError
from pellucid.inference.frames import Frames
from pellucid.metrics.mse import MSE
from pellucid.metrics.ssim import RADIUS, SSIM

ROWS = 512


@dataclass(frozen=True)
class Comparison:
    """What was measured, white being 1; of a stack, the mean over its images.

    Attributes:
        psnr: in dB, infinite for identical images.
        rmse: the root of the mean squared difference, of a stack over all its images.
        ssim: structural similarity, 1 for identical images; None where SciPy, which it needs, is not installed.
        largest: the largest difference of any value.
        shift: how much brighter the first is on the whole.
    """

    psnr: float
    rmse: float
    ssim: float | None
    largest: float
    shift: float


def compare(image: Frames, reference: Frames) -> Comparison:
    """Measure how far an image is from a reference, in bands of rows, so that large ones need little memory.

    Raises:
        UsageError: if the images are not of one size, or one has colours and the other has not.
    """
    if image.shape != reference.shape:
        sizes = [_size(frames.shape) for frames in (image, reference)]
        raise UsageError(f"{image.name} is {sizes[0]}, {reference.name} is {sizes[1]}: compare images of one size")
    pages, _, height, _ = image.shape
    has_ssim = find_spec("scipy") is not None
    errors, similarities, shifts = np.zeros(pages), np.zeros(pages), np.zeros(pages)
    largest = 0.0
    for page in range(pages):
        for start in range(0, height, ROWS):
            one, other = (
                frames.read(page, slice(start, start + ROWS), slice(None)).astype(np.float64)
                for frames in (image, reference)
            )
            share = one.shape[-2] / height
            errors[page] += share * MSE()(one, other)[0]
            shifts[page] += share * (one - other).mean()
            largest = max(largest, float(np.abs(one - other).max()))
        if has_ssim:
            similarities[page] = _similarity(image, reference, page)
    with np.errstate(divide="ignore"):
        psnr = float(np.mean(-10 * np.log10(errors)))
    rmse, ssim = float(np.sqrt(errors.mean())), float(similarities.mean()) if has_ssim else None
    return Comparison(psnr, rmse, ssim, largest, float(shifts.mean()))


def _similarity(image: Frames, reference: Frames, page: int) -> float:
    """Return the mean SSIM of a page. Bands overlap by a window, so that each window counts once."""
    height = image.shape[2]
    windows = max(height - 2 * RADIUS, 1)
    total = 0.0
    for start in range(0, windows, ROWS):
        count = min(ROWS, windows - start)
        rows = slice(start, start + count + 2 * RADIUS)
        one, other = (frames.read(page, rows, slice(None)) for frames in (image, reference))
        total += count / windows * float(SSIM()(one, other)[0])
    return total


def _size(shape: tuple[int, int, int, int]) -> str:
    pages, channels, height, width = shape
    kind = "gray" if channels == 1 else f"{channels} channels"
    return f"{width}x{height}, {kind}" + (f", {pages} pages" if pages > 1 else "")
