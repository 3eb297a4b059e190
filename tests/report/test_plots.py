"""Pictures and plots: their sizes, and pixels that stay pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from pellucid.report import plots


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    assert picture.format == "PNG"
    return picture


@pytest.mark.parametrize(("side", "times"), [(8, 8), (16, 5), (28, 3), (32, 2), (64, 1), (200, 1)])
def test_whole_factors(side, times):
    assert plots.factor(side, side) == times


def test_pixels_stay_pixels():
    images = np.random.default_rng(0).random((2, 1, 28, 28))
    large = plots.enlarge(images, 3)
    assert large.shape == (2, 84, 84, 3)
    assert large.dtype == np.uint8
    for offset in range(3):
        np.testing.assert_array_equal(large[:, offset::3, offset::3, 0], np.rint(images[:, 0] * 255))


def test_values_outside_the_range_are_clipped_and_color_is_kept():
    images = np.array([-1.0, np.nan, 2.0]).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(plots.enlarge(images, 1)[0, 0, 0], [0, 0, 255])


def test_a_strip_is_transparent_between_its_images():
    row = plots.strip(np.ones((10, 1, 28, 28)))
    assert row.size == (10 * 84 + 9 * 6, 84)
    assert row.getpixel((83, 40)) == (255, 255, 255, 255)
    assert np.asarray(row)[40, 85, 3] == 0


def test_a_strip_centers_in_wider_cells():
    row = plots.strip(np.ones((3, 1, 8, 8)), cell=84)
    assert row.size == (3 * 84 + 2 * 6, 64)
    assert np.asarray(row)[30, 9, 3] == 0
    assert np.asarray(row)[30, 10, 3] == 255


def test_a_sheet_holds_every_row_with_captions():
    rows = {"original": np.ones((10, 1, 28, 28)), "denoised": np.zeros((10, 1, 28, 28))}
    plain = plots.sheet(rows, {})
    captioned = plots.sheet(rows, {"denoised": ["7"] * 10}, {"denoised": [True] + [False] * 9})
    assert plain.height == 2 * 84 + 10 + 2 * 16
    assert captioned.height > plain.height
    assert plain.width >= 10 * 84 + 9 * 6
    assert (np.asarray(captioned) == (0xA8, 0x32, 0x1E)).all(axis=-1).any()


def test_a_long_caption_is_shortened_to_its_image():
    rows = {"x": np.ones((1, 1, 28, 28))}
    assert plots.sheet(rows, {"x": ["a very long caption " * 9]}).width == plots.sheet(rows, {"x": ["7"]}).width


def test_an_empty_sheet_is_no_error():
    assert plots.sheet({}, {}).width > 0


@pytest.mark.parametrize(
    ("shape", "size"),
    [((10, 64), (8, 8)), ((10, 32), (4, 8)), ((10, 7), (2, 4)), ((10, 32, 4, 4), (19, 39)), ((10, 1, 5, 6), (5, 6))],
)
def test_codes_become_pictures(shape, size):
    pictures = plots.code_pictures(np.random.default_rng(0).normal(size=shape))
    assert pictures.shape == (10, 3, *size)
    assert 0 <= pictures.min() <= pictures.max() <= 1


def test_codes_share_one_scale_and_may_contain_nan():
    codes = np.zeros((2, 4))
    codes[0, 0], codes[1, 3] = np.nan, 1
    pictures = plots.code_pictures(codes)
    assert pictures[0].max() < 0.05
    assert pictures[1, 0, 1, 1] > 0.9


def test_codes_without_spread_are_black():
    assert plots.code_pictures(np.full((2, 4), 3.0)).max() < 0.05


def test_close_ups_show_the_image_with_the_pattern():
    smooth = np.full((3, 1, 28, 28), 0.5)
    checkerboard = smooth.copy()
    checkerboard[1, 0] += 0.4 * (-1) ** np.indices((28, 28)).sum(axis=0)
    shown = plots.close_ups({"nearest": smooth, "deconv": checkerboard})
    assert {picture.size for picture in shown.values()} == {(168, 168)}
    assert len(np.unique(np.asarray(shown["deconv"]))) == 2
    wide = plots.side_by_side(shown)
    assert wide.width >= 2 * 168
    assert plots.side_by_side({}).width > 0


def history(epochs, rise=0.0):
    return [
        {"epoch": n, "train_loss": 0.1 + 1 / n, "validation_loss": 0.1 + 1 / n + rise * n} for n in range(1, epochs + 1)
    ]


@pytest.mark.parametrize("epochs", [1, 2, 40])
@pytest.mark.parametrize("theme", [plots.LIGHT, plots.DARK])
def test_loss_curves(epochs, theme):
    content = plots.loss_curves({"seed 0": history(epochs), "seed 1": history(epochs, 0.1)}, "$ {_^", True, theme)
    assert opened(content).size == (1040, 620)


def test_the_verdict_is_in_the_plot():
    runs = {"seed 0": history(30)}
    assert plots.loss_curves(runs, "No overfitting", False) != plots.loss_curves(runs, "", False)
    assert plots.loss_curves(runs, "x", True) != plots.loss_curves(runs, "x", False)


def test_loss_curves_without_validation_loss():
    entries = [{**entry, "validation_loss": None} for entry in history(5)]
    assert opened(plots.loss_curves({"seed 0": entries}, "", True)).width == 1040


@pytest.mark.parametrize(
    "values", [[8, 64, 512], [[8], [16], [32]], [0.1, 0.2, 0.3], ["nearest", "$deconv", "漢" * 60], [[8, 4], [2], True]]
)
def test_study_plots(values):
    content = plots.study_plot(values, [1.0, None, 3.0], "model.widths", "PSNR, dB")
    assert opened(content).size == (840, 540)


def test_a_list_of_one_number_is_that_number():
    assert plots.numeric([64]) == 64
    assert plots.numeric(0.5) == 0.5
    assert [plots.numeric(value) for value in ([64, 32], "64", True, None)] == [None] * 4


def test_drawing_again_gives_the_same_file():
    rows = {"x": np.random.default_rng(0).random((2, 1, 28, 28))}
    assert plots.png(plots.sheet(rows, {})) == plots.png(plots.sheet(rows, {}))
    assert plots.study_plot([1, 2], [1, 2], "a", "b") == plots.study_plot([1, 2], [1, 2], "a", "b")
