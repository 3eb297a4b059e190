"""Reproduction of tiny recipes on the digits that scikit-learn carries."""

import json
from pathlib import Path
from typing import Any

import pytest

from pellucid.checkpoint import load
from pellucid.errors import PellucidError, UsageError
from pellucid.recipes.recipe import Recipe
from pellucid.reproduce.experiment import Experiment
from pellucid.reproduce.reproduction import reproduce
from pellucid.reproduce.scheduler import JobsProgress

TABLES: dict[str, Any] = {
    "name": "tiny",
    "summary": "A tiny autoencoder",
    "origin": {
        "title": "A text",
        "published": {"psnr": 99.0, "accuracy_denoised": 98.0},
        "assumed": ["a width"],
        "deviations": ["another size"],
    },
    "data": {"name": "digits", "validation": 0.2},
    "noise": {"name": "uniform", "low": 0.0, "high": 0.9},
    "model": {"name": "dense", "image": [1, 8, 8], "widths": [16]},
    "loss": {"name": "bce"},
    "train": {"epochs": 2, "batch_size": 64, "lr": 0.01, "threads": 1, "precision": "fp32"},
    "classifier": {"name": "classifier", "image": [1, 8, 8], "widths": [32], "epochs": 2, "ceiling_epochs": 2},
    "evaluate": {"seeds": [0, 1], "baselines": ["identity", "linear"], "tuning_images": 50},
    "study": [{"title": "The width", "vary": "model.widths", "values": [[4], [8]], "epochs": 1}],
    "quick": {"train.epochs": 1, "evaluate.seeds": [0], "study": []},
}


def write_recipe(folder: Path, **tables: Any) -> Path:
    known = {name: table for name, table in (TABLES | tables).items() if table is not None}
    recipe = Recipe.from_dict(known)
    path = folder / f"{recipe.name}.toml"
    path.write_text(recipe.to_toml())
    return path


def untimed(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without its times, which differ from run to run."""
    text = json.dumps(result)
    return json.loads(text, object_hook=lambda table: {key: value for key, value in table.items() if key != "ms"})


def not_again(progress: JobsProgress) -> None:
    pytest.fail(f"{list(progress.running)} done again")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder and the result of a whole run."""
    folder = tmp_path_factory.mktemp("whole")
    (result,) = reproduce([write_recipe(folder)], folder / "out", workers=1)
    return folder, result


def test_the_result_has_all_figures(whole):
    _, result = whole
    assert list(result) == [
        *("recipe", "published", "measured", "baselines", "epochs", "quick", "assumed", "deviations"),
    ]
    assert result["recipe"] == "tiny" and result["epochs"] == 2 and result["quick"] is False
    assert result["published"] == TABLES["origin"]["published"]
    assert (result["assumed"], result["deviations"]) == (["a width"], ["another size"])
    measured = result["measured"]
    names = ("psnr", "ssim", "train_loss", "accuracy_clean", "accuracy_noisy", "accuracy_denoised")
    names += ("accuracy_ceiling", "loss_clean", "loss_noisy", "loss_denoised")
    for name in names:
        values = [seed[name] for seed in measured["per_seed"]]
        assert measured[name] == pytest.approx(sum(values) / 2)
        assert measured["spread"][name] == [min(values), max(values)]
    assert measured["psnr"] < 30 and [seed["seed"] for seed in measured["per_seed"]] == [0, 1]
    assert measured["compression"]["bits_per_pixel"] == 2.0
    assert list(result["baselines"]) == ["identity", "identity+affine", "linear"]
    assert {tuple(row) for row in result["baselines"].values()} == {
        ("psnr", "ssim", "accuracy_denoised", "ms", "chosen")
    }


def test_the_files_say_the_same(whole):
    folder, result = whole
    out = folder / "out"
    assert json.loads((out / "results.json").read_text()) == [result]
    assert (out / "report.html").exists()
    combined = load(out / "tiny" / "seed-1" / "combined.safetensors")
    assert set(combined.networks) == {"denoiser", "classifier"}
    last = json.loads((out / "tiny" / "seed-0" / "stats.jsonl").read_text().splitlines()[-1])
    assert result["measured"]["per_seed"][0]["train_loss"] == last["train_loss"]


def test_finished_work_is_not_repeated(whole):
    folder, result = whole
    files = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*.safetensors")}
    (again,) = reproduce([folder / "tiny.toml"], folder / "out", workers=1, progress=not_again)
    assert again == result
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_other_texts_train_nothing_again(whole):
    folder, result = whole
    origin = TABLES["origin"] | {"published": {"psnr": 1.0}}
    (folder / "words").mkdir()
    path = write_recipe(folder / "words", origin=origin)
    (again,) = reproduce([path], folder / "out", workers=1, progress=not_again)
    assert again == result | {"published": {"psnr": 1.0}}


def test_two_workers_measure_the_same_as_one(whole, tmp_path):
    folder, result = whole
    calls = []
    (other,) = reproduce([folder / "tiny.toml"], tmp_path / "out", workers=2, progress=calls.append)
    assert untimed(other) == untimed(result)
    assert calls[-1].done == 1.0 and calls[-1].jobs_done == calls[-1].jobs == 11


def test_an_interrupted_run_resumes(whole, tmp_path):
    folder, result = whole

    def interrupt(progress):
        if 0.2 < progress.running.get("tiny, seed 1", 0) < 0.9:
            raise KeyboardInterrupt

    path = folder / "tiny.toml"
    with pytest.raises(KeyboardInterrupt, match="of 11 jobs are done"):
        reproduce([path], tmp_path / "out", workers=1, progress=interrupt)
    (other,) = reproduce([path], tmp_path / "out", workers=1)
    assert untimed(other) == untimed(result)


def test_a_folder_with_another_recipe_is_refused_and_named(whole):
    folder, _ = whole
    with pytest.raises(UsageError, match=r"tiny/seed-0 has a run with another \[noise\]"):
        reproduce([folder / "tiny.toml"], folder / "out", values={"noise.high": 0.5})


def test_quick_changes_are_reported_and_set_values_override_them(tmp_path):
    values = {"evaluate.baselines": [], "evaluate.seeds": [3]}
    (result,) = reproduce([write_recipe(tmp_path)], tmp_path / "out", quick=True, values=values, workers=1)
    assert any(cut.startswith("train.epochs 2 -> 1") for cut in result["quick"])
    assert not any("evaluate.seeds" in cut for cut in result["quick"])
    assert result["epochs"] == 1 and result["baselines"] == {}
    assert [seed["seed"] for seed in result["measured"]["per_seed"]] == [3]
    assert result["deviations"][1:] == [
        "set for this run: evaluate.baselines = []",
        "set for this run: evaluate.seeds = [3]",
    ]
    assert not (tmp_path / "out" / "tiny" / "study").exists()


def test_without_noise_and_classifier_the_figures_are_none(tmp_path):
    path = write_recipe(tmp_path, noise=None, classifier=None, evaluate={"seeds": [0]}, study=[])
    (result,) = reproduce([path], tmp_path / "out", seeds=[4], workers=1)
    measured = result["measured"]
    assert measured["psnr"] is not None and measured["train_loss"] is not None
    for name in ("accuracy_clean", "accuracy_denoised", "accuracy_ceiling", "loss_noisy", "noisy_psnr"):
        assert measured[name] is None
    assert result["baselines"] == {}
    assert not list((tmp_path / "out").rglob("combined.safetensors"))


def test_recipes_with_the_same_data_and_noise_share_classifiers_and_baselines(tmp_path):
    recipes = [Recipe.from_dict(TABLES | {"name": name}) for name in ("one", "two")]
    wider = recipes[1].with_values({"model.widths": [32], "train.epochs": 7})
    one, two = (Experiment(recipe, None, (), tmp_path) for recipe in (recipes[0], wider))
    assert one.classifier(0) == two.classifier(0)
    assert one.classifier(0, on_noise=True) == two.classifier(0, on_noise=True)
    assert one.baselines_file() == two.baselines_file()
    assert one.denoiser(0).folder != two.denoiser(0).folder
    other = Experiment(recipes[0].with_values({"noise.high": 0.5}), None, (), tmp_path)
    assert one.classifier(0) == other.classifier(0)
    assert one.classifier(0, on_noise=True) != other.classifier(0, on_noise=True)


def test_a_failing_recipe_is_reported_and_the_others_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))
    short: dict[str, Any] = {"evaluate": {"seeds": [0]}, "study": [], "classifier": None}
    linear, wild = TABLES["model"] | {"output": "none"}, TABLES["train"] | {"lr": 1e30}
    paths = [
        write_recipe(tmp_path, name="absent", data={"name": "mnist"}, model={"name": "dense"}, **short),
        write_recipe(tmp_path, name="wild", model=linear, train=wild, loss={"name": "mse"}, **short),
        write_recipe(tmp_path, name="good", **short),
    ]
    with pytest.raises(PellucidError, match=r"absent: mnist: no train files.*; wild, seed 0: the training loss"):
        reproduce(paths, tmp_path / "out", workers=1)
    assert [entry["recipe"] for entry in json.loads((tmp_path / "out" / "results.json").read_text())] == ["good"]


def test_recipes_of_one_name_and_unknown_values_are_refused_before_anything_runs(tmp_path):
    path = write_recipe(tmp_path)
    with pytest.raises(UsageError, match="same name"):
        reproduce([path, path], tmp_path / "out")
    with pytest.raises(UsageError, match="epoch"):
        reproduce([path], tmp_path / "out", values={"train.epoch": 3})
    assert not (tmp_path / "out").exists()
