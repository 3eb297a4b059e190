import json

import pytest

from pellucid import Denoiser
from pellucid.data.files_json import read_file_list
from pellucid.errors import UsageError
from pellucid.own_data.run import TrainOptions, TrainOutcome, make_plan, resumable_recipe, train_file_list
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


def trained(sources: Sources, out, **values) -> TrainOutcome:
    plan = make_plan(sources, out, TrainOptions(values=TINY | values))
    assert not out.exists()
    plan.write(out)
    return train_file_list(plan.recipe, out)


@pytest.mark.parametrize("kind", ["pairs", "clean", "noisy", "captures"])
def test_each_kind_trains_and_writes_a_network_a_progress_image_and_a_report(kind, pairs, save):
    for number in range(10):
        save(f"second/{number}.png", with_noise(scene(number), 100 + number))
    noisy, clean, second = (pairs / name for name in ("noisy", "clean", "second"))
    sources = {
        "pairs": Sources((noisy,), clean),
        "clean": Sources((), clean, ("gaussian(sigma=25)",)),
        "noisy": Sources((noisy,)),
        "captures": Sources((noisy, second)),
    }[kind]
    out = pairs / "run"
    outcome = trained(sources, out)
    assert outcome.result.stopped == "finished" and len(outcome.result.history) == 2
    assert outcome.evaluation and outcome.evaluation.files == 2 and outcome.report == out / "report.html"
    names = {path.name for path in out.iterdir()}
    assert names >= {"best.safetensors", "recipe.toml", "files.json", "progress.png", "report.html", "figures.json"}
    assert read_file_list(out / "files.json").kind == kind
    image = scene(0, 40, 50).astype("float32")
    assert Denoiser.load(out / "best.safetensors")(image, data_range=1.0).shape == image.shape
    assert len(list(noisy.iterdir())) == len(list(clean.iterdir())) == 10


def test_the_written_recipe_trains_the_same_network_again(pairs):
    first = trained(Sources((pairs / "noisy",), pairs / "clean"), pairs / "run")
    again = train_file_list(load_recipe(pairs / "run" / "recipe.toml"), pairs / "again")
    losses = [[entry["validation_loss"] for entry in outcome.result.history] for outcome in (first, again)]
    assert losses[0] == losses[1]
    assert first.evaluation and again.evaluation and first.evaluation.means == again.evaluation.means


def test_the_plan_keeps_the_minutes(pairs):
    plan = make_plan(
        Sources((pairs / "noisy",)), pairs / "run", TrainOptions(values={"train.minutes": 0.02, "model.blocks": 1})
    )
    assert plan.recipe.train.minutes == 0.02 and plan.recipe.train.epochs == 1


def test_a_conditional_network_gets_the_sigmas_of_the_files(pairs):
    sources = Sources((pairs / "noisy",), pairs / "clean")
    plan = make_plan(sources, pairs / "run", TrainOptions(values=TINY | {"model.condition": True}))
    sigmas = [entry.sigma for entry in plan.files.entries]
    assert all(sigma is not None and 0.05 < sigma < 0.15 for sigma in sigmas)
    plan.write(pairs / "run")
    assert train_file_list(plan.recipe, pairs / "run").result.stopped == "finished"


def test_fine_tuning_uses_the_model_of_the_pretrained_network(pairs):
    first = trained(Sources((pairs / "noisy",), pairs / "clean"), pairs / "run")
    values = {key: value for key, value in TINY.items() if not key.startswith("model")}
    start = {"train.start": str(first.result.best)}
    plan = make_plan(Sources((pairs / "noisy",), pairs / "clean"), pairs / "tuned", TrainOptions(values=values | start))
    assert plan.recipe.model.options["widths"] == [4, 4]
    plan.write(pairs / "tuned")
    tuned = train_file_list(plan.recipe, pairs / "tuned")
    assert tuned.result.history[0]["train_loss"] < first.result.history[0]["train_loss"]


def test_a_pretrained_network_of_another_shape_is_refused_before_anything_is_written(pairs):
    values = {"train.start": "photo", "model.widths": [4, 4]}
    with pytest.raises(UsageError, match=r"widths = .* set the same, or train from scratch"):
        make_plan(Sources((pairs / "noisy",), pairs / "clean"), pairs / "run", TrainOptions(values=values))


def test_gray_images_fine_tune_a_color_network(pairs):
    plan = make_plan(
        Sources((pairs / "noisy",), pairs / "clean"), pairs / "run", TrainOptions(values={"train.start": "photo"})
    )
    assert plan.files.channels == 3 and plan.recipe.model.options["channels"] == 3
    assert plan.files.entries[0].sigma is not None


@pytest.mark.parametrize(
    ("channels", "dtype", "data_range"), [(1, "uint16", 900), (5, "uint16", 65535), (2, "float32", 1)]
)
def test_depth_and_channels_stay(channels, dtype, data_range, save, tmp_path):
    for number in range(6):
        light = scene(number, 48, 48, channels)
        save(f"clean/{number}.tif", light, dtype, data_range)
        save(f"noisy/{number}.tif", with_noise(light, number), dtype, data_range)
    outcome = trained(Sources((tmp_path / "noisy",), tmp_path / "clean"), tmp_path / "run")
    files = read_file_list(tmp_path / "run" / "files.json")
    assert (files.channels, files.dtype) == (channels, dtype)
    assert files.data_range == pytest.approx(1023 if data_range == 900 else data_range)
    assert outcome.evaluation and 10 < outcome.evaluation.means["noisy"]["psnr"] < 25


def test_a_run_is_only_resumed_with_its_own_folders(pairs, save):
    out = pairs / "run"
    sources = Sources((pairs / "noisy",), pairs / "clean")
    assert resumable_recipe(out, sources) is None
    trained(sources, out)
    (pairs / "link").symlink_to(pairs / "noisy")
    assert resumable_recipe(out, Sources((pairs / "link",), pairs / "clean"))
    recipe = resumable_recipe(out, sources)
    assert recipe and recipe == load_recipe(out / "recipe.toml")
    assert train_file_list(recipe, out, resume=True).report == out / "report.html"
    save("other/1.png", scene(0))
    with pytest.raises(UsageError, match="was not trained on"):
        resumable_recipe(out, Sources((pairs / "other",), pairs / "clean"))
    with pytest.raises(UsageError, match="trained on noisy and clean images, not on noisy images only"):
        resumable_recipe(out, Sources((pairs / "noisy",)))
    with pytest.raises(UsageError, match="holds a run already"):
        make_plan(sources, out, TrainOptions())


def test_a_run_is_resumed_as_it_was_started_or_not_at_all(pairs, monkeypatch):
    sources, out = Sources((), pairs / "clean", ("gaussian(sigma=25)",)), pairs / "run"
    trained(sources, out)
    best = pairs / "run" / "best.safetensors"
    tuned, values = pairs / "tuned", {"train.start": str(best), "data.num_patches": 32, "train.epochs": 1}
    plan = make_plan(sources, tuned, TrainOptions(values=values | {"train.threads": 1, "train.precision": "fp32"}))
    plan.write(tuned)
    train_file_list(plan.recipe, tuned)
    monkeypatch.chdir(pairs)
    same = resumable_recipe(tuned, sources, values | {"train.start": "run/best.safetensors"})
    assert same and same == load_recipe(tuned / "recipe.toml")
    noisier = resumable_recipe(tuned, Sources((), pairs / "clean", ("gaussian(sigma=50)",)))
    assert noisier and noisier.noise and noisier.noise.options["sigma"] == pytest.approx(50 / 255)
    with pytest.raises(UsageError, match=r"was started with another \[noise\]"):
        train_file_list(noisier, tuned, resume=True)


def test_the_plan_can_be_trained_by_the_written_recipe(pairs):
    plan = make_plan(Sources((pairs / "noisy",), pairs / "clean"), pairs / "run", TrainOptions(values=TINY))
    plan.write(pairs / "run")
    assert load_recipe(pairs / "run" / "recipe.toml") == plan.recipe


def test_bad_values_are_refused_before_anything_is_written(pairs):
    sources = Sources((pairs / "noisy",), pairs / "clean")
    for values, message in (({"data.patch": "big"}, "data.patch=big"), ({"train.lr": 0}, "train.lr is 0")):
        with pytest.raises(UsageError) as caught:
            make_plan(sources, pairs / "run", TrainOptions(values=values))
        assert message in str(caught.value)
    assert not (pairs / "run").exists()


def test_skipped_files_are_in_the_list(pairs):
    (pairs / "noisy" / "3.png").write_bytes(b"x")
    trained(Sources((pairs / "noisy",), pairs / "clean"), pairs / "run")
    (skipped,) = json.loads((pairs / "run" / "files.json").read_text())["skipped"]
    assert skipped[0].endswith("3.png") and "not an image" in skipped[1]
