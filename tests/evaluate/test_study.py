"""Studies: variants of a recipe and the row of each one."""

from typing import Any

import pytest
import torch

from pellucid.checkpoint import Checkpoint
from pellucid.evaluate.study import study_row, value_text, variant
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe

TABLES: dict[str, Any] = {
    "name": "tiny",
    "summary": "A tiny autoencoder",
    "data": {"name": "digits"},
    "noise": {"name": "gaussian", "sigma": 0.3},
    "model": {"name": "dense", "image": [1, 8, 8], "widths": [16]},
    "loss": {"name": "mse"},
    "train": {"epochs": 9, "batch_size": 64, "lr": 0.01},
    "evaluate": {"seeds": [5, 6]},
    "study": [{"title": "The width", "vary": "model.widths", "values": [[4], [8]], "epochs": 2}],
    "quick": {"train.epochs": 1},
}


def untrained(recipe: Recipe) -> Denoiser:
    torch.manual_seed(0)
    return Denoiser(Checkpoint(recipe, {"denoiser": recipe.build("model").eval()}))


def test_a_variant_changes_only_its_key_the_epochs_and_the_seed():
    recipe = Recipe.from_dict(TABLES)
    changed = variant(recipe, recipe.study[0], [4])
    assert changed.model.options["widths"] == [4]
    assert (changed.train.epochs, changed.train.seed) == (2, 5)
    assert changed.study == () and changed.quick == {}
    assert changed.noise == recipe.noise and changed.data == recipe.data


@pytest.mark.parametrize(
    ("value", "text"), [([64], "64"), ([512, 64], "512, 64"), ("nearest", "nearest"), (0.5, "0.5"), (True, "true")]
)
def test_values_are_shown_as_a_reader_writes_them(value, text):
    assert value_text(value) == text


def test_a_row_of_a_network_with_a_code():
    recipe = Recipe.from_dict(TABLES)
    changed = variant(recipe, recipe.study[0], [4])
    row, ten = study_row(untrained(changed), changed, [4])
    assert list(row) == ["value", "psnr", "checkerboard", "sharpness", "bits_per_pixel", "compressed_psnr"]
    assert row["value"] == [4] and row["bits_per_pixel"] == 4 * 8 / 64
    assert None not in row.values()
    assert ten.shape == (10, 1, 8, 8) and 0 <= ten.min() <= ten.max() <= 1


def test_a_row_of_a_network_with_skips_has_no_bit_rate():
    recipe = Recipe.from_dict(TABLES | {"model": {"name": "unet", "widths": [4, 4]}, "study": []})
    row, _ = study_row(untrained(recipe), recipe, "unet")
    assert row["bits_per_pixel"] is None and row["compressed_psnr"] is None
