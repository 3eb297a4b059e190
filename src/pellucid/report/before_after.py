"""A page that shows images before and after denoising under a line to drag: one HTML file that fetches nothing."""

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

TEMPLATE = Path(__file__).with_name("before_after.html")
QUALITY = 93
# Larger images are shown reduced, and a part of them pixel for pixel: a page of whole photographs does not open.
MOST_PIXELS, REDUCED_SIDE, DETAIL = 4_000_000, 1600, (1000, 1500)
SMALL = 200
MOST_PAIRS = 24


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
class Pair:
    """An image with its views, and a line that tells of it."""

    name: str
    facts: str
    views: tuple[View, ...]


def pair(name: str, facts: str, before: Frames, after: Frames, icc: bytes | None = None) -> Pair:
    """Take what the page shows of an image; of a stack, the first.

    Args:
        name: the heading.
        facts: a line behind it.
        before: the image as it was.
        after: the image denoised, of the same shape.
        icc: the colour profile of both, or None.
    """
    _, _, height, width = before.shape
    views = []
    factor = 1 if height * width <= MOST_PIXELS else -(-max(height, width) // REDUCED_SIDE)
    whole = [reduced(frames, factor) for frames in (before, after)]
    views.append(_view(f"The whole image, one pixel for {factor}x{factor}" if factor > 1 else "", whole, icc))
    if factor > 1:
        tall, wide = (min(most, length) for most, length in zip(DETAIL, (height, width), strict=True))
        top, left = (height - tall) // 2, (width - wide) // 2
        window = slice(top, top + tall), slice(left, left + wide)
        views.append(
            _view("Its middle, pixel for pixel", [frames.read(0, *window)[0] for frames in (before, after)], icc)
        )
    return Pair(name, facts, tuple(views))


def page(pairs: Sequence[Pair], title: str, foot: str, lead: str = "") -> str:
    """Return the page as HTML.

    Args:
        pairs: at most `MOST_PAIRS` are worth a page.
        title: its heading.
        foot: a line at its end.
        lead: HTML that stands ahead of the images.
    """
    sections = "".join(_section(number, entry) for number, entry in enumerate(pairs))
    text = Template(TEMPLATE.read_text(encoding="utf-8"))
    return text.substitute(title=escape(title), lead=lead, sections=sections, foot=escape(foot))


def _section(number: int, entry: Pair) -> str:
    figures = "".join(_figure(entry.name, view) for view in entry.views)
    return (
        f'<section aria-labelledby="image{number}"><header><h2 id="image{number}">{escape(entry.name)}</h2>'
        f'<p class="facts">{escape(entry.facts)}</p></header>\n{figures}</section>\n'
    )


def _figure(name: str, view: View) -> str:
    images = "".join(
        f'<img src="data:image/jpeg;base64,{b64encode(data).decode("ascii")}" alt="{escape(name)} {words}">'
        for data, words in ((view.before, "as it was"), (view.after, "denoised"))
    )
    caption = f"<figcaption>{escape(view.caption)}</figcaption>" if view.caption else ""
    small = " small" if max(view.width, view.height) < SMALL else ""
    return (
        f'<figure><div class="frame{small}"><div class="pair" style="--w:{view.width};--h:{view.height}">{images}'
        f'<input type="range" min="0" max="1000" value="500" aria-label="Line between {escape(name)} as it was and '
        f'denoised"><span class="line"></span><span class="tag before">before</span>'
        f'<span class="tag after">after</span></div></div>{caption}</figure>\n'
    )


def _view(caption: str, planes: Sequence[np.ndarray], icc: bytes | None) -> View:
    _, height, width = planes[0].shape
    before, after = (_jpeg(part, icc) for part in planes)
    return View(caption, width, height, before, after)


def reduced(frames: Frames, factor: int) -> np.ndarray:
    """Return the first frame (C, h, w), each value the mean of `factor` x `factor` pixels; what is left over is cut."""
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
    """Return (C, H, W) floats, white at 1, as 8 bits: gray of one or two channels, else colours of the first three."""
    from PIL.Image import fromarray

    shown = planes[:3] if len(planes) >= 3 else planes[:1]
    samples = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    return fromarray(samples[0] if len(samples) == 1 else np.ascontiguousarray(np.moveaxis(samples, 0, -1)))


def _jpeg(planes: np.ndarray, icc: bytes | None) -> bytes:
    """Return (C, H, W) floats as a JPEG file."""
    stream = io.BytesIO()
    picture(planes).save(stream, "JPEG", quality=QUALITY, subsampling=0, icc_profile=icc or b"")
    return stream.getvalue()
