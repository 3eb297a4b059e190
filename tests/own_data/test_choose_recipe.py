import dataclasses

import pytest

from pellucid.errors import PellucidError, UsageError
from pellucid.own_data.analysis import Findings, Wishes, look
from pellucid.own_data.choose_recipe import Start, choose, start_from
from pellucid.own_data.sources import Sources
from pellucid.recipes.recipe import Recipe

from .conftest import scene, with_noise


@pytest.fixture
def findings(pairs) -> Findings:
    return look(Sources((pairs / "noisy",), pairs / "clean"), Wishes())


def chosen(findings: Findings, **values) -> Recipe:
    return choose(findings, "own", "/x/files.json", None, {key.replace("_", ".", 1): v for key, v in values.items()})


def as_noisy(findings: Findings, **noise) -> Findings:
    sources = Sources(findings.sources.noisy)
    look = dataclasses.replace(findings.look, noise=dataclasses.replace(findings.noise, **noise))
    return dataclasses.replace(findings, sources=sources, look=look)


def test_pairs_are_learnt_from_with_a_teacher(findings):
    recipe = chosen(findings)
    assert recipe.objective.name == "supervised" and recipe.noise is None
    assert recipe.train.minutes == 10 and recipe.train.schedule == "cosine" and not recipe.train.start
    assert recipe.data.name == "listed" and recipe.data.options["path"] == "/x/files.json"
    assert recipe.data.options["patch"] == 48 and recipe.data.augment
    assert recipe.origin.assumed[0].startswith("10 pairs in")


def test_takes_teach_each_other_by_the_squared_error(findings):
    sources = Sources((findings.sources.noisy[0], findings.sources.folders[1]))
    recipe = chosen(dataclasses.replace(findings, sources=sources))
    assert (recipe.objective.name, recipe.loss and recipe.loss.name) == ("noise2noise", "mse")


def test_noisy_images_alone_by_the_axis_of_their_noise(findings):
    gaussian = chosen(as_noisy(findings))
    assert gaussian.objective.name == "recorrupted" and gaussian.model.options["condition"]
    follows = chosen(as_noisy(findings, depends=True))
    assert follows.objective.name == "neighbor2neighbor" and not follows.model.options["condition"]
    assert chosen(as_noisy(findings, level=0.2)).objective.name == "neighbor2neighbor"
    rows = chosen(as_noisy(findings, axis="rows", reach=(7, 0)))
    assert rows.objective.name == "noise2void" and list(rows.objective.options["struct"]) == [4, 0]
    assert not rows.data.augment
    columns = chosen(as_noisy(findings, axis="columns", reach=(0, 2)))
    assert list(columns.objective.options["struct"]) == [0, 2] and not columns.data.augment
    both = chosen(as_noisy(findings, axis="both", reach=(3, 3)))
    assert list(both.objective.options["struct"]) == [1, 1] and both.data.augment


def test_stretched_images_are_stretched_again(findings):
    assert not chosen(findings).data.stretched
    look = dataclasses.replace(findings.look, stretched=True)
    assert chosen(dataclasses.replace(findings, look=look)).data.stretched


def test_noise_that_is_added_is_in_the_recipe(pairs):
    sources = Sources((), pairs / "clean", ("gaussian(sigma=25.5)",))
    recipe = choose(look(sources, Wishes()), "own", "files.json")
    assert recipe.noise and recipe.noise.options == {"sigma": 0.1} and recipe.noise.clip and recipe.noise.fresh
    mixed = Sources((), pairs / "clean", ("gaussian(sigma=25.5)", "poisson"))
    recipe = choose(look(mixed, Wishes()), "own", "files.json")
    assert recipe.noise and recipe.noise.name == "mix"


def test_noise_on_floats_is_not_clipped(save, tmp_path):
    for number in range(4):
        save(f"c/{number}.tif", scene(number), "float32", 1)
    findings = look(Sources((), tmp_path / "c", ("gaussian(sigma=25)",)), Wishes())
    recipe = choose(findings, "own", "files.json")
    assert recipe.noise and not recipe.noise.clip


def test_few_minutes_take_a_small_network_and_few_patches(save, tmp_path):
    for number in range(20):
        save(f"n/{number}.png", with_noise(scene(number, 256, 256), number))
    findings = look(Sources((tmp_path / "n",)), Wishes())
    little, much = chosen(findings, train_minutes=0.7), chosen(findings, train_minutes=60)
    assert len(little.model.options["widths"]) < len(much.model.options["widths"])
    assert little.data.options["num_patches"] < much.data.options["num_patches"] <= 6 * 16 * 256**2 / 128**2
    assert little.data.crop == 96


def test_few_places_make_a_smaller_batch(save, tmp_path):
    for number in range(3):
        save(f"n/{number}.png", with_noise(scene(number, 17, 16), number))
    findings = look(Sources((tmp_path / "n",)), Wishes())
    assert findings.patch == 16 and chosen(findings).train.batch_size == findings.places == 4


def test_values_win_and_wrong_ones_are_named(findings):
    recipe = chosen(findings, train_epochs=3, model_widths=[4, 4])
    assert (recipe.train.epochs, recipe.train.minutes, recipe.model.options["widths"]) == (3, 0, [4, 4])
    for values, said in (
        ({"train_minutes": "many"}, "train.minutes is 'many'"),
        ({"data_path": "x"}, "--set data.path"),
        ({"model_width": [4]}, 'has no option "width"'),
    ):
        with pytest.raises(UsageError) as caught:
            chosen(findings, **values)
        assert said in str(caught.value)


def test_starting_from_a_network_takes_its_model(findings):
    start = start_from("photo")
    assert start.name == "photo" and start.channels == 3 and start.conditional
    recipe = choose(findings, "own", "files.json", start, {"train.start": "photo"})
    assert recipe.train.start == "photo" and recipe.model.options["condition"]
    assert recipe.train.lr < chosen(findings).train.lr


def test_what_cannot_be_started_from_is_named(tmp_path, exported):
    with pytest.raises(UsageError, match="unknown model"):
        start_from("photon")
    with pytest.raises(UsageError, match="is an exported network"):
        start_from(str(exported))
    with pytest.raises(PellucidError, match="cannot read"):
        start_from(str(tmp_path / "gone.safetensors"))
    assert not Start("x", {"name": "unet", "channels": 2}).conditional
