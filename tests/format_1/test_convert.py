"""`pellucid convert`: files that the code of format 1 wrote become files of format 2, with the same weights."""

import json
import shutil
import sqlite3
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pellucid.checkpoint import load
from pellucid.data.files_json import read_file_list
from pellucid.errors import OldFormat, PellucidError, UsageError
from pellucid.format_1.convert import convert
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import load_recipe
from pellucid.train.loop import train

FILES = Path(__file__).parent / "files"
DONE_JOB, QUEUED_JOB = "b37f53d27eef513c561d9bb6f620e848", "8075d217cec1e3e62525c0e22a8a63b2"
SINGLE = (
    *("recipe.toml", "small.onnx", "combined.safetensors", "finished.safetensors", "run/last.safetensors"),
    *("files.json", "reproduced/results.json", "reproduced/tiny/seed-0/trained.json"),
    "reproduced/tiny/seed-0/figures.json",
)
OLD_KEYS = {
    *("rivals", "hold", "told", "num_even", "leak", "colour", "share", "white", "figures", "described", "averaged"),
    *("facts", "left_out", "second", "part", "level", "takes", "done", "seen", "best", "waited"),
}


@pytest.fixture
def files(tmp_path) -> Path:
    """A copy of the files of format 1, with the databases that lie beside them as SQL."""
    folder = tmp_path / "files"
    shutil.copytree(FILES, folder)
    for text, name, version in (
        (folder / "study" / "study.sql", "study.sqlite3", 0),
        (folder / "spool" / "jobs.sql", "jobs.sqlite3", 1),
    ):
        database = sqlite3.connect(text.with_name(name))
        database.executescript(f"{text.read_text()} PRAGMA user_version = {version};")
        database.close()
        text.unlink()
    return folder


def keys(value) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def metadata(path: Path) -> dict:
    with safe_open(path, "numpy") as file:
        return json.loads(file.metadata()["metadata"])


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_recipe_keeps_its_values_and_its_comments(files):
    old = tomllib.loads((files / "recipe.toml").read_text())
    convert(files / "recipe.toml")
    recipe = load_recipe(files / "recipe.toml")
    recipe.check()
    assert recipe.noise is not None
    first, second = recipe.noise.options["parts"]
    assert first["level_scale"] == [0.6, 1.0] and second["parts"][0] == {"name": "document", "probability": 0.5}
    assert recipe.train.hold_fraction == old["train"]["hold"] and recipe.evaluate.baselines == ("identity", "median")
    assert recipe.model.options["negative_slope"] == old["model"]["leak"]
    assert recipe.study[0].vary == "train.hold_fraction"
    assert set(recipe.quick) == {"train.epochs", "train.hold_fraction", "evaluate.baselines"}
    assert "# A comment that stays." in (files / "recipe.toml").read_text()


def test_a_name_that_is_renamed_in_one_table_alone_is_renamed_there_alone(files):
    path = files / "recipe.toml"
    path.write_text(path.read_text() + '\n[origin.published]\nshare = 3\n"the share = 1" = 4\n')
    convert(path)
    tables = tomllib.loads(path.read_text())
    assert tables["origin"]["published"] == {"share": 3, "the share = 1": 4}
    assert tables["noise"]["parts"][1]["parts"][0]["probability"] == 0.5


@pytest.mark.parametrize("name", ["combined", "finished"])
def test_a_checkpoint_keeps_its_weights_to_the_bit(files, name):
    path = files / f"{name}.safetensors"
    with pytest.raises(OldFormat, match=rf"{name}\.safetensors is a checkpoint of format 1: pellucid convert"):
        load(path)
    before = load_file(path)
    assert convert(path) == (path,)
    after = load_file(path)
    assert list(after) == list(before) and all(torch.equal(after[key], before[key]) for key in before)
    loaded = load(path)
    assert set(loaded.networks) == ({"denoiser", "classifier"} if name == "combined" else {"denoiser"})
    assert loaded.metrics["train_loss"] > 0 and loaded.classes == tuple("0123456789")
    assert not keys(metadata(path)) & OLD_KEYS


def test_a_training_state_keeps_all_but_the_random_state(files):
    path = files / "run" / "last.safetensors"
    before = load_file(path)
    convert(path)
    after = load_file(path)
    names = {key: f"ema.{key.removeprefix('averaged.')}" if key.startswith("averaged.") else key for key in before}
    assert names.pop("generator") and set(after) == set(names.values())
    assert all(torch.equal(after[new], before[old]) for old, new in names.items())
    counters = metadata(path)["counters"]
    assert counters["global_step"] == 6 and counters["num_samples"] == 32 and counters["best_loss"] > 0


def test_a_run_is_resumed_after_conversion_as_format_1_would_have_been(files):
    run = files / "run"
    with pytest.raises(OldFormat, match=r"run is a run folder of format 1: pellucid convert"):
        load_recipe(run / "recipe.toml")
    recipe = load_recipe("digits")
    with pytest.raises(OldFormat, match=r"run is a run folder of format 1: pellucid convert"):
        train(recipe, run, resume=True)
    assert {path.name for path in convert(run)} == {"recipe.toml", "best.safetensors", "last.safetensors"}
    result = train(load_recipe(run / "recipe.toml"), run, resume=True)
    assert result.stopped == "finished" and [entry["epoch"] for entry in result.history] == [1, 2, 3]
    resumed, finished = load_file(run / "best.safetensors"), load_file(files / "finished.safetensors")
    for key, value in finished.items():
        torch.testing.assert_close(resumed[key], value, rtol=1e-4, atol=1e-5)


def test_an_onnx_file_is_edited_and_not_exported_again(files):
    onnx = pytest.importorskip("onnx")
    path = files / "small.onnx"
    noisy = np.random.default_rng(0).random((20, 24), np.float32)
    before = onnx.load(path)
    with pytest.raises(OldFormat, match=r"small\.onnx is a network of format 1: pellucid convert"):
        Denoiser.load(path)
    convert(path)
    after = onnx.load(path)
    onnx.checker.check_model(after)
    (entry,) = [entry for entry in after.metadata_props if entry.key == "pellucid"]
    described = json.loads(entry.value)
    assert described["format"] == 2 and described["recipe"]["train"]["hold_fraction"] == 0.4
    assert not keys(described) & OLD_KEYS
    del before.metadata_props[:], after.metadata_props[:]
    assert after.SerializeToString(deterministic=True) == before.SerializeToString(deterministic=True)
    denoised = Denoiser.load(path, threads=1)(noisy, sigma=0.1)
    convert(files / "finished.safetensors")
    expected = Denoiser.load(files / "finished.safetensors", engine="torch", threads=1)(noisy, sigma=0.1)
    np.testing.assert_allclose(denoised, expected, atol=1e-5)


def test_a_list_of_files_has_the_new_keys(files):
    path = files / "files.json"
    with pytest.raises(OldFormat, match=r"files\.json is a list of files of format 1"):
        read_file_list(path)
    convert(path)
    found = read_file_list(path)
    assert found.kind == "captures" and found.data_range == 255
    assert found.entries[0].sigma == 0.05 and found.entries[0].split == "validation"
    assert Path(str(found.entries[1].second_capture)).name == "1.png"
    assert found.skipped == (("../first/broken.png", "it is cut short"),)


def test_results_of_a_reproduction_have_the_new_keys(files):
    convert(files / "reproduced")
    (result,) = json.loads((files / "reproduced" / "results.json").read_text())
    assert set(result["baselines"]) == {"identity", "identity+affine", "linear"}
    folder = files / "reproduced" / "tiny" / "seed-0"
    trained, figures = (json.loads((folder / name).read_text()) for name in ("trained.json", "figures.json"))
    assert trained["format"] == 2 and trained["stopped"] == "finished"
    assert trained["tables"]["train"]["hold_fraction"] == figures["tables"]["train"]["hold_fraction"] == 0
    assert not (keys(trained) | keys(result) | keys(figures["tables"])) & OLD_KEYS


def test_a_study_keeps_its_trials_with_choices_as_labels(files):
    optuna = pytest.importorskip("optuna")
    study = files / "study"
    assert {path.name for path in convert(study)} == {"best.toml", "study.sqlite3"}
    storage = optuna.storages.RDBStorage(f"sqlite:///{study / 'study.sqlite3'}")
    loaded = optuna.load_study(study_name="tune", storage=storage)
    assert loaded.user_attrs["definition"]["format"] == 2
    assert "hold_fraction" in loaded.user_attrs["definition"]["recipe"]["train"]
    trials = loaded.get_trials()
    assert [trial.user_attrs["trial"] for trial in trials] == [1, 2, 3]
    assert [trial.user_attrs["result"]["values"]["model.widths"] for trial in trials] == [[4]] * 3
    assert {trial.params["train.optimizer"] for trial in trials} == {"adam"}
    assert {trial.params["model.widths"] for trial in trials} == {"[4]"}
    assert trials[0].system_attrs["fixed_params"] == {
        "train.lr": 0.01, "train.optimizer": "adam", "model.widths": "[4]"
    }  # fmt: skip
    assert loaded.best_trial.params["train.lr"] == pytest.approx(0.03923, rel=1e-3)
    storage.remove_session()
    storage.engine.dispose()


def test_a_converted_study_goes_on(files):
    pytest.importorskip("optuna")
    from pellucid.tune.space import read_space
    from pellucid.tune.study import tune

    recipe = study_recipe(files)
    convert(files / "study")
    space = read_space(["train.lr=1e-3..1e-1", "train.optimizer=adam,adamw", "model.widths=[4],[8]"])
    found = tune(recipe, space, files / "study", trials=4, quick=True, resume=True, seed=1)
    assert [trial.number for trial in found.trials] == [1, 2, 3, 4]


def test_a_spool_keeps_its_jobs(files):
    from pellucid.server.jobs.database import JobStore
    from pellucid.server.jobs.files import JobFiles

    spool = JobFiles(files / "spool")
    with pytest.raises(OldFormat, match=r"spool is a spool of format 1: pellucid convert"):
        JobStore(spool.database, time.time)
    assert convert(spool.folder) == (spool.database,)
    store = JobStore(spool.database, time.time)
    done, queued = store.job(DONE_JOB), store.job(QUEUED_JOB)
    assert done and queued
    (item,) = done.items
    assert item.metadata is not None
    assert item.metadata["sigma_255"] == pytest.approx(12.03, abs=0.01) and item.metadata["warnings"] == []
    assert spool.committed(DONE_JOB, 1) == item.metadata
    assert [item.state for item in queued.items] == ["running", "queued"]
    store.close()


@pytest.mark.parametrize("name", SINGLE)
def test_converting_twice_changes_nothing(files, name):
    path = files / name
    assert convert(path) == (path,)
    once = path.read_bytes()
    assert convert(path) == () and path.read_bytes() == once


def test_a_whole_tree_is_converted_once(files):
    assert len(convert(files)) == 14
    once = content(files)
    assert convert(files) == () and content(files) == once


@pytest.mark.parametrize("name", SINGLE)
def test_another_output_leaves_the_source_as_it_was(files, tmp_path, name):
    before, out = (files / name).read_bytes(), tmp_path / f"new{Path(name).suffix}"
    assert convert(files / name, out) == (out,)
    assert (files / name).read_bytes() == before != out.read_bytes()
    with pytest.raises(UsageError, match="exists: name another output"):
        convert(files / name, out)


def test_a_folder_is_copied_to_another_output(files, tmp_path):
    before = content(files)
    converted = convert(files, tmp_path / "new")
    assert content(files) == before and all(path.is_relative_to(tmp_path / "new") for path in converted)
    names = {name.replace("facts.json", "metadata.json") for name in before}
    assert content(tmp_path / "new").keys() == names | {"spool/lock"}


@pytest.mark.parametrize("name", [*SINGLE, "run/best.safetensors"])
@pytest.mark.parametrize("whole", [False, True], ids=["the file", "its folder"])
def test_a_file_that_is_cut_short_costs_nothing(files, name, whole):
    path = files / name
    path.write_bytes(path.read_bytes()[: -len(path.read_bytes()) // 3])
    before = content(files)
    with pytest.raises(PellucidError) as caught:
        convert(files if whole else path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    assert content(files) == before


def test_a_full_disk_leaves_the_old_file(files, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = content(files)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PellucidError, match="the disk is full"):
        convert(files / "run" / "best.safetensors")
    assert content(files) == before


def test_the_spool_of_a_running_service_is_refused(files):
    filelock = pytest.importorskip("filelock")
    with filelock.FileLock(files / "spool" / "lock"), pytest.raises(PellucidError, match="stop pellucid serve first"):
        convert(files / "spool")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("photo.jpg", "x", "is no file of Pellucid's"),
        ("empty", None, "holds no files of Pellucid's"),
        ("absent", "", "no such file or folder"),
        ("study.sqlite3", "x", "convert .*, its folder"),
        ("broken.toml", "a = = 3", "cannot convert .*broken.toml"),
        (
            "wrong.toml",
            '[data]\nname = "digits"\n[model]\nname = "dense"\n[train]\nepoch = 3',
            "wrong.toml: unknown key",
        ),
    ],
)
def test_other_files_are_refused_with_the_reason(tmp_path, name, text, message):
    path = tmp_path / name
    if text is None:
        path.mkdir()
    elif text:
        path.write_text(text)
    with pytest.raises(PellucidError, match=message):
        convert(path)


def test_files_of_other_programs_are_left_alone(files):
    run = files / "run"
    (run / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (run / "notes.json").write_text("not JSON")
    (run / "export.onnx").write_bytes(b"")
    torch_file = run / "other.safetensors"
    shutil.copy(files / "combined.safetensors", torch_file)
    convert(torch_file)
    before = content(run)
    convert(run)
    after = content(run)
    assert all(after[name] == before[name] for name in ("pyproject.toml", "notes.json", "export.onnx", torch_file.name))


def study_recipe(files):
    """The recipe that the fixture's study was of."""
    tables = {
        "summary": "Reproduced and tuned",
        "data": {"name": "digits", "train_images": 64, "test_images": 20},
        "noise": {"name": "gaussian", "sigma": 0.3},
        "model": {"name": "dense", "image": [1, 8, 8], "widths": [4]},
        "loss": {"name": "bce"},
        "train": {"epochs": 1, "batch_size": 16, "lr": 0.01, "threads": 1, "precision": "fp32"},
        "quick": {"train.epochs": 1},
    }
    from pellucid.recipes.recipe import Recipe

    return Recipe.from_dict({"name": "tiny", **tables})


def test_a_file_of_format_2_is_copied_to_the_output(tmp_path):
    source, out = tmp_path / "recipe.toml", tmp_path / "copy.toml"
    source.write_text("format = 2\n# mine\n")
    assert convert(source, out) == () and out.read_text() == source.read_text()
