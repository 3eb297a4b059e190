"""The pictures of one recipe: those inside the page and those that are written as PNG files."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.evaluate.study import value_text
from pellucid.report import plots
from pellucid.report.entry import ReportEntry
from pellucid.report.formatting import figure_name, figure_text
from pellucid.report.tables import plotted_keys

OVERFITS = "Overfitting: the epochs after the lowest validation loss are shaded"
FINE = "No overfitting"
TOO_FEW = "Too few epochs to see overfitting"


@dataclass(frozen=True)
class Drawing:
    """A PNG picture.

    Attributes:
        file: the name of its file, or "" if it is only in the page.
        alt_text: a text for those who cannot see it.
        content: the PNG file.
        width: in CSS pixels.
        height: in CSS pixels.
        dark: a PNG file for dark mode, or None.
        times: the whole factor by which the images in it are enlarged.
        count: how many images are side by side.
    """

    file: str
    alt_text: str
    content: bytes
    width: int
    height: int
    dark: bytes | None = None
    times: int = 1
    count: int = 1

    @property
    def width_of_one(self) -> int:
        """The width of each image of a strip."""
        return (self.width + plots.GAP) // self.count - plots.GAP

    @property
    def small_scale(self) -> float:
        """The scale of a strip on a narrow screen, at which images are still enlarged by a whole factor."""
        return max(1, self.times * 2 // 3) / self.times


@dataclass(frozen=True)
class StudyDrawings:
    """The pictures of a study: a plot for each measure, a strip for each value, and close-ups of a checkerboard."""

    plots: list[Drawing] = field(default_factory=list)
    strips: dict[str, Drawing] = field(default_factory=dict)
    close_ups: dict[str, Drawing] = field(default_factory=dict)
    files: list[Drawing] = field(default_factory=list)


@dataclass(frozen=True)
class Drawings:
    """The pictures of a recipe: `strips` and `codes` are for the page, `files` are written and have their own text."""

    strips: dict[str, Drawing]
    codes: dict[str, Drawing]
    curves: Drawing | None
    studies: list[StudyDrawings]
    files: list[Drawing]

    @property
    def own_files(self) -> list[Drawing]:
        """The files that belong to no study."""
        in_studies = {drawing.file for study in self.studies for drawing in study.files}
        return [drawing for drawing in self.files if drawing.file not in in_studies]


def draw(entry: ReportEntry) -> Drawings:
    """Draw all pictures of a recipe.

    Raises:
        PellucidError: if matplotlib is not installed.
    """
    files = []
    strips = {name: _strip(name, images) for name, images in entry.pictures.items() if len(images)}
    if strips:
        misclassified = {name: entry.is_misclassified(name) for name in strips}
        picture = plots.sheet(entry.pictures, entry.captions, misclassified)
        files.append(_drawing("pictures.png", f"{entry.name}: {', '.join(strips)}, one row each", picture))
    codes = {}
    if entry.codes is not None and len(entry.codes):
        shown = {"noisy": entry.pictures.get("noisy", entry.pictures.get("original", entry.codes[:0]))}
        shown["code"] = plots.code_pictures(np.asarray(entry.codes, float))
        if not len(shown["noisy"]):
            del shown["noisy"]
        cell = max(_strip(name, images).width_of_one for name, images in shown.items())
        codes = {name: _strip(name, images, cell) for name, images in shown.items()}
        files.append(_drawing("codes.png", f"{entry.name}: the latent codes as pictures", plots.sheet(shown, {})))
    curves = _curves(entry)
    if curves:
        files.append(curves)
    studies = [_study(study, number) for number, study in enumerate(entry.studies, 1)]
    files += [drawing for study in studies for drawing in study.files]
    return Drawings(strips, codes, curves, studies, files)


def _strip(name: str, images: np.ndarray, cell: int = 0) -> Drawing:
    times = plots.factor(*images.shape[2:])
    alt_text = f"{len(images)} images, {name}"
    return _drawing("", alt_text, plots.strip(images, times, cell), times=times, count=len(images))


def _drawing(file: str, alt_text: str, picture: Any, times: int = 1, count: int = 1) -> Drawing:
    return Drawing(file, alt_text, plots.png(picture), picture.width, picture.height, times=times, count=count)


def _curves(entry: ReportEntry) -> Drawing | None:
    runs = {name: epochs for name, epochs in entry.history.items() if epochs}
    if not runs:
        return None
    longest = max(len(epochs) for epochs in runs.values())
    verdict = OVERFITS if entry.overfitting else FINE if longest > 1 else TOO_FEW
    light, dark = (
        plots.loss_curves(runs, verdict, bool(entry.overfitting), theme) for theme in (plots.LIGHT, plots.DARK)
    )
    alt_text = f"{entry.name}: training and validation loss against the epoch. {verdict}"
    width, height = plots.CURVES
    return Drawing("loss-curves.png", alt_text, light, width, height, dark)


def _study(study: dict[str, Any], number: int) -> StudyDrawings:
    shown = plotted_keys(study)
    study_plots = [_plot(study, key, f"study-{number}-{_plain(key)}.png") for key in shown]
    # In the order of the rows, which the pictures may not have.
    texts = [value_text(row["value"]) for row in study["rows"]]
    pictures = {text: study["pictures"][text] for text in texts if len(study.get("pictures", {}).get(text, ()))}
    files = list(study_plots)
    strips = {text: _strip(text, images) for text, images in pictures.items()}
    if pictures:
        alt_text = f"{study['title']}: the same images under each value of {study['vary']}"
        files.append(_drawing(f"study-{number}-pictures.png", alt_text, plots.sheet(pictures, {})))
    close_ups = {}
    if pictures and "checkerboard" in shown:
        captions = {text: _caption(text, row) for text, row in zip(texts, study["rows"], strict=True)}
        enlarged = {captions[text]: picture for text, picture in plots.close_ups(pictures).items()}
        close_ups = {caption: _drawing("", caption, picture) for caption, picture in enlarged.items()}
        alt_text = f"{study['title']}: the middle of one image, enlarged, with its checkerboard figure"
        files.append(_drawing(f"study-{number}-checkerboard.png", alt_text, plots.side_by_side(enlarged)))
    return StudyDrawings(study_plots, strips, close_ups, files)


def _plot(study: dict[str, Any], key: str, file: str) -> Drawing:
    rows = study["rows"]
    values = [row["value"] if plots.numeric(row["value"]) is not None else value_text(row["value"]) for row in rows]
    heights = [row.get(key) if math.isfinite(row.get(key) or 0) else None for row in rows]
    light, dark = (
        plots.study_plot(values, heights, study["vary"], figure_name(key), theme) for theme in (plots.LIGHT, plots.DARK)
    )
    width, height = plots.STUDY
    return Drawing(file, f"{study['title']}: {figure_name(key)} against {study['vary']}", light, width, height, dark)


def _caption(text: str, row: dict[str, Any]) -> str:
    return f"{text}: checkerboard {figure_text('checkerboard', row.get('checkerboard'))}"


def _plain(key: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in key)
