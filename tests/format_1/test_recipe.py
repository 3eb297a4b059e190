"""Recipes of format 1: embedded ones are upgraded, files are refused with the remedy."""

import copy

import pytest

from pellucid.errors import OldFormat, UsageError
from pellucid.format_1 import recipe as format_1
from pellucid.format_1.recipe import upgrade_recipe
from pellucid.recipes.recipe import Recipe, load_recipe

MIX = [{"name": "small", "told": 0.7}, {"name": "chain", "parts": [{"name": "small", "share": 1}, {"name": "big"}]}]
TABLES = {
    "summary": "For the tests",
    "noise": {"name": "mix", "share": 3, "parts": MIX},
    "train": {"epochs": 1, "hold": 0.5},
    "model": {"name": "conv", "leak": 0.1},
    "quick": {"train.hold": 0.1, "model.leak": 0.2, "noise.parts": MIX},
    "study": [{"vary": "train.hold", "values": [0.1, 0.2]}, {"vary": "noise.parts", "values": [MIX]}],
}


@pytest.fixture
def renamed(monkeypatch):
    names = {("train", ""): {"hold": "hold_fraction"}, ("model", "unet"): {"leak": "negative_slope"}}
    monkeypatch.setattr(format_1, "RENAMED", names | {("noise", "small"): {"share": "probability"}})
    monkeypatch.setattr(format_1, "RENAMED_IN_PARTS", {"told": "level_scale"})


def test_keys_are_renamed_by_table_and_component_and_nothing_else_changes(renamed):
    before = copy.deepcopy(TABLES)
    mix = [
        {"name": "small", "level_scale": 0.7},
        {"name": "chain", "parts": [{"name": "small", "probability": 1}, {"name": "big"}]},
    ]
    assert upgrade_recipe(TABLES) == {
        "format": 2,
        "summary": "For the tests",
        "noise": {"name": "mix", "share": 3, "parts": mix},
        "train": {"epochs": 1, "hold_fraction": 0.5},
        "model": {"name": "conv", "leak": 0.1},
        "quick": {"train.hold_fraction": 0.1, "model.leak": 0.2, "noise.parts": mix},
        "study": [{"vary": "train.hold_fraction", "values": [0.1, 0.2]}, {"vary": "noise.parts", "values": [mix]}],
    }
    assert before == TABLES


def test_a_recipe_may_name_format_1(renamed):
    assert upgrade_recipe({"format": 1} | TABLES) == upgrade_recipe(TABLES)


def test_an_upgraded_recipe_stays_as_it_is(renamed):
    upgraded = upgrade_recipe(TABLES)
    assert upgrade_recipe(upgraded) == upgraded
    kept = {"format": 2, "train": {"hold": 1}}
    assert upgrade_recipe(kept) == kept


def test_a_file_of_format_1_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "old.toml"
    text = load_recipe("digits").to_toml()
    path.write_text(text)
    assert load_recipe(path) == load_recipe("digits")
    path.write_text(text.replace("format = 2\n", ""))
    with pytest.raises(OldFormat, match=r"old\.toml is a recipe of format 1: pellucid convert .*old\.toml turns"):
        load_recipe(path)


def test_a_later_format_is_refused():
    tables = load_recipe("digits").to_dict()
    with pytest.raises(UsageError, match="format is 3, this version reads 2"):
        Recipe.from_dict(tables | {"format": 3})
