import json

import pytest

from pellucid import Denoiser
from pellucid.data.file_list import read_file_list
from pellucid.errors import UsageError
from pellucid.own_data.run import Options, Outcome, begun, plan, train_listed
from pellucid.own_data.sources import Sources
from pellucid.recipes.recipe import load_recipe

from .conftest import scene, with_noise

TINY = {
    "model.widths": [4, 4],
    "model.blocks": 1,
    "data.num_patches": 32,
    "train.batch_size": 8,
    "train.epochs": 2,
    "train.threads": 1,
    "train.precision": "fp32",
}


def trained(sources: Sources, out, **values) -> Outcome:
    planned = plan(sources, out, Options(values=TINY | values))
    assert not out.exists()
    planned.write(out)
    return train_listed(planned.recipe, out)


@pytest.mark.parametrize("kind", ["pairs", "clean", "noisy", "takes"])
def test_each_kind_trains_and_leaves_a_network_a_picture_and_a_report(kind, pairs, save):
    for number in range(10):
        save(f"second/{number}.png", with_noise(scene(number), 100 + number))
    noisy, clean, second = (pairs / name for name in ("noisy", "clean", "second"))
    sources = {
        "pairs": Sources((noisy,), clean),
        "clean": Sources((), clean, ("gaussian(sigma=25)",)),
        "noisy": Sources((noisy,)),
        "takes": Sources((noisy, second)),
    }[kind]
    out = pairs / "run"
    outcome = trained(sources, out)
    assert outcome.result.stopped == "finished" and len(outcome.result.history) == 2
    assert outcome.measured and outcome.measured.files == 2 and outcome.report == out / "report.html"
    names = {path.name for path in out.iterdir()}
    assert names >= {"best.safetensors", "recipe.toml", "files.json", "progress.png", "report.html", "figures.json"}
    assert read_file_list(out / "files.json").kind == kind
    image = scene(0, 40, 50).astype("float32")
    assert Denoiser.load(out / "best.safetensors")(image, data_range=1.0).shape == image.shape
    assert len(list(noisy.iterdir())) == len(list(clean.iterdir())) == 10


def test_what_was_written_trains_again_to_the_same_network(pairs):
    first = trained(Sources((pairs / "noisy",), pairs / "clean"), pairs / "run")
    again = train_listed(load_recipe(pairs / "run" / "recipe.toml"), pairs / "again")
    losses = [[entry["validation_loss"] for entry in outcome.result.history] for outcome in (first, again)]
    assert losses[0] == losses[1]
    assert first.measured and again.measured and first.measured.means == again.measured.means


def test_minutes_are_settled_into_epochs(pairs):
    planned = plan(
        Sources((pairs / "noisy",)), pairs / "run", Options(values={"train.minutes": 0.02, "model.blocks": 1})
    )
    assert planned.recipe.train.minutes == 0.02 and planned.recipe.train.epochs == 1


def test_a_network_that_is_told_levels_gets_those_of_the_files(pairs):
    sources = Sources((pairs / "noisy",), pairs / "clean")
    planned = plan(sources, pairs / "run", Options(values=TINY | {"model.condition": True}))
    levels = [entry.level for entry in planned.files.entries]
    assert all(level is not None and 0.05 < level < 0.15 for level in levels)
    planned.write(pairs / "run")
    assert train_listed(planned.recipe, pairs / "run").result.stopped == "finished"


def test_fine_tuning_takes_the_model_of_the_start(pairs):
    first = trained(Sources((pairs / "noisy",), pairs / "clean"), pairs / "run")
    values = {key: value for key, value in TINY.items() if not key.startswith("model")}
    start = {"train.start": str(first.result.best)}
    planned = plan(Sources((pairs / "noisy",), pairs / "clean"), pairs / "tuned", Options(values=values | start))
    assert planned.recipe.model.options["widths"] == [4, 4]
    planned.write(pairs / "tuned")
    tuned = train_listed(planned.recipe, pairs / "tuned")
    assert tuned.result.history[0]["train_loss"] < first.result.history[0]["train_loss"]


def test_a_start_of_another_shape_is_refused_before_anything_is_written(pairs):
    values = {"train.start": "photo", "model.widths": [4, 4]}
    with pytest.raises(UsageError, match=r"widths = .* set the same, or train from scratch"):
        plan(Sources((pairs / "noisy",), pairs / "clean"), pairs / "run", Options(values=values))


def test_gray_images_tune_a_network_of_colours(pairs):
    planned = plan(
        Sources((pairs / "noisy",), pairs / "clean"), pairs / "run", Options(values={"train.start": "photo"})
    )
    assert planned.files.channels == 3 and planned.recipe.model.options["channels"] == 3
    assert planned.files.entries[0].level is not None


@pytest.mark.parametrize(("channels", "dtype", "white"), [(1, "uint16", 900), (5, "uint16", 65535), (2, "float32", 1)])
def test_depth_and_channels_stay(channels, dtype, white, save, tmp_path):
    for number in range(6):
        light = scene(number, 48, 48, channels)
        save(f"clean/{number}.tif", light, dtype, white)
        save(f"noisy/{number}.tif", with_noise(light, number), dtype, white)
    outcome = trained(Sources((tmp_path / "noisy",), tmp_path / "clean"), tmp_path / "run")
    files = read_file_list(tmp_path / "run" / "files.json")
    assert (files.channels, files.dtype) == (channels, dtype)
    assert files.white == pytest.approx(1023 if white == 900 else white)
    assert outcome.measured and 10 < outcome.measured.means["noisy"]["psnr"] < 25


def test_a_run_is_only_resumed_with_its_own_folders(pairs, save):
    out = pairs / "run"
    sources = Sources((pairs / "noisy",), pairs / "clean")
    assert begun(out, sources) is None
    trained(sources, out)
    (pairs / "link").symlink_to(pairs / "noisy")
    assert begun(out, Sources((pairs / "link",), pairs / "clean"))
    recipe = begun(out, sources)
    assert recipe and recipe == load_recipe(out / "recipe.toml")
    assert train_listed(recipe, out, resume=True).report == out / "report.html"
    save("other/1.png", scene(0))
    with pytest.raises(UsageError, match="was not trained on"):
        begun(out, Sources((pairs / "other",), pairs / "clean"))
    with pytest.raises(UsageError, match="trained on noisy and clean images, not on noisy images alone"):
        begun(out, Sources((pairs / "noisy",)))
    with pytest.raises(UsageError, match="holds a run already"):
        plan(sources, out, Options())


def test_a_run_is_resumed_as_it_was_started_or_not_at_all(pairs, monkeypatch):
    sources, out = Sources((), pairs / "clean", ("gaussian(sigma=25)",)), pairs / "run"
    trained(sources, out)
    best = pairs / "run" / "best.safetensors"
    tuned, asked = pairs / "tuned", {"train.start": str(best), "data.num_patches": 32, "train.epochs": 1}
    planned = plan(sources, tuned, Options(values=asked | {"train.threads": 1, "train.precision": "fp32"}))
    planned.write(tuned)
    train_listed(planned.recipe, tuned)
    monkeypatch.chdir(pairs)
    same = begun(tuned, sources, asked | {"train.start": "run/best.safetensors"})
    assert same and same == load_recipe(tuned / "recipe.toml")
    louder = begun(tuned, Sources((), pairs / "clean", ("gaussian(sigma=50)",)))
    assert louder and louder.noise and louder.noise.options["sigma"] == pytest.approx(50 / 255)
    with pytest.raises(UsageError, match=r"was started with another \[noise\]"):
        train_listed(louder, tuned, resume=True)


def test_what_is_planned_can_be_started_from_what_was_written(pairs):
    planned = plan(Sources((pairs / "noisy",), pairs / "clean"), pairs / "run", Options(values=TINY))
    planned.write(pairs / "run")
    assert load_recipe(pairs / "run" / "recipe.toml") == planned.recipe


def test_bad_wishes_are_refused_before_anything_is_written(pairs):
    sources = Sources((pairs / "noisy",), pairs / "clean")
    for values, said in (({"data.patch": "big"}, "data.patch=big"), ({"train.lr": 0}, "train.lr is 0")):
        with pytest.raises(UsageError) as caught:
            plan(sources, pairs / "run", Options(values=values))
        assert said in str(caught.value)
    assert not (pairs / "run").exists()


def test_left_out_files_are_in_the_list(pairs):
    (pairs / "noisy" / "3.png").write_bytes(b"x")
    trained(Sources((pairs / "noisy",), pairs / "clean"), pairs / "run")
    (left_out,) = json.loads((pairs / "run" / "files.json").read_text())["left_out"]
    assert left_out[0].endswith("3.png") and "not an image" in left_out[1]
