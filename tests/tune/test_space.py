"""The keys to vary are read from text, and an invalid one is an error of one line."""

import contextlib

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.errors import UsageError
from pellucid.tune.space import Choices, Range, changes_measure, fit_to_recipe, read_space, recipe_values, text_of


@pytest.mark.parametrize(
    ("pair", "values"),
    [
        ("train.lr=1e-4..1e-2", Range(1e-4, 1e-2)),
        ("train.batch_size = 16..128", Range(16, 128, whole=True)),
        ("noise.sigma=0..0.5", Range(0, 0.5)),
        ("train.hold=-1..1", Range(-1, 1, whole=True)),
        ("model.widths=[16,32],[32, 64]", Choices(([16, 32], [32, 64]))),
        ("model.up=nearest, bilinear", Choices(("nearest", "bilinear"))),
        ("model.up=\"a,b\",'c..d'", Choices(("a,b", "c..d"))),
        ("train.lr=.1,1e-3,2", Choices((0.1, 1e-3, 2))),
        ("data.augment=true,false", Choices((True, False))),
        ("noise.parts=[{a=1,b=2}],[]", Choices(([{"a": 1, "b": 2}], []))),
    ],
)
def test_the_values_that_are_written_are_tried(pair, values):
    ((key, found),) = read_space([pair]).items()
    assert key == pair.partition("=")[0].strip() and found == values


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["train.lr"], 'cannot vary "train.lr": write KEY=VALUES, such as train.lr=1e-4..1e-2'),
        (["=1,2"], 'cannot vary "=1,2"'),
        (["train.lr="], 'cannot vary "train.lr="'),
        (["train.lr=1..2", "train.lr=3..4"], "train.lr is varied twice"),
        (["train.lr=1..x"], "train.lr=1..x is no range: write two numbers"),
        (["train.lr=1..inf"], "is no range"),
        (["train.lr=1..2..3"], "is no range"),
        (["train.lr=.."], "is no range"),
        (["train.lr=2..1"], "is an empty range: write the lower end first"),
        (["train.lr=1..1"], "is an empty range"),
        (["train.lr=0.1"], "leaves nothing to vary: give several values with commas between"),
        (["model.up=nearest|bilinear"], "separate values by commas"),
        (["train.lr=1,,2"], "has an empty value"),
        (["train.lr=1,2,1"], "has a value twice"),
    ],
)
def test_unreadable_text_is_an_error_that_says_how_to_write_it(pairs, message):
    with pytest.raises(UsageError) as refusal:
        read_space(pairs)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


@given(st.text(max_size=30))
def test_any_text_is_read_or_is_a_usage_error(text):
    with contextlib.suppress(UsageError):
        read_space([f"train.lr={text}"])


@pytest.mark.parametrize(
    ("low", "high", "log"), [(1e-4, 1e-2, True), (1, 10, True), (1, 9, False), (0, 10, False), (-1, 1, False)]
)
def test_a_range_of_a_decade_is_sampled_on_a_log_scale(low, high, log):
    values = Range(low, high)
    assert values.log == log
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    found = np.sort([values.suggest(study.ask(), "key") for _ in range(400)])
    assert low <= found[0] and found[-1] <= high
    scale = np.log if log else np.asarray
    even = np.linspace(scale(low), scale(high), 400)
    assert np.abs(scale(found) - even).max() < 0.1 * (even[-1] - even[0])


def test_whole_numbers_stay_whole_and_others_have_four_digits_within_the_range():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    assert {Range(1, 3, whole=True).suggest(study.ask(), "key") for _ in range(30)} == {1, 2, 3}
    assert Range(0, 1).value(0.123456) == 0.1235
    assert Range(0, 0.123456).value(0.1234559) == 0.123456


def test_a_range_of_whole_numbers_is_fractional_if_the_recipe_has_a_fraction(recipe):
    space = fit_to_recipe(read_space(["train.lr=1..2", "train.batch_size=8..64", "noise.sigma=0..1"]), recipe)
    assert [values.whole for values in space.values() if isinstance(values, Range)] == [False, True, False]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("train.lrr=1e-4..1e-2", 'unknown key "train.lrr" (did you mean "lr"?)'),
        ("modle.widths=[8],[16]", 'unknown key "modle" (did you mean "model"?)'),
        ("model.width=[8],[16]", 'has no option "width" (did you mean "widths"?)'),
        ("lr=1e-4..1e-2", 'unknown key "lr"'),
        ("train=1,2", "train is 1, it must be a table"),
        ("evaluate.tuning_images=1,2", "evaluate.tuning_images has no part in the training: vary a key of [data]"),
        ("name=a,b", "name has no part in the training"),
        ("data.validation=0.1,0.2", "data.validation changes the images that are held out: of [data] vary data.crop"),
        ("train.seed=1..9", "train.seed cannot be varied, it only changes the random numbers: set it instead"),
        ("train.lr=a,b", "train.lr is 'a', it must be a number"),
        ("train.batch_size=1.5..3", "train.batch_size is 1.5, it must be a whole number"),
        ("train.batch_size=0..8", "train.batch_size is 0, it must be at least 1"),
        ("train.lr=-1..1", "train.lr is -1.0, it must be above 0"),
        ("train.optimizer=adam,adan", 'train.optimizer is "adan" (did you mean'),
        ("model.widths=[8],[-3]", "widths"),
        ("model.name=dense,denze", 'unknown model "denze" (did you mean "dense"?)'),
        ("noise.sigma=0.1,high", "sigma"),
    ],
)
def test_an_invalid_key_or_value_is_refused_before_the_first_trial(recipe, pair, message):
    with pytest.raises(UsageError) as refusal:
        fit_to_recipe(read_space([pair]), recipe)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_value_that_needs_another_key_is_accepted_with_it(recipe):
    recipe = recipe.with_values({"model.output": "none"})
    with pytest.raises(UsageError, match=r"needs model\.output"):
        fit_to_recipe(read_space(["loss.name=mse,bce"]), recipe)
    space = fit_to_recipe(read_space(["loss.name=mse,bce", "model.output=none,sigmoid"]), recipe)
    assert set(space) == {"loss.name", "model.output"}


@pytest.mark.parametrize(
    ("pair", "changes"), [("noise.sigma=0.1,0.2", True), ("loss.name=mse,l1", True), ("train.lr=1..2", False)]
)
def test_keys_that_change_the_validation_loss_itself(pair, changes):
    assert changes_measure(read_space([pair])) == changes


@pytest.mark.parametrize(
    ("pairs", "own"),
    [
        (["train.lr=1e-3..1e-2"], {"train.lr": 0.003}),
        (["train.lr=1e-2..1e-1"], None),
        (["model.widths=[16],[8]", "train.batch_size=8..64"], {"model.widths": [16], "train.batch_size": 16}),
        (["model.widths=[8],[4]"], None),
        (["train.patience=0,5"], {"train.patience": 0}),
        (["model.output=sigmoid,none"], {"model.output": "sigmoid"}),
    ],
)
def test_the_own_values_of_a_recipe_if_the_space_has_them(recipe, pairs, own):
    assert recipe_values(read_space(pairs), recipe) == own


def test_values_as_short_text():
    shown = {0.00123456: "0.001235", 64: "64", "nearest": "nearest", True: "true", 1e-05: "1e-05"}
    assert [text_of(value) for value in shown] == list(shown.values())
    assert text_of([16, 32]) == "[16, 32]"


def test_choices_are_stored_as_readable_labels():
    choices = Choices(([16, 32], "nearest", 0.5, True))
    assert choices.labels == ["[16, 32]", "nearest", "0.5", "true"]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    found = [choices.suggest(study.ask(), "key") for _ in range(40)]
    assert all(value in found for value in choices.values)
