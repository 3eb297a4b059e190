"""`pellucid train` on folders of one's own images."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pellucid.cli.console import pluralize
from pellucid.image import write_image
from pellucid.recipes.recipe import load_recipe

TINY = ("model.widths=[4,4]", "model.blocks=1", "data.num_patches=32", "train.batch_size=8")
TINY = tuple(word for pair in (*TINY, "train.threads=1", "train.precision=fp32") for word in ("--set", pair))


@pytest.fixture
def folders(tmp_path) -> Path:
    """Ten pairs of 64x64 pixels in `noisy` and `clean`."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64] / 64
    for number in range(10):
        light = 100 + 60 * np.sin(2 * np.pi * (rows * rng.uniform(1, 3) + columns * rng.uniform(1, 3)))
        for folder, image in (("clean", light), ("noisy", light + rng.normal(0, 25, light.shape))):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_image(tmp_path / folder / f"{number}.png", np.clip(np.rint(image), 0, 255).astype(np.uint8))
    return tmp_path


def test_pairs_are_analyzed_trained_on_and_evaluated(run, folders, tmp_path):
    (folders / "noisy" / "3.png").write_bytes(b"nothing")
    out, figures = tmp_path / "run", tmp_path / "figures.json"
    pairs = ("--noisy", folders / "noisy", "--clean", folders / "clean", "--validation", 0.3)
    outcome = run("train", *pairs, "--epochs", 2, "--seed", 3, *TINY, "--out", out, "--json", figures)
    assert outcome.status == 0, outcome
    for text in (
        f"9 pairs in {folders / 'noisy'} and {folders / 'clean'}, 64x64, gray, 8 bits, white at 255",
        "independent from pixel to pixel",
        "3 of 9 images are held out",
        "supervised, 2 epochs",
        "3 held-out files, as whole images",
        "total variation",
        str(out / "report.html"),
        f"to use it: pellucid denoise IMAGE --model {out / 'best.safetensors'}",
    ):
        assert text in outcome.stdout
    assert "9 of 10 used, 1 skipped:" in outcome.stderr and "3.png is not an image" in outcome.stderr
    result = json.loads(figures.read_text())
    assert result["stopped"] == "finished" and result["held_out"] == 3 and "psnr" in result["means"]["denoised"]
    assert load_recipe(out / "recipe.toml").train.seed == 3

    noisy = folders / "noisy" / "1.png"
    denoised = tmp_path / "1.png"
    assert run("denoise", noisy, "-o", denoised, "--model", out / "best.safetensors").status == 0
    again = run("train", out / "recipe.toml", "--out", tmp_path / "again")
    assert again.status == 0 and str(tmp_path / "again" / "report.html") in again.stdout
    resumed = run("train", "--out", out, "--resume")
    assert resumed.status == 0 and pluralize(2, "epoch") in resumed.stdout


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (2, ("demo", "--noisy", "noisy"), "RECIPE (demo) and folders exclude each other: leave RECIPE out"),
        (2, ("noisy",), "noisy is a folder, not a RECIPE: give it as --noisy noisy or --clean noisy"),
        (2, (), "nothing to train on: give a RECIPE"),
        (2, ("--clean", "clean"), "--clean alone: add the noise that it gets"),
        (2, ("--noise", "gaussian"), "--noise alone"),
        (2, ("--clean", "clean", "--noise", "gausian"), 'unknown noise "gausian" (did you mean "gaussian"?)'),
        (2, ("--clean", "clean", "--noise", "gaussian(sigma=1000)"), "leaves nothing of"),
        (2, ("--noisy", "noisy", "--clean", "noisy"), "is given twice"),
        (2, ("--noisy", "noisy", "--out", "noisy/run"), "lies in"),
        (2, ("--noisy", "noisy", "--minutes", 0), "--minutes 0 is too short: give more than 0"),
        (2, ("--noisy", "noisy", "--minutes", 1, "--epochs", 1), "--epochs and --minutes exclude each other"),
        (2, ("--noisy", "noisy", "--quick"), "--quick is for recipes"),
        (2, ("--noisy", "noisy", "--validation", 2), "--validation 2.0 is no fraction"),
        (2, ("--noisy", "noisy", "--group-by", "("), "is not a regular expression"),
        (2, ("--noisy", "noisy", "--from", "photon"), 'unknown model "photon"'),
        (1, ("--noisy", "gone"), "is not a folder"),
        (1, ("--noisy", "noisy", "--clean", "clean", "--group-by", "png"), "leaves nothing to hold out"),
    ],
)
def test_a_bad_option_is_one_line_and_nothing_is_written(
    refused, folders, monkeypatch, tmp_path, status, arguments, message
):
    monkeypatch.chdir(folders)
    assert message in refused(status, "train", *arguments)
    assert {path.name for path in tmp_path.iterdir()} == {"noisy", "clean"}
    assert len(list((folders / "noisy").iterdir())) == 10


def test_too_many_bad_files_are_an_error(refused, folders, tmp_path):
    for number in range(2):
        (folders / "noisy" / f"{number}.png").write_bytes(b"")
    line = refused(1, "train", "--noisy", folders / "noisy", "--out", tmp_path / "run")
    assert "2 of 10 images cannot be used" in line and "0.png is empty" in line
    assert not (tmp_path / "run").exists()


def test_swapped_folders_give_a_warning(run, folders, tmp_path):
    swapped = ("--noisy", folders / "clean", "--clean", folders / "noisy")
    outcome = run("train", *swapped, "--epochs", 1, *TINY, "--out", tmp_path / "run")
    assert outcome.status == 0 and "are --noisy and --clean swapped?" in outcome.stderr


def test_a_run_in_the_output_folder_is_named(run, refused, folders, tmp_path):
    noisy = ("--noisy", folders / "noisy", "--out", tmp_path / "run")
    assert run("train", *noisy, "--epochs", 1, *TINY).status == 0
    assert "holds a run already: give --resume" in refused(2, "train", *noisy)
    other = refused(2, "train", "--noisy", folders / "clean", "--out", tmp_path / "run", "--resume")
    assert "was not trained on" in other
    assert run("train", *noisy, "--resume").status == 0
    gone = refused(2, "train", "--resume", "--out", tmp_path / "gone")
    assert gone == f"there is no run in {tmp_path / 'gone'}: give its folder, or start one on folders of images"
    assert refused(2, "train", "--resume") == "--resume alone: name the run to continue, such as --out runs/scans"


@pytest.fixture
def process(folders):
    """Start the command line in a process of its own, on one thread."""

    def process(*arguments: object, **options) -> subprocess.Popen:
        command = [sys.executable, "-m", "pellucid", *map(str, arguments)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, text=True, cwd=folders, env=environment, **pipes, **options)

    return process


def weights(path):
    return {name: value.tolist() for name, value in load_file(path).items()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_was_killed_or_interrupted_needs_no_folders_to_go_on(process, folders):
    pairs = ("train", "--noisy", "noisy", "--clean", "clean", "--epochs", 12, *TINY)
    whole = process(*pairs, "--out", "whole")
    stderr = whole.communicate()[1]
    assert whole.returncode == 0, stderr
    first = process(*pairs, "--out", "run")
    after(first, folders / "run" / "stats.jsonl").send_signal(signal.SIGINT)
    stderr = first.communicate()[1]
    assert first.returncode == 130 and "to continue: pellucid train run/recipe.toml --out run --resume" in stderr
    done = (folders / "run" / "stats.jsonl").read_text()
    second = process("train", "run/recipe.toml", "--out", "run", "--resume")
    after(second, folders / "run" / "stats.jsonl", done).kill()
    second.communicate()
    third = process(*pairs, "--out", "run", "--resume")
    after(third, folders / "run" / "stats.jsonl", (folders / "run" / "stats.jsonl").read_text()).kill()
    third.communicate()
    last = process("train", "--out", "run", "--resume")
    stderr = last.communicate()[1]
    assert last.returncode == 0, stderr
    for name in ("last.safetensors", "best.safetensors"):
        assert weights(folders / "run" / name) == weights(folders / "whole" / name)
    assert not list((folders / "run").glob(".*"))


def after(started, path, content=""):
    """Wait until a process has written a file again."""
    while started.poll() is None and (not path.exists() or path.read_text() == content):
        time.sleep(0.02)
    assert started.poll() is None, started.communicate()
    return started


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_of_two_processes_analyzes_writes_and_prints(folders):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "pellucid"]
    pairs = ("train", "--noisy", "noisy", "--clean", "clean", "--minutes", "0.1", *TINY, "--out", "run")
    options = {"cwd": folders, "env": os.environ | {"OMP_NUM_THREADS": "1"}, "capture_output": True, "text": True}
    done = subprocess.run([*command, *pairs], check=False, **options)
    assert done.returncode == 0, done.stderr
    for text in ("10 pairs in noisy and clean", "chosen: unet", "best in epoch", "2 held-out files, as whole images"):
        assert done.stdout.count(text) == 1, done.stdout
    assert (folders / "run" / "report.html").is_file()
    refused = subprocess.run([*command, "train", "--noisy", "gone", "--out", "other"], check=False, **options)
    assert refused.returncode == 1 and refused.stderr.count("pellucid: gone is not a folder") == 1
    assert "should not happen" not in refused.stderr and not (folders / "other").exists()
