"""The picture of a study: how good each trial was, against each of the values that were varied."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pellucid.report.plots import LIGHT, Theme, blank, style, to_png

PANEL = (300, 250)
MOST_IN_A_ROW = 3
# What lies further from the best than so many times the median does stands at the edge, as a triangle.
FAR = 4
KEY_TO_MARKS = "large: the best · hollow: given up early · triangles: far off"
SPREAD = 0.16  # by how much trials with the same choice stand apart, the step from choice to choice being 1


@dataclass(frozen=True)
class Panel:
    """One key: its value in each trial, numbers or texts.

    Attributes:
        key: the key of the recipe.
        values: one a trial.
        log: whether numbers stand on a logarithmic scale.
        order: all texts there are, from the left to the right; empty for numbers.
    """

    key: str
    values: Sequence[Any]
    log: bool = False
    order: Sequence[str] = field(default=())


def tuning_plot(
    panels: Sequence[Panel], measured: Sequence[float], marks: Sequence[str], measure: str, theme: Theme = LIGHT
) -> bytes:
    """Plot how good the trials were against the values of each key, a panel a key; what is far off stands at the edge.

    Args:
        panels: the keys.
        measured: one number a trial.
        marks: for each trial "done", "best", or "pruned", which is drawn hollow.
        measure: what the numbers are.
        theme: the colours.

    Returns:
        A PNG file.

    Raises:
        PellucidError: if matplotlib is not installed.
    """
    columns = min(len(panels), MOST_IN_A_ROW)
    rows = -(-len(panels) // columns)
    figure = blank((PANEL[0] * columns, PANEL[1] * rows), theme)
    low, high = _limits(measured, marks)
    margin = 0.07 * (high - low) or 0.01
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, number + 1)
        style(axes, theme)
        axes.set_ylim(low - margin, high + margin)
        _draw(axes, panel, [min(max(value, low), high) for value in measured], measured, marks, theme)
        axes.set_xlabel(panel.key, parse_math=False)
        if number % columns == 0:
            axes.set_ylabel(measure, parse_math=False)
        else:
            axes.tick_params(labelleft=False)
    figure.supxlabel(KEY_TO_MARKS, fontsize=7.5, color=theme.quiet)
    return to_png(figure)


def _limits(measured: Sequence[float], marks: Sequence[str]) -> tuple[float, float]:
    """Return the least and the greatest value that are shown in their place."""
    best = next((value for value, mark in zip(measured, marks, strict=True) if mark == "best"), measured[0])
    reach = FAR * statistics.median(abs(value - best) for value in measured)
    near = [value for value in measured if abs(value - best) <= reach]
    return min(near), max(near)


def _draw(
    axes: Any, panel: Panel, shown: Sequence[float], measured: Sequence[float], marks: Sequence[str], theme: Theme
) -> None:
    chance = random.Random(0)
    places = {text: place for place, text in enumerate(panel.order)}
    across = [places[value] + chance.uniform(-SPREAD, SPREAD) if places else value for value in panel.values]
    colours = {"best": theme.second, "done": theme.accent, "pruned": theme.quiet}
    for mark, colour in colours.items():
        drawn = {"s": 60 if mark == "best" else 24, "edgecolors": colour, "linewidths": 1.1, "zorder": 3}
        drawn["facecolors"] = "none" if mark == "pruned" else colour
        for is_far in (False, True):
            chosen = [
                place for place, own in enumerate(marks) if own == mark and (shown[place] != measured[place]) == is_far
            ]
            up = "^" if chosen and measured[chosen[0]] > shown[chosen[0]] else "v"
            x, y = ([row[place] for place in chosen] for row in (across, shown))
            axes.scatter(x, y, marker=up if is_far else "o", **drawn)
    if places:
        axes.set_xticks(range(len(places)), [text if len(text) < 22 else f"{text[:20]}…" for text in places])
        axes.set_xlim(-0.6, len(places) - 0.4)
        if sum(map(len, places)) > 30:
            axes.tick_params(axis="x", rotation=30)
    elif panel.log:
        axes.set_xscale("log")
        axes.tick_params(which="minor", length=0)
