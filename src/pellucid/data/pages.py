"""Printed pages generated from the installed fonts in many layouts, sizes and languages; free of rights."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from pellucid.data.base import (
    DatasetInfo,
    ImageSet,
    check_fraction,
    check_minima,
    check_split,
    check_test_fraction,
)
from pellucid.data.page_layout import MAX_SKEW, Style, Typesetter, plain_style, random_style

PATCHES_PER_PAGE = 16
PATCHES_PER_SIDE = 5
MIN_SIDE = 400
DARK_THRESHOLD, MIN_INK = 128, 0.003
MAX_TRIES = 4
MAX_BLUR = 0.6


@dataclass(frozen=True)
class Pages:
    """Patches of generated pages: black or color print on white.

    Several patches come from each page, which lies in one split alone. Pages depend on the seed, on their number, and
    on the installed fonts (`pellucid.data.fonts`).

    Attributes:
        num_images: how many patches, both splits together.
        size: the side of the square patches in pixels.
        color: the fraction of pages with color ink, boxes and pictures.
        seed: of all randomness.
        test_fraction: the fraction of pages in the test split.
    """

    num_images: int = 1000
    size: int = 128
    color: float = 0.25
    seed: int = 0
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        """Check the options."""
        check_test_fraction(self.test_fraction)
        check_minima(self, {"num_images": 1, "size": 8})
        check_fraction("color", self.color)

    def available(self) -> bool:
        """Return True: nothing is read but fonts, and Pillow has one of its own."""
        return True

    def describe(self, split: str) -> DatasetInfo:
        """Return the shape and the number of the patches."""
        check_split(split)
        num_test = round(self.num_images * self.test_fraction)
        count = num_test if split == "test" else self.num_images - num_test
        return DatasetInfo(3, self.size, self.size, count)

    def load(self, split: str) -> ImageSet:
        """Generate the pages of the `train` or `test` split and crop patches (N, 3, size, size) from them.

        Warns:
            RuntimeWarning: if no font is found, naming some to install; the default font of Pillow is used then.
        """
        count = self.describe(split).num_images or 0
        images = np.empty((count, 3, self.size, self.size), np.uint8)
        for start in range(0, count, PATCHES_PER_PAGE):
            rng = np.random.default_rng((self.seed, split == "test", start // PATCHES_PER_PAGE))
            part = images[start : start + PATCHES_PER_PAGE]
            part[:] = self._patches(rng, len(part))
        return ImageSet(images)

    def _patches(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return patches (count, 3, size, size) of one page, at random positions with print on them, if any."""
        side = max(PATCHES_PER_SIDE * self.size, MIN_SIDE)
        style = random_style(rng, color=rng.random() < self.color)
        page, _ = _typeset(rng, side, side, style, plain=False)
        patches = np.empty((count, 3, self.size, self.size), np.uint8)
        for patch in patches:
            for _ in range(MAX_TRIES):
                row, column = rng.integers(0, side - self.size + 1, 2)
                part = page[row : row + self.size, column : column + self.size]
                if (part.min(2) < DARK_THRESHOLD).mean() > MIN_INK:
                    break
            patch[:] = part.transpose(2, 0, 1)
        return patches


def render_page(
    seed: int, width: int = 1240, height: int = 1754, size: int = 28, plain: bool = True
) -> tuple[np.ndarray, str]:
    """Generate one whole page and its text.

    Args:
        seed: of all randomness; another seed gives another text, font and layout.
        width: of the page in pixels.
        height: of the page in pixels.
        size: of the font in pixels, with `plain`.
        plain: whether the page has English paragraphs under a heading, in one column, for OCR; otherwise it is as
            varied as those of `Pages`, and its text is in the order of its columns.

    Returns:
        The page, uint8 (height, width, 3), and its text, with a line for each line of print.

    Warns:
        RuntimeWarning: as `Pages.load`.
    """
    rng = np.random.default_rng(seed)
    style = plain_style(rng, size) if plain else random_style(rng, color=rng.random() < 0.5)
    return _typeset(rng, width, height, style, plain)


def _typeset(rng: np.random.Generator, width: int, height: int, style: Style, plain: bool) -> tuple[np.ndarray, str]:
    """Return a page (height, width, 3) and its text; unless `plain`, it may be slightly rotated and blurred."""
    from PIL import Image, ImageFilter

    # Print at twice its size that is then halved is not aligned to pixels, like that of scans.
    factor = 2 if rng.random() < 0.5 else 1
    style = dataclasses.replace(style, size=style.size * factor)
    typesetter = Typesetter(rng, width * factor, height * factor, style)
    typesetter.fill(plain)
    page = typesetter.page
    if not plain and rng.random() < 0.4:
        page = page.rotate(rng.uniform(-MAX_SKEW, MAX_SKEW), Image.Resampling.BICUBIC, fillcolor="white")
    if factor > 1:
        page = page.resize((width, height), Image.Resampling.BOX if rng.random() < 0.5 else Image.Resampling.LANCZOS)
    if not plain and rng.random() < 0.4:
        page = page.filter(ImageFilter.GaussianBlur(rng.uniform(0, MAX_BLUR)))
    return np.asarray(page), "\n".join(typesetter.lines)
