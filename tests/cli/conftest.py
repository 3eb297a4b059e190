"""Tiny trained models and image files for the command line's tests."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli import app
from pellucid.data.digits import Digits
from pellucid.image import write_image

RECIPE = """
format = 2
summary = "A test"

[data]
name = "digits"
train_images = 200
test_images = 40

[noise]
name = "gaussian"
sigma = 0.3

[model]
{model}

[loss]
name = "bce"

[train]
epochs = 1
batch_size = 32
lr = 0.003
threads = 1
precision = "fp32"

[classifier]
name = "classifier"
image = [1, 8, 8]
widths = [32]
epochs = 2
ceiling_epochs = 1
batch_size = 32

[evaluate]
seeds = [0]
baselines = ["identity", "linear"]
tuning_images = 50

[quick]
"data.train_images" = 100
"""
MODELS = {
    "dense": 'name = "dense"\nimage = [1, 8, 8]\nwidths = [16]',
    "conv": 'name = "conv"\nwidths = [4, 4]',
}


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it exited."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture
def run():
    def run(*arguments: object) -> Outcome:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def refused(run):
    """Run a command that has to fail in one line, and return that line."""

    def refused(status: int, *arguments: object) -> str:
        outcome = run(*arguments)
        assert outcome.status == status, outcome
        (line,) = outcome.stderr.splitlines()
        assert line.startswith("pellucid: ")
        return line.removeprefix("pellucid: ")

    return refused


@pytest.fixture(scope="session")
def recipes(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recipes")
    for name, model in MODELS.items():
        (folder / f"{name}.toml").write_text(RECIPE.format(model=model), encoding="utf-8")
    return {name: folder / f"{name}.toml" for name in MODELS}


@pytest.fixture(scope="session")
def trained(recipes, tmp_path_factory) -> dict[str, Path]:
    """The folders of two runs: a network of one size, and one of any size."""
    folder = tmp_path_factory.mktemp("runs")
    for name, recipe in recipes.items():
        result = CliRunner().invoke(app, ["train", str(recipe), "--out", str(folder / name)])
        assert result.exit_code == 0, result.output
    return {name: folder / name for name in recipes}


@pytest.fixture
def digits(tmp_path) -> Path:
    """A folder of five digits, one of them in a folder of its own."""
    folder = tmp_path / "digits"
    (folder / "deep").mkdir(parents=True)
    images = Digits().load("test").images
    for index in range(5):
        write_image(folder / ("deep" if index == 4 else "") / f"{index}.png", images[index, 0])
    return folder


@pytest.fixture
def photo(tmp_path) -> Path:
    """A color image with alpha, 16 bits deep."""
    path = tmp_path / "photo.png"
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, 4), dtype=np.uint16)
    from pellucid.image.formats import ImageFile

    like = ImageFile(values[..., :3], values[..., 3], None, None, (300.0, 300.0), "PNG", path, 16)
    write_image(path, values[..., :3], like=like)
    return path
