"""pellucid evaluate --classifier: accuracy before and after, from any classifier's file, on images in folders."""

import json

import numpy as np
import pytest

from pellucid.data.digits import Digits
from pellucid.image import write_image


@pytest.fixture
def by_class(tmp_path):
    """Forty digits in folders named by their class."""
    found = Digits().load("test")
    assert found.labels is not None
    for place in range(40):
        folder = tmp_path / "by-class" / str(found.labels[place])
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{place}.png", found.images[place, 0])
    return tmp_path / "by-class"


def test_a_classifier_reads_clean_noisy_and_denoised(run, trained, by_class):
    combined, best = (trained["dense"] / f"{name}.safetensors" for name in ("combined", "best"))
    command = ("evaluate", "--classifier", combined, by_class, "--model", best, "--noise", "gaussian(sigma=80)")
    outcome = run(*command)
    assert outcome.status == 0, outcome
    assert all(version in outcome.stdout for version in ("clean", "noisy", "denoised", "on 40 images", "corrects"))
    figures = json.loads(run(*command, "--json", "-").stdout)
    assert set(figures["accuracy"]) == {"clean", "noisy", "denoised"}
    read = np.array([[entry["clean"], entry["number"]] for entry in figures["images"]])
    assert figures["accuracy"]["clean"] == pytest.approx((read[:, 0] == read[:, 1]).mean())
    assert all(entry["class"] == str(entry["number"]) for entry in figures["images"])
    few = json.loads(run(*command, "--limit", 5, "--seeds", 3, "--json", "-").stdout)
    assert len(few["images"]) == 5 and {entry["seed"] for entry in few["images"]} == {3}


def test_each_seed_gives_other_noise(run, trained, by_class):
    combined, best = (trained["dense"] / f"{name}.safetensors" for name in ("combined", "best"))
    command = ("evaluate", "--classifier", combined, by_class, "--model", best, "--noise", "gaussian(sigma=200)")
    outcome = run(*command, "--seeds", "0,1,2")
    assert outcome.status == 0 and "40 images, with noise of 3 seeds" in outcome.stdout
    every = json.loads(run(*command, "--seeds", "0,1,2", "--json", "-").stdout)
    alone = [json.loads(run(*command, "--seeds", seed, "--json", "-").stdout) for seed in (0, 1, 2)]
    for version in ("clean", "noisy", "denoised"):
        accuracies = [figures["accuracy"][version] for figures in alone]
        assert every["accuracy"][version] == pytest.approx(sum(accuracies) / 3)
        assert [entry["accuracy"][version] for entry in every["per_seed"]] == accuracies
    assert every["fixed_by_denoising"] == sum(figures["fixed_by_denoising"] for figures in alone)
    noisy = [[entry["noisy"] for entry in figures["images"]] for figures in alone]
    assert noisy[0] != noisy[1] and [*noisy[0], *noisy[1], *noisy[2]] == [entry["noisy"] for entry in every["images"]]


def test_an_exported_classifier_does_the_same_without_noise(run, trained, by_class, tmp_path):
    combined, onnx = trained["dense"] / "combined.safetensors", tmp_path / "reader.onnx"
    assert run("export", combined, "--network", "classifier", "-o", onnx).status == 0
    command = ("evaluate", by_class, "--model", trained["dense"] / "best.safetensors", "--json", "-", "--classifier")
    figures = [json.loads(run(*command, file).stdout) for file in (combined, onnx)]
    assert figures[0]["accuracy"] == figures[1]["accuracy"] and set(figures[0]["accuracy"]) == {"input", "denoised"}


def test_what_cannot_be_read_is_one_line(refused, trained, by_class, tmp_path):
    combined = trained["dense"] / "combined.safetensors"
    assert "needs images: name" in refused(2, "evaluate", "--classifier", combined)
    assert "holds no classifier" in refused(
        1, "evaluate", "--classifier", trained["dense"] / "best.safetensors", by_class
    )
    (tmp_path / "model.joblib").write_bytes(b"\x80\x04K\x01.")
    line = refused(1, "evaluate", "--classifier", tmp_path / "model.joblib", by_class)
    assert "model.joblib is a pickle, which is never loaded: export it to ONNX" in line
    assert "did you mean" in refused(2, "evaluate", "--classifier", combined, by_class, "--noise", "gausian(sigma=5)")
    (by_class / "0").rename(by_class / "zero")
    assert 'the folder "zero"' in refused(
        2, "evaluate", "--classifier", combined, by_class, "--model", trained["dense"] / "best.safetensors"
    )


def test_options_that_go_with_another_are_refused(refused, trained, by_class):
    best = trained["dense"] / "best.safetensors"
    assert "--noise goes with --classifier" in refused(2, "evaluate", best, "--noise", "gaussian")
    assert "one model is evaluated at a time" in refused(2, "evaluate", best, best)
    for option in ("--ocr", "--text", "--clean"):
        line = refused(2, "evaluate", option, by_class, "--classifier", best, by_class)
        assert "cannot be combined with --classifier" in line
    for given in (("--recipe", "demo"), ("--no-baselines",), ("--out", "report"), ("--seeds", "0,1")):
        line = refused(2, "evaluate", "--classifier", best, by_class, *given)
        assert line.startswith(f"{given[0]} cannot be combined with --classifier: ")
        line = refused(2, "evaluate", "--ocr", by_class, "--text", by_class, *given)
        assert line.startswith(f"{given[0]} cannot be combined with --ocr: ")
