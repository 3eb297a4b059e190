"""The pictures of one recipe: what the page inlines and what is written as PNG files, drawn once."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.evaluate.study import value_text
from pellucid.report import plots as figures
from pellucid.report.entry import Entry
from pellucid.report.formatting import figure_name, figure_text
from pellucid.report.tables import plotted_keys

OVERFITS = "Overfitting: shaded, the epochs after the least validation loss"
FINE = "No overfitting"
TOO_FEW = "Too few epochs to see overfitting"


@dataclass(frozen=True)
class Drawing:
    """A PNG picture: its file's name, what it shows in words, its size in CSS pixels, and its dark twin if it has one.

    `times` is the whole factor by which images in it are enlarged, `count` how many stand side by side.
    """

    file: str
    words: str
    content: bytes
    width: int
    height: int
    dark: bytes | None = None
    times: int = 1
    count: int = 1

    @property
    def width_of_one(self) -> int:
        """The width of each image of a strip."""
        return (self.width + figures.GAP) // self.count - figures.GAP


@dataclass(frozen=True)
class StudyDrawings:
    """The pictures of a study: a plot a measure, a strip a value, and close-ups that show a checkerboard."""

    plots: list[Drawing] = field(default_factory=list)
    strips: dict[str, Drawing] = field(default_factory=dict)
    close_ups: dict[str, Drawing] = field(default_factory=dict)
    files: list[Drawing] = field(default_factory=list)


@dataclass(frozen=True)
class Drawings:
    """The pictures of a recipe. `strips` and `codes` are for the page; `files` go beside it, with words drawn in."""

    strips: dict[str, Drawing]
    codes: dict[str, Drawing]
    curves: Drawing | None
    studies: list[StudyDrawings]
    files: list[Drawing]


def draw(entry: Entry) -> Drawings:
    """Draw all pictures of a recipe.

    Raises:
        PellucidError: if matplotlib is not installed.
    """
    files = []
    strips = {name: _strip(name, images) for name, images in entry.pictures.items() if len(images)}
    if strips:
        misread = {name: entry.misread(name) for name in strips}
        picture = figures.sheet(entry.pictures, entry.captions, misread)
        files.append(_drawing("pictures.png", f"{entry.name}: {', '.join(strips)}, one row each", picture))
    codes = {}
    if entry.codes is not None and len(entry.codes):
        shown = {"noisy": entry.pictures.get("noisy", entry.pictures.get("original", entry.codes[:0]))}
        shown["code"] = figures.code_pictures(np.asarray(entry.codes, float))
        if not len(shown["noisy"]):
            del shown["noisy"]
        cell = max(_strip(name, images).width_of_one for name, images in shown.items())
        codes = {name: _strip(name, images, cell) for name, images in shown.items()}
        files.append(_drawing("codes.png", f"{entry.name}: the latent codes as pictures", figures.sheet(shown, {})))
    curves = _curves(entry)
    if curves:
        files.append(curves)
    studies = [_study(study, number) for number, study in enumerate(entry.studies, 1)]
    files += [drawing for study in studies for drawing in study.files]
    return Drawings(strips, codes, curves, studies, files)


def _strip(name: str, images: np.ndarray, cell: int = 0) -> Drawing:
    times = figures.factor(*images.shape[2:])
    words = f"{len(images)} images, {name}"
    return _drawing("", words, figures.strip(images, times, cell), times=times, count=len(images))


def _drawing(file: str, words: str, picture: Any, times: int = 1, count: int = 1) -> Drawing:
    return Drawing(file, words, figures.png(picture), picture.width, picture.height, times=times, count=count)


def _curves(entry: Entry) -> Drawing | None:
    runs = {name: epochs for name, epochs in entry.history.items() if epochs}
    if not runs:
        return None
    longest = max(len(epochs) for epochs in runs.values())
    verdict = OVERFITS if entry.overfitting else FINE if longest > 1 else TOO_FEW
    light, dark = (
        figures.loss_curves(runs, verdict, bool(entry.overfitting), theme) for theme in (figures.LIGHT, figures.DARK)
    )
    words = f"{entry.name}: training and validation loss against the epoch. {verdict}"
    width, height = figures.CURVES
    return Drawing("loss-curves.png", words, light, width, height, dark)


def _study(study: dict[str, Any], number: int) -> StudyDrawings:
    shown = plotted_keys(study)
    plots = [_plot(study, key, f"study-{number}-{_plain(key)}.png") for key in shown]
    # In the order of the rows, whatever the order of the pictures.
    texts = [value_text(row["value"]) for row in study["rows"]]
    pictures = {text: study["pictures"][text] for text in texts if len(study.get("pictures", {}).get(text, ()))}
    files = list(plots)
    strips = {text: _strip(text, images) for text, images in pictures.items()}
    if pictures:
        words = f"{study['title']}: the same images under each value of {study['vary']}"
        files.append(_drawing(f"study-{number}-pictures.png", words, figures.sheet(pictures, {})))
    close_ups = {}
    if pictures and "checkerboard" in shown:
        captions = {text: _caption(text, row) for text, row in zip(texts, study["rows"], strict=True)}
        enlarged = {captions[text]: picture for text, picture in figures.close_ups(pictures).items()}
        close_ups = {caption: _drawing("", caption, picture) for caption, picture in enlarged.items()}
        words = f"{study['title']}: the middle of one image, enlarged, with its checkerboard figure"
        files.append(_drawing(f"study-{number}-checkerboard.png", words, figures.side_by_side(enlarged)))
    return StudyDrawings(plots, strips, close_ups, files)


def _plot(study: dict[str, Any], key: str, file: str) -> Drawing:
    rows = study["rows"]
    values = [row["value"] if figures.numeric(row["value"]) is not None else value_text(row["value"]) for row in rows]
    heights = [row.get(key) if math.isfinite(row.get(key) or 0) else None for row in rows]
    light, dark = (
        figures.study_plot(values, heights, study["vary"], figure_name(key), theme)
        for theme in (figures.LIGHT, figures.DARK)
    )
    width, height = figures.STUDY
    return Drawing(file, f"{study['title']}: {figure_name(key)} against {study['vary']}", light, width, height, dark)


def _caption(text: str, row: dict[str, Any]) -> str:
    return f"{text}: checkerboard {figure_text('checkerboard', row.get('checkerboard'))}"


def _plain(key: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in key)
