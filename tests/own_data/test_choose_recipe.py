import dataclasses

import pytest

from pellucid.errors import PellucidError, UsageError
from pellucid.own_data.analysis import DatasetAnalysis, DatasetOptions, analyze
from pellucid.own_data.choose_recipe import PretrainedModel, choose_recipe, load_pretrained
from pellucid.own_data.sources import Sources
from pellucid.recipes.recipe import Recipe

from .conftest import scene, with_noise


@pytest.fixture
def analysis(pairs) -> DatasetAnalysis:
    return analyze(Sources((pairs / "noisy",), pairs / "clean"), DatasetOptions())


def chosen(analysis: DatasetAnalysis, **values) -> Recipe:
    return choose_recipe(
        analysis, "own", "/x/files.json", None, {key.replace("_", ".", 1): v for key, v in values.items()}
    )


def as_noisy(analysis: DatasetAnalysis, **noise) -> DatasetAnalysis:
    sources = Sources(analysis.sources.noisy)
    noise_analysis = dataclasses.replace(
        analysis.noise_analysis, statistics=dataclasses.replace(analysis.noise, **noise)
    )
    return dataclasses.replace(analysis, sources=sources, noise_analysis=noise_analysis)


def test_pairs_are_trained_on_with_clean_targets(analysis):
    recipe = chosen(analysis)
    assert recipe.objective.name == "supervised" and recipe.noise is None
    assert recipe.train.minutes == 10 and recipe.train.schedule == "cosine" and not recipe.train.start
    assert recipe.data.name == "listed" and recipe.data.options["path"] == "/x/files.json"
    assert recipe.data.options["patch"] == 48 and recipe.data.augment
    assert recipe.origin.assumed[0].startswith("10 pairs in")


def test_captures_are_targets_of_each_other_with_the_squared_error(analysis):
    sources = Sources((analysis.sources.noisy[0], analysis.sources.folders[1]))
    recipe = chosen(dataclasses.replace(analysis, sources=sources))
    assert (recipe.objective.name, recipe.loss and recipe.loss.name) == ("noise2noise", "mse")


def test_the_objective_for_noisy_images_follows_the_axis_of_their_noise(analysis):
    gaussian = chosen(as_noisy(analysis))
    assert gaussian.objective.name == "recorrupted" and gaussian.model.options["condition"]
    dependent = chosen(as_noisy(analysis, is_signal_dependent=True))
    assert dependent.objective.name == "neighbor2neighbor" and not dependent.model.options["condition"]
    assert chosen(as_noisy(analysis, sigma=0.2)).objective.name == "neighbor2neighbor"
    rows = chosen(as_noisy(analysis, axis="rows", correlation_length=(7, 0)))
    assert rows.objective.name == "noise2void" and list(rows.objective.options["struct"]) == [4, 0]
    assert not rows.data.augment
    columns = chosen(as_noisy(analysis, axis="columns", correlation_length=(0, 2)))
    assert list(columns.objective.options["struct"]) == [0, 2] and not columns.data.augment
    both = chosen(as_noisy(analysis, axis="both", correlation_length=(3, 3)))
    assert list(both.objective.options["struct"]) == [1, 1] and both.data.augment


def test_stretched_images_are_stretched_again(analysis):
    assert not chosen(analysis).data.stretched
    noise_analysis = dataclasses.replace(analysis.noise_analysis, stretched=True)
    assert chosen(dataclasses.replace(analysis, noise_analysis=noise_analysis)).data.stretched


def test_added_noise_is_in_the_recipe(pairs):
    sources = Sources((), pairs / "clean", ("gaussian(sigma=25.5)",))
    recipe = choose_recipe(analyze(sources, DatasetOptions()), "own", "files.json")
    assert recipe.noise and recipe.noise.options == {"sigma": 0.1} and recipe.noise.clip and recipe.noise.fresh
    mixed = Sources((), pairs / "clean", ("gaussian(sigma=25.5)", "poisson"))
    recipe = choose_recipe(analyze(mixed, DatasetOptions()), "own", "files.json")
    assert recipe.noise and recipe.noise.name == "mix"


def test_noise_on_floats_is_not_clipped(save, tmp_path):
    for number in range(4):
        save(f"c/{number}.tif", scene(number), "float32", 1)
    analysis = analyze(Sources((), tmp_path / "c", ("gaussian(sigma=25)",)), DatasetOptions())
    recipe = choose_recipe(analysis, "own", "files.json")
    assert recipe.noise and not recipe.noise.clip


def test_few_minutes_give_a_small_network_and_few_patches(save, tmp_path):
    for number in range(20):
        save(f"n/{number}.png", with_noise(scene(number, 256, 256), number))
    analysis = analyze(Sources((tmp_path / "n",)), DatasetOptions())
    short, long = chosen(analysis, train_minutes=0.7), chosen(analysis, train_minutes=60)
    assert len(short.model.options["widths"]) < len(long.model.options["widths"])
    assert short.data.options["num_patches"] < long.data.options["num_patches"] <= 6 * 16 * 256**2 / 128**2
    assert short.data.crop == 96


def test_few_patch_positions_give_a_smaller_batch(save, tmp_path):
    for number in range(3):
        save(f"n/{number}.png", with_noise(scene(number, 17, 16), number))
    analysis = analyze(Sources((tmp_path / "n",)), DatasetOptions())
    assert analysis.patch == 16 and chosen(analysis).train.batch_size == analysis.num_positions == 4


def test_values_override_the_choice_and_wrong_ones_are_named(analysis):
    recipe = chosen(analysis, train_epochs=3, model_widths=[4, 4])
    assert (recipe.train.epochs, recipe.train.minutes, recipe.model.options["widths"]) == (3, 0, [4, 4])
    for values, message in (
        ({"train_minutes": "many"}, "train.minutes is 'many'"),
        ({"data_path": "x"}, "--set data.path"),
        ({"model_width": [4]}, 'has no option "width"'),
    ):
        with pytest.raises(UsageError) as caught:
            chosen(analysis, **values)
        assert message in str(caught.value)


def test_a_pretrained_network_gives_the_model(analysis):
    pretrained = load_pretrained("photo")
    assert pretrained.name == "photo" and pretrained.channels == 3 and pretrained.is_conditional
    recipe = choose_recipe(analysis, "own", "files.json", pretrained, {"train.start": "photo"})
    assert recipe.train.start == "photo" and recipe.model.options["condition"]
    assert recipe.train.lr < chosen(analysis).train.lr


def test_a_network_that_cannot_be_started_from_is_named(tmp_path, exported):
    with pytest.raises(UsageError, match="unknown model"):
        load_pretrained("photon")
    with pytest.raises(UsageError, match="is an exported network"):
        load_pretrained(str(exported))
    with pytest.raises(PellucidError, match="cannot read"):
        load_pretrained(str(tmp_path / "gone.safetensors"))
    assert not PretrainedModel("x", {"name": "unet", "channels": 2}).is_conditional
