"""The commands that train and measure."""

import contextlib
import csv
import json
import signal
import subprocess
import sys
import tomllib

import pytest

from pellucid import checkpoint
from pellucid.recipes.recipe import load_recipe
from pellucid.train.distributed import ProcessGroup


def test_train_says_what_happened_and_writes_both_networks(run, recipes, tmp_path):
    outcome = run("train", recipes["dense"], "--out", tmp_path / "run", "--json", tmp_path / "run.json")
    assert outcome.status == 0, outcome
    for message in ("dense: 1 epoch done", "dense-classifier: 2 epochs done", "samples/s on 1 thread in fp32"):
        assert message in outcome.stdout
    assert str(tmp_path / "run" / "combined.safetensors") in outcome.stdout
    assert set(checkpoint.load(tmp_path / "run" / "combined.safetensors").networks) == {"denoiser", "classifier"}
    figures = json.loads((tmp_path / "run.json").read_text())
    assert figures["denoiser"]["stopped"] == "finished"
    assert [entry["epoch"] for entry in figures["classifier"]["history"]] == [1, 2]


def test_changes_win_over_quick_and_are_kept_in_the_recipe(run, recipes, tmp_path):
    changes = ("--set", "noise.sigma=0.1", "--set", "train.schedule=cosine", "--seed", 7, "--epochs", 2)
    assert run("train", recipes["conv"], "--quick", *changes, "--out", tmp_path).status == 0
    kept = load_recipe(tmp_path / "recipe.toml")
    assert kept.noise and kept.noise.options == {"sigma": 0.1}
    assert (kept.train.schedule, kept.train.seed, kept.train.epochs) == ("cosine", 7, 2)
    assert kept.data.train_images == 100
    assert len((tmp_path / "stats.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("words", [("--epochs", 2), ("--set", "train.epochs=2")])
def test_epochs_win_over_the_minutes_of_a_recipe(run, recipes, tmp_path, words):
    timed = tmp_path / "timed.toml"
    text = recipes["conv"].read_text()
    timed.write_text(text.replace("epochs = 1", "epochs = 1\nminutes = 50.0\nsteps = 3", 1))
    assert run("train", timed, "--set", "data.train_images=100", *words, "--out", tmp_path / "run").status == 0
    kept = load_recipe(tmp_path / "run" / "recipe.toml").train
    assert (kept.epochs, kept.minutes, kept.steps) == (2, 0, 0)


@pytest.mark.parametrize(
    "words",
    [
        ("--epochs", 2, "--minutes", 1),
        ("--epochs", 2, "--set", "train.minutes=1"),
        ("--set", "train.epochs=2", "--minutes", 1),
    ],
)
def test_epochs_and_minutes_exclude_each_other(refused, recipes, tmp_path, words):
    line = refused(2, "train", recipes["conv"], *words, "--out", tmp_path / "run")
    assert line == "--epochs and --minutes exclude each other: give one"


def test_the_default_folder_is_named_after_the_recipe(run, recipes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("train", recipes["dense"]).status == 0
    assert (tmp_path / "runs" / "dense" / "best.safetensors").is_file()


def test_a_run_is_not_overwritten_but_resumed(run, refused, recipes, trained, tmp_path):
    line = refused(2, "train", recipes["dense"], "--out", trained["dense"])
    assert line.startswith(f"{trained['dense']} holds a run already")
    assert run("train", recipes["dense"], "--out", trained["dense"], "--resume").status == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.epoch=3", 'unknown key "train.epoch" (did you mean "epochs"?)'),
        ("train.epochs=many", "train.epochs is 'many', it must be a whole number"),
        ("train.lr=0", "train.lr is 0.0, it must be above 0"),
        ("noise.name=gausian", 'unknown noise "gausian" (did you mean "gaussian"?)'),
        ("noise.sigm=0.1", 'noise "gaussian" has no option "sigm"'),
        ("train.optimizer=adm", 'train.optimizer is "adm" (did you mean "adam"?)'),
        ("trian.epochs=3", 'unknown key "trian"'),
        ("train.epochs", "--set train.epochs: write key=value"),
    ],
)
def test_wrong_recipe_values_are_wrong_usage(refused, recipes, tmp_path, change, message):
    assert message in refused(2, "train", recipes["dense"], "--set", change, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_recipe_file_that_is_no_recipe_is_named(refused, tmp_path):
    assert "did you mean" in refused(2, "train", "dense-unifrom")
    (tmp_path / "broken.toml").write_text("summary = ")
    assert f"{tmp_path / 'broken.toml'} is not a TOML file" in refused(2, "train", tmp_path / "broken.toml")
    assert "cannot read the recipe" in refused(1, "train", tmp_path / "gone.toml")


def test_absent_data_says_what_to_run(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    line = refused(1, "train", "dense-uniform", "--out", tmp_path / "run")
    assert str(tmp_path / "mnist") in line and "pellucid fetch mnist" in line
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_named(refused, recipes, tmp_path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refused(1, "train", recipes["dense"], "--out", tmp_path / "file" / "run")


def test_ctrl_c_leaves_a_usable_run_and_says_how_to_go_on(run, recipes, tmp_path, monkeypatch):
    steps = []

    def interrupting(state, total):
        steps.append(total)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("pellucid.train.loop._set_learning_rate", interrupting)
    outcome = run("train", recipes["dense"], "--epochs", 3, "--out", tmp_path)
    assert outcome.status == 130
    (line,) = outcome.stderr.splitlines()
    assert f"pellucid: interrupted; {tmp_path / 'best.safetensors'} can be used; to continue: pellucid train" in line
    assert len(steps) == 3 and not (tmp_path / "classifier").exists()
    monkeypatch.undo()
    assert run("train", tmp_path / "recipe.toml", "--out", tmp_path, "--resume").status == 0
    assert len((tmp_path / "stats.jsonl").read_text().splitlines()) == 3


def test_a_process_that_is_not_the_main_one_trains_in_silence(run, recipes, tmp_path, monkeypatch):
    @contextlib.contextmanager
    def second():
        yield ProcessGroup(rank=1)

    for module in ("distributed", "loop", "with_classifier"):
        monkeypatch.setattr(f"pellucid.train.{module}.process_group", second)
    outcome = run("train", recipes["dense"], "--out", tmp_path / "run", "--json", tmp_path / "run.json")
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "", "")
    assert not (tmp_path / "run.json").exists()
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    # What goes wrong in one process alone is message by that process.
    gone = run("train", recipes["dense"], "--out", tmp_path / "run", "--set", "data.train_images=1")
    assert gone.status == 2 and "1 images are too few" in gone.stderr


@pytest.mark.slow
def test_of_two_processes_one_prints_and_writes(recipes, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "pellucid", "train", recipes["dense"], "--out", tmp_path / "run", "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) == {"denoiser", "classifier"}
    assert done.stderr.count("dense: 1 epoch done") == done.stderr.count("dense-classifier: 2 epochs done") == 1
    assert set(checkpoint.load(tmp_path / "run" / "combined.safetensors").networks) == {"denoiser", "classifier"}


def test_evaluate_prints_the_table_and_writes_the_figures(run, trained, tmp_path):
    outcome = run("evaluate", trained["dense"] / "combined.safetensors", "--seeds", "0,1", "--json", "-")
    assert outcome.status == 0, outcome
    figures = json.loads(outcome.stdout)
    assert [seed["seed"] for seed in figures["measured"]["per_seed"]] == [0, 1]
    assert set(figures["baselines"]) == {"identity", "identity+affine", "linear"}
    assert 0 <= figures["measured"]["accuracy_denoised"] <= 100
    assert "PSNR, dB" in outcome.stderr and "linear" in outcome.stderr


def test_evaluate_takes_few_images_and_no_baselines_and_writes_a_report(run, trained, tmp_path):
    out = tmp_path / "report"
    command = ("evaluate", trained["conv"] / "best.safetensors", "--no-baselines", "--limit", 5, "--out", out)
    outcome = run(*command)
    assert outcome.status == 0 and str(out / "report.html") in outcome.stdout
    assert (out / "report.html").is_file() and list(out.glob("*/*.png"))
    result = json.loads((out / "results.json").read_text())[0]
    assert result["baselines"] == {} and result["measured"]["accuracy_clean"] is None


def test_evaluate_takes_the_noise_of_another_recipe(run, recipes, trained, tmp_path):
    louder = tmp_path / "louder.toml"
    louder.write_text(recipes["dense"].read_text().replace("sigma = 0.3", "sigma = 0.9"))
    noisy = []
    for recipe in (recipes["dense"], louder):
        command = (
            "evaluate",
            trained["dense"] / "best.safetensors",
            "--no-baselines",
            "--recipe",
            recipe,
            "--json",
            "-",
        )
        noisy.append(json.loads(run(*command).stdout)["measured"]["noisy_psnr"])
    assert noisy[0] > noisy[1] + 3


def test_evaluate_takes_a_shipped_model_by_its_name(run, recipes, tmp_path):
    pages = tmp_path / "pages.toml"
    pages.write_text(
        recipes["conv"].read_text().replace('name = "digits"', 'name = "pages"\nnum_images = 32\nsize = 48')
    )
    command = ("evaluate", "photo", "--recipe", pages, "--no-baselines", "--limit", 3, "--json", "-")
    outcome = run(*command)
    assert outcome.status == 0, outcome
    measured = json.loads(outcome.stdout)["measured"]
    assert measured["psnr"] > measured["noisy_psnr"]


def test_seeds_are_whole_numbers(refused, trained):
    line = refused(2, "evaluate", trained["dense"] / "best.safetensors", "--seeds", "0,x")
    assert line == "--seeds 0,x: write whole numbers with commas between, such as 0,1,2"


def test_reproduce_sets_published_beside_measured_and_names_its_report(run, recipes, tmp_path):
    published = tmp_path / "published.toml"
    published.write_text(recipes["dense"].read_text() + "[origin.published]\naccuracy_denoised = 94.59\n")
    out = tmp_path / "out"
    command = ("reproduce", published, "--quick", "--workers", 1, "--out", out, "--json", tmp_path / "figures.json")
    outcome = run(*command)
    assert outcome.status == 0, outcome
    for message in (
        "published",
        "94.59",
        "measured",
        "published, quick:",
        "data.train_images 200",
        str(out / "report.html"),
    ):
        assert message in outcome.stdout
    assert (out / "report.html").is_file() and list((out / "published").glob("*.png"))
    (entry,) = json.loads((tmp_path / "figures.json").read_text())
    assert entry["recipe"] == "published" and entry["published"] == {"accuracy_denoised": 94.59}
    with (out / "results.csv").open() as file:
        assert {row["source"] for row in csv.DictReader(file)} >= {"published", "measured"}


def test_reproduce_refuses_unknown_recipes_and_keys(refused, recipes, tmp_path):
    assert "did you mean" in refused(2, "reproduce", "dense-unifrom", "--out", tmp_path / "out")
    line = refused(2, "reproduce", recipes["dense"], "--set", "train.epoch=1", "--out", tmp_path / "out")
    assert 'unknown key "train.epoch"' in line
    assert not (tmp_path / "out").exists()


def test_the_run_keeps_a_recipe_that_is_toml(trained):
    assert tomllib.loads((trained["dense"] / "recipe.toml").read_text())["train"]["epochs"] == 1


def test_the_device_is_an_option_and_checked(recipes, run, refused, tmp_path):
    run("train", recipes["dense"], "--device", "cpu", "--out", tmp_path / "run")
    assert 'device = "cpu"' in (tmp_path / "run/recipe.toml").read_text()
    line = refused(2, "train", recipes["dense"], "--device", "gpu", "--out", tmp_path / "other")
    assert line.startswith('train.device is "gpu"') and not (tmp_path / "other").exists()
