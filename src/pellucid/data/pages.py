"""Printed pages set on the fly from fonts at hand, in many layouts, sizes and languages; free of rights."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from pellucid.data.image_set import Images, check_split, check_test_fraction
from pellucid.data.page_layout import STEEPEST, Style, Typesetter, drawn_style, plain_style

PER_PAGE = 16
PATCHES_A_SIDE = 5
LEAST_SIDE = 400
DARK, LEAST_INK = 128, 0.003
TRIES = 4
WIDEST_BLUR = 0.6


@dataclass(frozen=True)
class Pages:
    """Patches of pages that Pellucid sets itself: black or coloured print on white.

    Several patches come from each page, which lies in one split alone. Pages depend on the seed, on their own number,
    and on the fonts at hand (`pellucid.data.fonts`).

    Attributes:
        num_images: how many patches, both splits together.
        size: the side of the square patches in pixels.
        colour: the share of pages with coloured ink, boxes and pictures.
        seed: of all chance.
        test_fraction: the share of pages in the test split.
    """

    num_images: int = 1000
    size: int = 128
    colour: float = 0.25
    seed: int = 0
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        """Check the options."""
        check_test_fraction(self.test_fraction)
        if self.num_images < 1:
            raise ValueError(f"num_images is {self.num_images}: give 1 or more")
        if self.size < 8:
            raise ValueError(f"size is {self.size}: give a side of 8 pixels or more")
        if not 0 <= self.colour <= 1:
            raise ValueError(f"colour is {self.colour}: give a share from 0 to 1")

    def available(self) -> bool:
        """Return True: nothing is read but fonts, and Pillow has one of its own."""
        return True

    def load(self, split: str) -> Images:
        """Set the pages of the `train` or `test` split and cut patches (N, 3, size, size) out of them.

        Warns:
            RuntimeWarning: if no font is found, naming some to install; Pillow's own is used then.
        """
        check_split(split)
        num_test = round(self.num_images * self.test_fraction)
        count = num_test if split == "test" else self.num_images - num_test
        images = np.empty((count, 3, self.size, self.size), np.uint8)
        for start in range(0, count, PER_PAGE):
            random = np.random.default_rng((self.seed, split == "test", start // PER_PAGE))
            part = images[start : start + PER_PAGE]
            part[:] = self._patches(random, len(part))
        return Images(images)

    def _patches(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Return patches (count, 3, size, size) of one page, at random places with print on them, if there is any."""
        side = max(PATCHES_A_SIDE * self.size, LEAST_SIDE)
        style = drawn_style(random, coloured=random.random() < self.colour)
        page, _ = _set(random, side, side, style, plain=False)
        patches = np.empty((count, 3, self.size, self.size), np.uint8)
        for place in range(count):
            for _ in range(TRIES):
                row, column = random.integers(0, side - self.size + 1, 2)
                part = page[row : row + self.size, column : column + self.size]
                if (part.min(2) < DARK).mean() > LEAST_INK:
                    break
            patches[place] = part.transpose(2, 0, 1)
        return patches


def render_page(
    seed: int, width: int = 1240, height: int = 1754, size: int = 28, plain: bool = True
) -> tuple[np.ndarray, str]:
    """Set one whole page and say what it reads.

    Args:
        seed: of all chance; another seed gives another text, font and layout.
        width: of the page in pixels.
        height: of the page in pixels.
        size: of the type in pixels, with `plain`.
        plain: whether to set English paragraphs under a heading, in one column, for reading by machine; otherwise
            the page is as varied as those of `Pages`, and its text is in the order of its columns.

    Returns:
        The page, uint8 (height, width, 3), and its text, a line for each that was set.

    Warns:
        RuntimeWarning: as `Pages.load`.
    """
    random = np.random.default_rng(seed)
    style = plain_style(random, size) if plain else drawn_style(random, coloured=random.random() < 0.5)
    return _set(random, width, height, style, plain)


def _set(random: np.random.Generator, width: int, height: int, style: Style, plain: bool) -> tuple[np.ndarray, str]:
    """Return a page (height, width, 3) and its text; unless `plain`, it may be turned a little, and blurred."""
    from PIL import Image, ImageFilter

    # Type that is set at twice its size and halved is not aligned to pixels, like that of scans.
    factor = 2 if random.random() < 0.5 else 1
    style = dataclasses.replace(style, size=style.size * factor)
    setter = Typesetter(random, width * factor, height * factor, style)
    setter.fill(plain)
    page = setter.page
    if not plain and random.random() < 0.4:
        page = page.rotate(random.uniform(-STEEPEST, STEEPEST), Image.Resampling.BICUBIC, fillcolor="white")
    if factor > 1:
        page = page.resize((width, height), Image.Resampling.BOX if random.random() < 0.5 else Image.Resampling.LANCZOS)
    if not plain and random.random() < 0.4:
        page = page.filter(ImageFilter.GaussianBlur(random.uniform(0, WIDEST_BLUR)))
    return np.asarray(page), "\n".join(setter.lines)
