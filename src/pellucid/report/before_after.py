"""A page that compares images before and after denoising with a slider: one HTML file that fetches nothing."""

import io
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from pellucid.inference.frames import Frames

if TYPE_CHECKING:
    from PIL.Image import Image

TEMPLATE = Path(__file__).with_name("templates") / "before_after.html"
QUALITY = 93
# Larger images are shown reduced, with a detail pixel for pixel: browsers cannot open pages of full photographs.
MAX_PIXELS, REDUCED_SIDE, DETAIL_SIZES = 4_000_000, 1600, (1000, 1500)
MIN_UPSCALE_SIDE = 200
MAX_PAIRS = 24


@dataclass(frozen=True)
class View:
    """One picture of an image, before and after.

    Attributes:
        caption: what it shows.
        width: in pixels of the picture.
        height: in pixels of the picture.
        before: a JPEG file.
        after: a JPEG file.
    """

    caption: str
    width: int
    height: int
    before: bytes
    after: bytes


@dataclass(frozen=True)
class ImagePair:
    """An image with its views and a caption."""

    name: str
    caption: str
    views: tuple[View, ...]


def make_pair(name: str, caption: str, before: Frames, after: Frames, icc: bytes | None = None) -> ImagePair:
    """Render the views of an image, of a stack its first image.

    Args:
        name: the heading.
        caption: a line next to the heading.
        before: the input image.
        after: the denoised image, of the same shape.
        icc: the color profile of both, or None.
    """
    _, _, height, width = before.shape
    views = []
    factor = 1 if height * width <= MAX_PIXELS else -(-max(height, width) // REDUCED_SIDE)
    whole = [reduced(frames, factor) for frames in (before, after)]
    views.append(_view(f"The whole image, one pixel for {factor}x{factor}" if factor > 1 else "", whole, icc))
    if factor > 1:
        rows, columns = (min(limit, length) for limit, length in zip(DETAIL_SIZES, (height, width), strict=True))
        top, left = (height - rows) // 2, (width - columns) // 2
        window = slice(top, top + rows), slice(left, left + columns)
        views.append(
            _view("Its middle, pixel for pixel", [frames.read(0, *window)[0] for frames in (before, after)], icc)
        )
    return ImagePair(name, caption, tuple(views))


def render_page(pairs: Sequence[ImagePair], title: str, footer: str, introduction: str = "") -> str:
    """Return the page as HTML.

    Args:
        pairs: the images; more than `MAX_PAIRS` make the page slow.
        title: the heading.
        footer: a line at the end.
        introduction: HTML before the images.
    """
    sections = "".join(_section(number, entry) for number, entry in enumerate(pairs))
    text = Template(TEMPLATE.read_text(encoding="utf-8"))
    return text.substitute(title=escape(title), introduction=introduction, sections=sections, footer=escape(footer))


def _section(number: int, pair: ImagePair) -> str:
    figures = "".join(_figure(pair.name, view) for view in pair.views)
    return (
        f'<section aria-labelledby="image{number}"><header><h2 id="image{number}">{escape(pair.name)}</h2>'
        f'<p class="caption">{escape(pair.caption)}</p></header>\n{figures}</section>\n'
    )


def _figure(name: str, view: View) -> str:
    images = "".join(
        f'<img src="data:image/jpeg;base64,{b64encode(data).decode("ascii")}" alt="{escape(name)} {version}">'
        for data, version in ((view.before, "before"), (view.after, "denoised"))
    )
    caption = f"<figcaption>{escape(view.caption)}</figcaption>" if view.caption else ""
    small = " small" if max(view.width, view.height) < MIN_UPSCALE_SIDE else ""
    return (
        f'<figure><div class="frame{small}"><div class="pair" style="--w:{view.width};--h:{view.height}">{images}'
        f'<input type="range" min="0" max="1000" value="500" aria-label="Line between {escape(name)} before and '
        f'after denoising"><span class="line"></span><span class="tag before">before</span>'
        f'<span class="tag after">after</span></div></div>{caption}</figure>\n'
    )


def _view(caption: str, planes: Sequence[np.ndarray], icc: bytes | None) -> View:
    _, height, width = planes[0].shape
    before, after = (_jpeg(part, icc) for part in planes)
    return View(caption, width, height, before, after)


def reduced(frames: Frames, factor: int) -> np.ndarray:
    """Return the first frame (C, h, w), each value the mean of `factor` x `factor` pixels; remainders are cropped."""
    return np.concatenate(list(_reduced_rows(frames, factor)), axis=1)


def _reduced_rows(frames: Frames, factor: int) -> Iterator[np.ndarray]:
    _, channels, height, width = frames.shape
    rows, columns = max(height // factor, 1), max(width // factor, 1)
    step = max(1, 256 // factor)
    for start in range(0, rows, step):
        count = min(step, rows - start)
        part = frames.read(0, slice(start * factor, (start + count) * factor), slice(0, columns * factor))[0]
        if factor == 1:
            yield part
        else:
            blocks = part.reshape(channels, count, -1, columns, part.shape[2] // columns)
            yield blocks.mean(axis=(2, 4))


def picture(planes: np.ndarray) -> "Image":
    """Return planes (C, H, W) in [0, 1] as 8 bits: gray for one or two channels, else the first three as RGB."""
    from PIL.Image import fromarray

    shown = planes[:3] if len(planes) >= 3 else planes[:1]
    samples = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    return fromarray(samples[0] if len(samples) == 1 else np.ascontiguousarray(np.moveaxis(samples, 0, -1)))


def _jpeg(planes: np.ndarray, icc: bytes | None) -> bytes:
    """Return planes (C, H, W) in [0, 1] as a JPEG file."""
    stream = io.BytesIO()
    picture(planes).save(stream, "JPEG", quality=QUALITY, subsampling=0, icc_profile=icc or b"")
    return stream.getvalue()
