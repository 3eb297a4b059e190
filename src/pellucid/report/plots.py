"""Draw pictures and plots of arrays. Small images are enlarged by whole factors, so that pixels stay squares."""

import io
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pellucid.utils.optional_imports import import_optional

CELL = 84
MAX_FACTOR = 8
GAP = 6
CLOSE_UP = 168
LONG_RUN = 20
# The size of plots in CSS pixels; their files have two pixels for each.
CURVES = (520, 310)
STUDY = (420, 270)
# Black, violet, magenta, orange, cream: even steps of lightness, also in print and for color-blind readers.
CODE_COLORS = np.array([[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]], float)


@dataclass(frozen=True)
class Theme:
    """The colors of a plot: its background, text, muted text, grid, and lines."""

    ground: str
    ink: str
    muted: str
    grid: str
    accent: str
    second: str
    warning: str


LIGHT = Theme("#ffffff", "#1d2326", "#667176", "#e3e6e6", "#0b6b70", "#b0762a", "#a8321e")
DARK = Theme("#171b1d", "#e6e4df", "#9aa4a7", "#2c3336", "#5fc6c4", "#e0ad62", "#f08a72")


def factor(height: int, width: int, size: int = CELL, max_factor: int = MAX_FACTOR) -> int:
    """Return the whole factor by which an image is enlarged to fill `size` pixels: 3 for 28x28, 8 for 8x8."""
    return max(1, min(size // max(height, width), max_factor))


def enlarge(images: np.ndarray, times: int) -> np.ndarray:
    """Return images (N, C, H, W) in [0, 1] as 8-bit RGB (N, H·times, W·times, 3), each pixel a square block.

    Three channels are red, green and blue; otherwise the first channel is shown as gray. Values outside the range are
    clipped, NaN is black.
    """
    shown = images if images.shape[1] == 3 else np.repeat(images[:, :1], 3, axis=1)
    samples = np.rint(np.clip(np.nan_to_num(shown, nan=0.0), 0, 1) * 255).astype(np.uint8)
    return samples.repeat(times, axis=2).repeat(times, axis=3).transpose(0, 2, 3, 1)


def strip(images: np.ndarray, times: int | None = None, cell: int = 0) -> Image.Image:
    """Return one RGBA image with the images side by side on a transparent background, `GAP` pixels apart.

    Args:
        images: (N, C, H, W) in [0, 1], gray or RGB.
        times: the whole number by which each image is enlarged; None chooses it by the size.
        cell: each image is centered in a slot at least this many pixels wide, after enlarging.
    """
    blocks = enlarge(images, times or factor(*images.shape[2:]))
    height, width = blocks.shape[1:3]
    step = max(width, cell) + GAP
    row = Image.new("RGBA", (len(blocks) * step - GAP, height))
    for index, block in enumerate(blocks):
        row.paste(Image.fromarray(block), (index * step + (step - GAP - width) // 2, 0))
    return row


def sheet(
    rows: Mapping[str, np.ndarray],
    captions: Mapping[str, Sequence[str]],
    misclassified: Mapping[str, Sequence[bool]] | None = None,
) -> Image.Image:
    """Place named rows of images (N, C, H, W) below each other, each with its name and its captions.

    Captions that `misclassified` marks have the warning color.
    """
    rows = {name: images for name, images in rows.items() if len(images)}
    font, small = _font(13), _font(11)
    margin, line = 16, 17
    gutter = margin + max((int(font.getlength(name)) for name in rows), default=0) + 14
    cell = max((images.shape[3] * factor(*images.shape[2:]) for images in rows.values()), default=0)
    strips = {name: strip(images, cell=cell) for name, images in rows.items()}
    heights = {name: row.height + (line if any(captions.get(name, ())) else 0) + 10 for name, row in strips.items()}
    width = gutter + max((row.width for row in strips.values()), default=0) + margin
    page = Image.new("RGB", (width, sum(heights.values()) + 2 * margin - 10), LIGHT.ground)
    pen, top = ImageDraw.Draw(page), margin
    for name, row in strips.items():
        page.paste(row, (gutter, top), row)
        pen.text((margin, top + row.height // 2), name, LIGHT.ink, font, anchor="lm")
        for index, text in enumerate(captions.get(name, ())):
            middle = gutter + index * (cell + GAP) + cell // 2
            color = LIGHT.warning if any((misclassified or {}).get(name, ())[index : index + 1]) else LIGHT.muted
            pen.text((middle, top + row.height + 3), _shortened(text, small, cell), color, small, anchor="mt")
        top += heights[name]
    return page


def code_pictures(codes: np.ndarray) -> np.ndarray:
    """Return latent codes (N, D) or (N, C, h, w) as color pictures (N, 3, h', w') in [0, 1].

    A flat code becomes the squarest rectangle for its values (64 values are 8x8); channels become tiles, one pixel
    apart. The minimum of all codes is black, the maximum cream; NaN and empty places are black.
    """
    finite = codes[np.isfinite(codes)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scaled = np.nan_to_num((codes - low) / (high - low), nan=0.0) if high > low else np.zeros(codes.shape)
    stops = np.linspace(0, 1, len(CODE_COLORS))
    colored = [np.interp(scaled, stops, channel) / 255 for channel in CODE_COLORS.T]
    return np.stack([_tile_channels(channel) for channel in colored], axis=1)


def close_ups(pictures: Mapping[str, np.ndarray]) -> dict[str, Image.Image]:
    """Enlarge the middle of one image, the same for every name: the one whose neighboring pixels alternate most.

    Each array is (N, C, H, W) in [0, 1]; all have the same shape.
    """
    rough = sum(np.square(_alternating(images)).mean(axis=(1, 2, 3)) for images in pictures.values())
    chosen = int(np.argmax(rough))
    shown = {}
    for name, images in pictures.items():
        height, width = images.shape[2:]
        top, left = height // 4, width // 4
        crop = images[chosen : chosen + 1, :, top : top + (height + 1) // 2, left : left + (width + 1) // 2]
        shown[name] = Image.fromarray(enlarge(crop, factor(*crop.shape[2:], size=CLOSE_UP, max_factor=CLOSE_UP))[0])
    return shown


def side_by_side(pictures: Mapping[str, Image.Image]) -> Image.Image:
    """Place pictures side by side, each with its name below."""
    font, margin = _font(13), 16
    widths = {name: max(picture.width, int(font.getlength(name)) + 1) for name, picture in pictures.items()}
    height = max((picture.height for picture in pictures.values()), default=0)
    width = sum(widths.values()) + margin * (len(pictures) + 1)
    page = Image.new("RGB", (width, height + 2 * margin + 20), LIGHT.ground)
    pen, left = ImageDraw.Draw(page), margin
    for name, picture in pictures.items():
        page.paste(picture, (left + (widths[name] - picture.width) // 2, margin))
        pen.text((left + widths[name] // 2, margin + height + 7), name, LIGHT.ink, font, anchor="mt")
        left += widths[name] + margin
    return page


def png(picture: Image.Image) -> bytes:
    """Return a picture as a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def loss_curves(
    history: Mapping[str, Sequence[Mapping[str, Any]]], verdict: str, overfits: bool, theme: Theme = LIGHT
) -> bytes:
    """Plot training and validation loss against the epoch, one pair of lines per run, with the verdict as its title.

    If it overfits, the epochs after the best one of each run are shaded. The vertical axis of a long run fits the
    losses after the first tenth, not the steep start. Returns a PNG file.

    Raises:
        PellucidError: if matplotlib is not installed.
    """
    figure, axes = _axes(CURVES, theme)
    kinds = {"training": ("train_loss", theme.second), "validation": ("validation_loss", theme.accent)}
    opacity = 1.0 if len(history) == 1 else 0.65
    last = max(entries[-1]["epoch"] for entries in history.values())
    later, ends = [], {name: [] for name in kinds}
    for entries in history.values():
        epochs = [entry["epoch"] for entry in entries]
        marker = "o" if len(epochs) < 4 else None
        for name, (key, color) in kinds.items():
            values = [_number(entry[key]) for entry in entries]
            axes.plot(epochs, values, color=color, alpha=opacity, lw=1.6, marker=marker, ms=4)
            later += [value for value in values[len(values) // 10 :] if np.isfinite(value)]
            ends[name].append(values[-1])
        if overfits:
            best = min(entries, key=lambda entry: _number(entry["validation_loss"]))
            axes.axvspan(best["epoch"], epochs[-1], color=theme.warning, alpha=0.09, lw=0)
    if later and last >= LONG_RUN:
        margin = 0.08 * (max(later) - min(later)) or 0.01
        axes.set_ylim(min(later) - margin, max(later) + margin)
    axes.set_xlim(*((1, last) if last > 1 else (0, 2)))
    _name_ends(axes, last, ends, {name: color for name, (_, color) in kinds.items()})
    axes.xaxis.set_major_locator(
        import_optional("matplotlib.ticker", "train", "the report").MaxNLocator(8, integer=True)
    )
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    text, color = "\n".join(textwrap.wrap(verdict, 76)), theme.warning if overfits else theme.muted
    axes.set_title(text, loc="left", fontsize=8.5, pad=12, color=color, parse_math=False)
    return to_png(figure)


def study_plot(
    values: Sequence[Any], measured: Sequence[float | None], vary: str, measure: str, theme: Theme = LIGHT
) -> bytes:
    """Plot one measure against the values of a study: a line for numbers, else one dot per value.

    Returns a PNG file.

    Raises:
        PellucidError: if matplotlib is not installed.
    """
    figure, axes = _axes(STUDY, theme)
    heights = [_number(value) for value in measured]
    numbers = [numeric(value) for value in values]
    if all(number is not None for number in numbers):
        known = [number for number in numbers if number is not None]
        axes.plot(known, heights, color=theme.accent, lw=1.6, marker="o", ms=4.5)
        if min(known) > 0 and max(known) >= 8 * min(known):
            axes.set_xscale("log")
        axes.set_xticks(known, [f"{number:g}" for number in known])
        axes.minorticks_off()
        axes.set_xlabel(vary, parse_math=False)
    else:
        rows = range(len(values))
        axes.scatter(heights, rows, color=theme.accent, s=34, zorder=3)
        axes.set_yticks(rows, [textwrap.shorten(str(value), 24) for value in values], parse_math=False)
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.set_ylabel(vary, parse_math=False)
        axes.margins(x=0.18)
        for row, height in zip(rows, heights, strict=True):
            if np.isfinite(height):
                style = {"xytext": (7, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
                axes.annotate(f"{height:.2f}", (height, row), color=theme.ink, **style)
    axes.set_title(measure, loc="left", fontsize=9.5, pad=9, color=theme.ink, parse_math=False)
    return to_png(figure)


def numeric(value: Any) -> float | None:
    """Return a study's value as a number, a list of one number as that number, and anything else as None."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _axes(size: tuple[int, int], theme: Theme) -> tuple[Any, Any]:
    """Return a figure and its only axes."""
    figure = blank(size, theme)
    axes = figure.add_subplot()
    style(axes, theme)
    return figure, axes


def blank(size: tuple[int, int], theme: Theme) -> Any:
    """Return an empty figure of a size in CSS pixels that needs no window system.

    Raises:
        PellucidError: if matplotlib is not installed.
    """
    figure = import_optional("matplotlib.figure", "train", "the report").Figure(
        (size[0] / 100, size[1] / 100), 200, layout="constrained"
    )
    import_optional("matplotlib.backends.backend_agg", "train", "the report").FigureCanvasAgg(figure)
    figure.set_facecolor(theme.ground)
    return figure


def style(axes: Any, theme: Theme) -> None:
    """Give axes two spines and a muted horizontal grid."""
    axes.set_facecolor(theme.ground)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme.grid)
    axes.grid(axis="y", color=theme.grid, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.muted, labelsize=8, length=0, pad=5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_color(theme.muted)
        axis.label.set_size(8.5)


def to_png(figure: Any) -> bytes:
    """Return a figure as a PNG file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _name_ends(axes: Any, last: int, ends: Mapping[str, list[float]], colors: Mapping[str, str]) -> None:
    """Write each line's name next to its end, the higher one above, so that no legend is needed."""
    means = {name: float(np.mean(values)) for name, values in ends.items()}
    order = sorted(means, key=lambda name: means[name])
    for name, side in zip(order, ("top", "bottom"), strict=True):
        if np.isfinite(means[name]):
            style = {"xytext": (7, 0), "textcoords": "offset points", "va": side, "fontsize": 8.5}
            axes.annotate(name, (last, means[name]), color=colors[name], annotation_clip=False, **style)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return the sans-serif font that comes with matplotlib; it has the arrows and dashes of captions."""
    folder = import_optional("matplotlib", "train", "the report").get_data_path()
    return ImageFont.truetype(str(Path(folder, "fonts", "ttf", "DejaVuSans.ttf")), size)


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Shorten a text with an ellipsis until it fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1].rstrip()
    return f"{text}…"


def _tile_channels(codes: np.ndarray) -> np.ndarray:
    """Place the channels of codes (N, D) or (N, C, h, w) as tiles in (N, h', w')."""
    if codes.ndim == 2:
        codes = codes[:, :, None, None]
    count, channels, height, width = codes.shape
    rows = max(row for row in range(1, int(np.sqrt(channels)) + 1) if channels % row == 0)
    if channels > 3 * rows**2:
        rows = int(np.sqrt(channels))
    columns = -(-channels // rows)
    gap = 0 if height == width == 1 else 1
    page = np.zeros((count, rows * (height + gap) - gap, columns * (width + gap) - gap))
    for channel in range(channels):
        top, left = channel // columns * (height + gap), channel % columns * (width + gap)
        page[:, top : top + height, left : left + width] = codes[:, channel]
    return page


def _alternating(images: np.ndarray) -> np.ndarray:
    """Return the second difference of images (N, C, H, W) along rows and columns, high where pixels alternate."""
    across = images[..., :, 1:-1] - (images[..., :, :-2] + images[..., :, 2:]) / 2
    return across[..., 1:-1, :] - (across[..., :-2, :] + across[..., 2:, :]) / 2
