import json
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.own_data import report as module
from pellucid.own_data.analysis import DatasetOptions, analyze
from pellucid.own_data.choose_recipe import choose_recipe
from pellucid.own_data.evaluate import HeldOutEvaluation
from pellucid.own_data.report import ProgressImage, format_value, table_rows, write_report
from pellucid.own_data.sources import Sources
from pellucid.recipes.recipe import Recipe

RECIPE = Recipe.from_dict(
    {
        "name": "a<b",
        "summary": "x",
        "data": {"name": "listed", "path": "files.json", "patch": 48},
        "model": {"name": "unet", "widths": [4, 4]},
        "loss": {"name": "l1"},
        "train": {"epochs": 3, "batch_size": 4, "lr": 0.1},
    }
)
MEANS = {
    "noisy": {"psnr": 20.0, "rmse": 0.1, "ssim": 0.5},
    "denoised": {"psnr": float("inf"), "rmse": 0.0, "ssim": 1.0},
    "tv": {"psnr": 25.0, "rmse": 0.05, "ssim": 0.8},
}
EVALUATION = HeldOutEvaluation(3, 9, MEANS, {"<i>.png": MEANS}, "No truth.", ())


def test_rows_of_metrics():
    heads, cells = table_rows(EVALUATION)
    assert heads == ("", "PSNR, dB", "SSIM", "RMSE")
    assert cells[0] == ("noisy", "20.00", "0.5000", "0.1000")
    assert cells[1] == ("denoised", "∞", "1.0000", "0.0000") and cells[2][0] == "total variation"
    assert format_value("noise", 0.1) == "25.5"


def test_the_page_is_complete_and_escaped(tmp_path):
    (tmp_path / "progress.png").write_bytes(b"png")
    path = write_report(tmp_path, RECIPE, EVALUATION, ["images <b> in a folder"], 1.5)
    page = path.read_text(encoding="utf-8")
    for text in (
        "a&lt;b",
        "Images &lt;b&gt; in a folder.",
        "3 of 9 held-out files",
        "No truth.",
        "data:image/png;base64,",
    ):
        assert text in page
    assert "3 epochs in 1.5 minutes" in page and "pellucid denoise IMAGE --model" in page
    assert "http:" not in page and "https:" not in page
    parser = HTMLParser()
    parser.feed(page)
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["means"]["denoised"]["psnr"] is None and figures["files"] == 3
    assert figures["per_file"]["<i>.png"]["tv"]["psnr"] == 25


@pytest.mark.parametrize("note", ["", "Something."])
def test_the_verdict_stands_beside_the_note(tmp_path, note):
    means = {"noisy": {"psnr": 20.0}, "denoised": {"psnr": 19.0}}
    path = write_report(tmp_path, RECIPE, HeldOutEvaluation(1, 1, means, {}, note, ()), [], 1)
    page = path.read_text(encoding="utf-8")
    assert "gains nothing yet" in page and note in page and "Progress, one row" not in page


class Half(torch.nn.Module):
    """A stand-in for a network: halves the input, and keeps the sigma that it got."""

    shape: tuple[int, ...]
    sigma: torch.Tensor | None

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, noisy, sigma=None):
        self.shape, self.sigma = tuple(noisy.shape), sigma
        return noisy / 2


def make_image(sources, tmp_path, sigma=None):
    analysis = analyze(sources, DatasetOptions(validation=0.5))
    recipe = choose_recipe(analysis, "own", "files.json")
    files = analysis.file_list(sigma and [sigma] * len(analysis.images))
    return ProgressImage(files, recipe, tmp_path / "progress.png")


def height(path):
    with Image.open(path) as image:
        return image.size[1]


def test_the_progress_image_shows_ever_later_epochs(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MIN_INTERVAL", 0)
    image, network = make_image(Sources((pairs / "noisy",), pairs / "clean"), tmp_path, 0.1), Half()
    heights = []
    for epoch in range(1, 10):
        image(network, epoch)
        heights.append(height(tmp_path / "progress.png"))
    assert network.shape == (4, 1, 64, 64)
    assert network.sigma is not None and torch.allclose(network.sigma, torch.tensor(0.1))
    # Epochs 1, 2, 4, 8 and the last are shown.
    steps = np.diff(heights) > 0
    assert heights[0] < heights[1] < heights[2] == heights[3] < heights[4] == heights[7] < heights[8]
    assert steps.sum() == 4


def test_the_best_network_ends_the_progress_image(pairs, tmp_path):
    image, network = make_image(Sources((pairs / "noisy",)), tmp_path), Half()
    for epoch in (1, 2, 3):
        image.draw(network, epoch)
    before = height(tmp_path / "progress.png")
    image.draw(network, 2)
    assert height(tmp_path / "progress.png") < before and network.sigma is None


def test_short_epochs_do_not_redraw(pairs, tmp_path):
    image, network = make_image(Sources((), pairs / "clean", ("gaussian(sigma=25)",)), tmp_path), Half()
    image(network, 1)
    first = (tmp_path / "progress.png").read_bytes()
    image(network, 2)
    assert (tmp_path / "progress.png").read_bytes() == first
    assert network.sigma is not None and torch.allclose(network.sigma, torch.tensor(25 / 255))


def test_a_progress_image_that_cannot_be_written_is_no_error(pairs, tmp_path):
    image = make_image(Sources((pairs / "noisy",)), tmp_path)
    image._path = tmp_path / "gone" / "progress.png"
    image.draw(Half(), 1)


@pytest.mark.parametrize("folders", [("noisy", "clean")])
def test_captures_are_shown_without_psnr(pairs, tmp_path, folders):
    image = make_image(Sources(tuple(pairs / name for name in folders)), tmp_path)
    assert image._captions({"noisy": np.zeros((1, 1, 8, 8))}) == {}
    image.draw(Half(), 1)
    assert height(tmp_path / "progress.png") > 3 * 64
