"""Recipes: complete, refusing what they do not know, and equal after a round trip."""

import dataclasses
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.errors import PellucidError, UsageError
from pellucid.recipes.recipe import Recipe, load_recipe, recipe_names

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits"},
    "noise": {"name": "gaussian", "sigma": 0.3},
    "model": {"name": "dense", "image": [1, 8, 8], "widths": [8]},
    "loss": {"name": "bce"},
    "train": {"epochs": 2, "batch_size": 64, "lr": 0.001},
    "classifier": {"name": "classifier", "image": [1, 8, 8], "widths": [16]},
    "quick": {"train.epochs": 1},
}
TEXTS = st.text(st.characters(codec="utf-8"))
SCALARS = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), TEXTS)
VALUES = st.recursive(SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(TEXTS, part, max_size=3))


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.from_dict(TABLES)


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_holds_together_and_survives_a_round_trip(name):
    recipe = load_recipe(name)
    recipe.check()
    assert Recipe.from_dict({"name": name, **tomllib.loads(recipe.to_toml())}) == recipe
    assert recipe.summary and recipe.origin.title
    assert "\n" not in recipe.summary


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_every_value_survives_a_round_trip(published):
    tables = TABLES | {"origin": {"published": published}}
    assert tomllib.loads(Recipe.from_dict(tables).to_toml())["origin"]["published"] == published


def test_lists_of_tables_survive_a_round_trip(recipe):
    inner = [{"name": "gaussian", "sigma": [0, 0.2]}, {"name": "jpeg"}]
    parts = [{"name": "mix", "parts": inner, "weight": 2}, {"name": "camera", "quality": 90}]
    mixed = recipe.with_values({"noise": {"name": "mix", "parts": parts, "exact": ["jpeg"], "clip": False}})
    again = Recipe.from_dict(tomllib.loads(mixed.to_toml()))
    assert again == mixed and again.build("noise") == mixed.build("noise")
    assert "[[noise.parts.parts]]" in mixed.to_toml()


def test_the_photo_recipe_is_written_as_it_is_read():
    recipe = load_recipe("photo")
    again = tomllib.loads(recipe.to_toml())
    assert again == recipe.to_dict()
    assert len(again["noise"]["parts"]) == len(recipe.build("noise").parts) > 2
    assert Recipe.from_dict(again).build("noise") == recipe.build("noise")


@pytest.mark.parametrize("name", recipe_names())
def test_quick_changes_are_described(name):
    recipe = load_recipe(name)
    assert len(recipe.quick_changes()) == len(recipe.quick) > 0
    assert recipe.with_quick_values() != recipe


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train.epoch", 3, r'unknown key "train.epoch" \(did you mean "epochs"\?\)'),
        ("color", 3, 'unknown key "color"'),
        ("train.epochs", "three", "train.epochs is 'three', it must be a whole number"),
        ("train.epochs", True, "train.epochs is True"),
        ("train.epochs", 0, "train.epochs is 0, it must be at least 1"),
        ("train.lr", -1, "train.lr is -1.0, it must be above 0"),
        ("train.optimizer", "adma", 'train.optimizer is "adma" .did you mean "adam"'),
        ("data.validation", 1.5, "data.validation is 1.5"),
        ("data.crop", -1, "data.crop is -1, it must be at least 0"),
        ("data.augment", 1, "data.augment is 1, it must be true or false"),
        ("data.gray", 1.5, "data.gray is 1.5, it must be between 0 and 1"),
        ("train.warmup", -1, "train.warmup is -1, it must be at least 0"),
        ("train.hold_fraction", 1.0, r"train.hold_fraction is 1.0, it must be in \[0, 1\)"),
        ("train.minutes", -1, "train.minutes is -1.0, it must be 0 or more"),
        ("train.minutes", float("inf"), "train.minutes is inf, it must be 0 or more, and finite"),
        ("train.minutes", float("nan"), "train.minutes is nan, it must be 0 or more, and finite"),
        ("train.start", 3, "train.start is 3, it must be a text"),
        ("noise.name", "gausian", 'unknown noise "gausian" .did you mean "gaussian"'),
        ("evaluate.metrics", ["psrn"], 'unknown metric "psrn" .did you mean "psnr"'),
        ("evaluate.baselines", ["madian"], 'unknown classical "madian" .did you mean "median"'),
        ("train", 3, "train is 3, it must be a table"),
        ("summary", 3, "summary is 3, it must be a text"),
        ("name.x", 3, '"name.x" is no key'),
    ],
)
def test_errors_name_the_key_and_the_value(recipe, key, value, message):
    with pytest.raises(UsageError, match=message):
        recipe.with_values({key: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"noise.sigm": 3}, 'noise "gaussian" has no option "sigm" .did you mean "sigma"'),
        ({"noise.sigma": -1}, "sigma"),
        ({"model.output": "relu"}, 'loss "bce" is computed from logits and needs model.output = "sigmoid", not "relu"'),
        ({"quick": {"train.epoch": 1}}, "train.epoch"),
    ],
)
def test_components_are_built_before_the_first_step(recipe, values, message):
    with pytest.raises(UsageError, match=message):
        recipe.with_values(values).check()


def test_autotuned_keys_make_no_other_training(recipe):
    def tables(**values):
        return recipe.with_values({f"train.{name}": value for name, value in values.items()}).training_tables()

    assert tables(threads=3, precision="bf16") == tables()
    assert tables(epochs=7) != tables() != tables(minutes=1.0)
    assert tables(minutes=1.0, epochs=7) == tables(minutes=1.0) != tables(minutes=2.0)
    assert tables(start="photo") != tables()


def test_epochs_take_the_place_of_minutes(recipe):
    short = recipe.with_values({"train.minutes": 3.0, "train.epochs": 4, "train.steps": 10})
    for changes, length in (
        ({"train.epochs": 9}, (0, 9, 0)),
        ({"train.epochs": 9, "train.steps": 5}, (0, 9, 5)),
        ({"train.minutes": 1.0}, (1, 4, 10)),
        ({"train.lr": 0.1}, (3, 4, 10)),
    ):
        train = short.with_changes(changes).train
        assert (train.minutes, train.epochs, train.steps) == length
    by_epochs = recipe.with_values({"train.steps": 5}).with_changes({"train.epochs": 9}).train
    assert (by_epochs.epochs, by_epochs.steps) == (9, 5)
    assert short.with_quick_values().train.minutes == 0


def test_a_missing_loss_is_named(recipe):
    with pytest.raises(UsageError, match=r"has no \[loss\] table: add one"):
        dataclasses.replace(recipe, loss=None).check()


def test_a_missing_key_is_named():
    tables = TABLES | {"train": {"epochs": 2, "lr": 0.001}}
    with pytest.raises(UsageError, match=r'"train.batch_size" is missing'):
        Recipe.from_dict(tables)


def test_the_classifier_has_a_recipe_of_its_own(recipe):
    clean = recipe.for_classifier(seed=3)
    assert (clean.train.seed, clean.noise, clean.objective.name) == (3, None, "classification")
    ceiling = recipe.for_classifier(seed=3, on_noise=True)
    assert ceiling.noise is not None and ceiling.noise.fresh
    assert ceiling.train.epochs == 20
    with pytest.raises(UsageError, match=r"has no \[classifier\] table"):
        dataclasses.replace(recipe, classifier=None).for_classifier(0)


def test_files_and_names_are_distinguished(tmp_path):
    with pytest.raises(UsageError, match=r'unknown recipe "dense-unifrom" \(did you mean "dense-uniform"\?\)'):
        load_recipe("dense-unifrom")
    with pytest.raises(PellucidError, match="cannot read the recipe"):
        load_recipe(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("a = = 3")
    with pytest.raises(UsageError, match="is not a TOML file"):
        load_recipe(broken)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(Recipe.from_dict(TABLES).to_toml() + "\n[tran]\nx = 1\n")
    with pytest.raises(UsageError, match=r'wrong\.toml: unknown key "tran"'):
        load_recipe(wrong)
