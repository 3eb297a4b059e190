"""The picture of a study shows every trial in its place, or at the edge."""

import io

import pytest
from PIL import Image

from pellucid.report import tuning_plot as tuning
from pellucid.report.tuning_plot import Panel, tuning_plot


def picture(panels, measured, marks) -> Image.Image:
    return Image.open(io.BytesIO(tuning_plot(panels, measured, marks, "validation loss")))


def test_each_key_has_a_panel_three_in_a_row():
    sizes = []
    for count in (1, 3, 4):
        panels = [Panel(f"key{number}", [1, 2], log=number == 1) for number in range(count)]
        sizes.append(picture(panels, [0.1, 0.2], ["best", "done"]).size)
    width, height = sizes[0]
    assert sizes[1:] == [(3 * width, height), (3 * width, 2 * height)]


def test_the_best_and_those_given_up_look_different():
    drawn = [picture([Panel("key", [1, 2])], [0.1, 0.2], marks) for marks in (["best", "done"], ["best", "pruned"])]
    assert drawn[0].tobytes() != drawn[1].tobytes()


@pytest.mark.parametrize(
    ("measured", "limits"),
    [
        ([0.3, 0.31, 0.35, 5000.0], (0.3, 0.35)),
        ([0.3, 0.3, 0.3], (0.3, 0.3)),
        ([0.5], (0.5, 0.5)),
        ([30.0, 29.0, 28.0, 3.0], (28.0, 30.0)),
    ],
)
def test_what_is_far_off_does_not_squeeze_the_rest(measured, limits):
    marks = ["best"] + ["done"] * (len(measured) - 1)
    assert tuning._limits(measured, marks) == limits
    assert picture([Panel("key", ["a"] * len(measured), order=["a", "b"])], measured, marks).width > 0
