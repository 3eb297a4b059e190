"""Measure how much two images of one size differ; their files, dtypes and bit depths may differ too."""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from pellucid.errors import UsageError
from pellucid.inference.frames import Frames
from pellucid.metrics.mse import MSE
from pellucid.metrics.psnr import psnr_from_mse
from pellucid.metrics.ssim import RADIUS, SSIM

ROWS = 512


@dataclass(frozen=True)
class Comparison:
    """The differences of two images with white at 1; for a stack, the mean over its images.

    Attributes:
        psnr: in dB, infinite for identical images.
        rmse: the root mean square of the differences, for a stack over all its images.
        ssim: structural similarity, 1 for identical images; None if SciPy is not installed.
        max_difference: the largest absolute difference of two values.
        mean_shift: the mean of the first image less that of the second.
    """

    psnr: float
    rmse: float
    ssim: float | None
    max_difference: float
    mean_shift: float


def compare(image: Frames, reference: Frames) -> Comparison:
    """Compare an image with a reference, in bands of rows, so that large images need little memory.

    Raises:
        UsageError: if the sizes or the numbers of channels differ.
    """
    if image.shape != reference.shape:
        sizes = [_size(frames.shape) for frames in (image, reference)]
        raise UsageError(f"{image.name} is {sizes[0]}, {reference.name} is {sizes[1]}: compare images of one size")
    pages, _, height, _ = image.shape
    has_ssim = find_spec("scipy") is not None
    errors, similarities, shifts = np.zeros(pages), np.zeros(pages), np.zeros(pages)
    max_difference = 0.0
    for page in range(pages):
        for start in range(0, height, ROWS):
            one, other = (
                frames.read(page, slice(start, start + ROWS), slice(None)).astype(np.float64)
                for frames in (image, reference)
            )
            fraction = one.shape[-2] / height
            errors[page] += fraction * MSE()(one, other)[0]
            shifts[page] += fraction * (one - other).mean()
            max_difference = max(max_difference, float(np.abs(one - other).max()))
        if has_ssim:
            similarities[page] = _similarity(image, reference, page)
    psnr = float(psnr_from_mse(errors).mean())
    rmse, ssim = float(np.sqrt(errors.mean())), float(similarities.mean()) if has_ssim else None
    return Comparison(psnr, rmse, ssim, max_difference, float(shifts.mean()))


def _similarity(image: Frames, reference: Frames, page: int) -> float:
    """Return the mean SSIM of a page. Bands overlap so that each window is in exactly one of them."""
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
