import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.own_data import progress_image
from pellucid.own_data.analysis import Wishes, look
from pellucid.own_data.choose_recipe import choose
from pellucid.own_data.progress_image import Growing
from pellucid.own_data.sources import Sources


class Half:
    """Stands for a network: halves the light, and keeps what it was told."""

    shape: tuple[int, ...]
    sigma: torch.Tensor | None

    def __call__(self, noisy, sigma=None):
        self.shape, self.sigma = tuple(noisy.shape), sigma
        return noisy / 2


def started(sources, tmp_path, levels=None):
    findings = look(sources, Wishes(validation=0.5))
    recipe = choose(findings, "own", "files.json")
    files = findings.file_list(levels and [levels] * len(findings.used))
    return Growing(files, recipe, tmp_path / "progress.png")


def rows(path):
    with Image.open(path) as picture:
        return picture.size[1]


def test_the_picture_grows_and_names_psnr(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(progress_image, "SECONDS", 0)
    picture, network = started(Sources((pairs / "noisy",), pairs / "clean"), tmp_path, 0.1), Half()
    heights = []
    for epoch in range(1, 10):
        picture(network, epoch)
        heights.append(rows(tmp_path / "progress.png"))
    assert network.shape == (4, 1, 64, 64)
    assert network.sigma is not None and torch.allclose(network.sigma, torch.tensor(0.1))
    # Epochs 1, 2, 4, 8 and the last are shown.
    steps = np.diff(heights) > 0
    assert heights[0] < heights[1] < heights[2] == heights[3] < heights[4] == heights[7] < heights[8]
    assert steps.sum() == 4


def test_the_best_network_ends_the_picture(pairs, tmp_path):
    picture, network = started(Sources((pairs / "noisy",)), tmp_path), Half()
    for epoch in (1, 2, 3):
        picture.draw(network, epoch)
    before = rows(tmp_path / "progress.png")
    picture.draw(network, 2)
    assert rows(tmp_path / "progress.png") < before and network.sigma is None


def test_short_epochs_are_not_drawn(pairs, tmp_path):
    picture, network = started(Sources((), pairs / "clean", ("gaussian(sigma=25)",)), tmp_path), Half()
    picture(network, 1)
    first = (tmp_path / "progress.png").read_bytes()
    picture(network, 2)
    assert (tmp_path / "progress.png").read_bytes() == first
    assert network.sigma is not None and torch.allclose(network.sigma, torch.tensor(25 / 255))


def test_a_picture_that_cannot_be_written_ends_nothing(pairs, tmp_path):
    picture = started(Sources((pairs / "noisy",)), tmp_path)
    picture._path = tmp_path / "gone" / "progress.png"
    picture.draw(Half(), 1)


@pytest.mark.parametrize("folders", [("noisy", "clean")])
def test_takes_are_shown_without_psnr(pairs, tmp_path, folders):
    picture = started(Sources(tuple(pairs / name for name in folders)), tmp_path)
    assert picture._captions({"noisy": np.zeros((1, 1, 8, 8))}) == {}
    picture.draw(Half(), 1)
    assert rows(tmp_path / "progress.png") > 3 * 64
