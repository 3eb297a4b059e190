"""Evaluation on tiny networks and the digits that scikit-learn carries."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch

from pellucid import registry
from pellucid.checkpoint import Checkpoint
from pellucid.errors import PellucidError, UsageError
from pellucid.evaluate.baselines import baseline_names, baseline_rows, cache_key
from pellucid.evaluate.evaluation import evaluate
from pellucid.evaluate.latents import quantize
from pellucid.evaluate.measure import as_arrays, image_means, label_means, noisy_training_images, shown_indices
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import test_set as noisy_test_set

TINY = {
    "name": "tiny",
    "summary": "A tiny autoencoder",
    "data": {"name": "digits", "validation": 0.2},
    "noise": {"name": "uniform", "low": 0.0, "high": 0.9},
    "model": {"name": "dense", "image": [1, 8, 8], "widths": [16]},
    "loss": {"name": "bce"},
    "train": {"epochs": 1, "batch_size": 64, "lr": 0.01, "threads": 1, "precision": "fp32"},
    "classifier": {"name": "classifier", "image": [1, 8, 8], "widths": [16]},
    "evaluate": {"seeds": [0], "baselines": ["identity", "linear", "median"], "tuning_images": 50},
}


def recipe(**tables: Any) -> Recipe:
    return Recipe.from_dict({name: table for name, table in (TINY | tables).items() if table is not None})


def untrained(chosen: Recipe, has_classifier: bool = True) -> Denoiser:
    torch.manual_seed(0)
    networks = {"denoiser": chosen.build("model").eval()}
    if has_classifier:
        networks["classifier"] = classifier(0)
    return Denoiser(Checkpoint(chosen, networks))


def classifier(seed: int):
    torch.manual_seed(seed)
    return registry.build("model", "classifier", {"image": [1, 8, 8], "widths": [16]}).eval()


def test_evaluation_measures_everything_and_is_json():
    chosen = recipe()
    found = evaluate(untrained(chosen), ceiling=classifier(1))
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == found.to_dict()
    assert None not in found.figures.values()
    assert list(found.baselines) == ["identity", "identity+affine", "linear", "median"]
    assert (
        found.baselines["linear"]["psnr"]
        > found.baselines["identity+affine"]["psnr"]
        > found.baselines["identity"]["psnr"]
    )
    assert found.baselines["identity"]["chosen"] == {}
    assert set(found.baselines["median"]["chosen"]) == {"radius", "gain", "offset"}
    assert list(found.pictures) == ["original", "noisy", "denoised", *found.baselines]
    assert {picture.shape for picture in found.pictures.values()} == {(10, 1, 8, 8)}
    assert found.captions["original"] == list("0123456789")
    assert {len(texts) for texts in found.captions.values()} == {10}
    assert found.codes is not None and found.codes.shape == (10, 16)
    assert found.compression is not None
    assert found.compression["values"] == 16 and found.compression["bits_per_pixel"] == 2.0


def test_figures_are_plain_means_over_the_test_set():
    chosen = recipe()
    denoiser = untrained(chosen)
    found = evaluate(denoiser, baselines=False, seed=3)
    noisy, clean, labels = as_arrays(noisy_test_set(chosen, 3))
    denoised = np.clip(denoiser.batch(noisy), 0, 1)
    error = np.square(denoised - clean, dtype=np.float64).mean(axis=(1, 2, 3))
    assert found.figures["psnr"] == pytest.approx((-10 * np.log10(error)).mean(), abs=1e-6)
    assert found.figures["mse"] == pytest.approx(error.mean(), rel=1e-6)
    predicted = denoiser.classify(denoised).argmax(axis=1)
    assert found.figures["accuracy_denoised"] == pytest.approx(100 * (predicted == labels).mean())
    assert found.figures["accuracy_ceiling"] is None
    assert found.baselines == {}


def test_the_identity_row_is_the_noisy_image():
    found = evaluate(untrained(recipe()))
    assert found.baselines["identity"]["psnr"] == found.figures["noisy_psnr"]
    assert found.baselines["identity"]["accuracy_denoised"] == found.figures["accuracy_noisy"]


def test_the_same_seed_gives_the_same_figures_and_another_one_others():
    denoiser = untrained(recipe())
    first, second, other = (evaluate(denoiser, seed=seed) for seed in (0, 0, 1))
    for found in (first, second, other):
        del found.figures["ms"]
        for row in found.baselines.values():
            del row["ms"]
    assert first.to_dict() == second.to_dict()
    assert all(np.array_equal(first.pictures[name], second.pictures[name]) for name in first.pictures)
    assert first.figures["psnr"] != other.figures["psnr"]


def test_without_noise_or_classifier_meaningless_figures_are_none():
    found = evaluate(untrained(recipe(noise=None, classifier=None), has_classifier=False))
    absent = {name for name, value in found.figures.items() if value is None}
    assert absent == {
        *("noisy_mse", "noisy_psnr", "noisy_ssim", "noisy_sharpness"),
        *("accuracy_clean", "accuracy_noisy", "accuracy_denoised", "accuracy_ceiling"),
        *("loss_clean", "loss_noisy", "loss_denoised"),
    }
    assert found.baselines == {} and list(found.pictures) == ["original", "denoised"]
    assert list(found.captions) == ["original"]
    assert found.compression is not None and found.compression["psnr_noisy"] is None


def test_a_network_with_skips_has_no_code():
    unet = {"name": "unet", "widths": [4, 4], "condition": True}
    found = evaluate(untrained(recipe(model=unet, loss={"name": "mse"})), baselines=False)
    assert found.codes is None and found.compression is None
    assert found.figures["latent_accuracy"] is None
    assert found.figures["psnr"] is not None


def test_images_of_the_wrong_size_are_refused():
    denoiser = untrained(recipe(model={"name": "dense", "image": [1, 9, 9], "widths": [4]}))
    with pytest.raises(UsageError, match='an image of data "digits" is 8x8, the model takes 9x9'):
        evaluate(denoiser)


def test_accuracy_is_the_mean_over_the_classifiers():
    _, clean, labels = as_arrays(noisy_test_set(recipe(), 0))
    groups = ([classifier(0)], [classifier(1)], [classifier(0), classifier(1)])
    first, second, both = (np.array(label_means(each, clean, labels), float) for each in groups)
    assert both == pytest.approx((first + second) / 2)


def test_identical_images_have_no_finite_psnr():
    images = np.zeros((2, 1, 8, 8), np.float32)
    assert image_means(images, images, ["psnr", "mse"]) == {"psnr": None, "mse": 0.0}


def test_quantizing_errs_by_half_a_step_and_stays_within_the_bounds():
    codes = np.array([[0.0, 5.0], [0.3, 5.0], [1.0, 5.0], [2.0, 7.0]], np.float32)
    low, high = codes[:3].min(axis=0), codes[:3].max(axis=0)
    found = quantize(codes, low, high)
    assert np.abs(found[:3] - codes[:3]).max() <= 0.5 / 255 + 1e-6
    assert found[3, 0] == 1.0 and found.dtype == np.float32


def test_shown_images_are_one_of_each_class_then_the_first():
    assert shown_indices(np.array([2, 2, 0, 1, 0]), 5).tolist() == [2, 3, 0, 1, 4]
    assert shown_indices(None, 30).tolist() == list(range(10))


def test_training_images_are_all_of_the_split():
    images = noisy_training_images(recipe(), 0, "key")
    assert len(images) == len(recipe().build("data").load("train").images)
    assert len(noisy_training_images(recipe(), 0, "key", 7)) == 7


def test_baseline_rows_are_saved_and_read_again(tmp_path):
    chosen = recipe()
    fractions = []
    rows = baseline_rows(chosen, [0, 1], [classifier(0), classifier(1)], folder=tmp_path, progress=fractions.append)
    assert fractions == [0.25, 0.5, 0.75, 1.0]
    again = baseline_rows(chosen, [0, 1], [], folder=tmp_path, progress=fractions.append)
    assert len(fractions) == 4
    assert {name: row.figures for name, row in again.items()} == {name: row.figures for name, row in rows.items()}
    assert all(np.array_equal(again[name].picture, rows[name].picture) for name in rows)
    (saved,) = tmp_path.glob("*.json")
    saved.write_text("{")
    with pytest.raises(PellucidError, match=rf"{saved.name}.*delete it"):
        baseline_rows(chosen, [0, 1], folder=tmp_path)


def test_the_cache_key_depends_on_all_that_the_rows_depend_on():
    chosen = recipe()
    wider = chosen.with_values({"model.widths": [32], "train.epochs": 9, "name": "other"})
    assert cache_key(wider, [0]) == cache_key(chosen, [0])
    for key, value in (("noise.high", 0.5), ("evaluate.tuning_images", 9), ("classifier.epochs", 9)):
        assert cache_key(chosen.with_values({key: value}), [0]) != cache_key(chosen, [0])
    assert cache_key(chosen, [1]) != cache_key(chosen, [0])


def test_an_optimum_at_the_edge_of_a_grid_fails(monkeypatch):
    median = registry.load("classical", "median")
    monkeypatch.setattr(median, "grid", {"radius": (2, 3)})
    monkeypatch.setattr("pellucid.classical.tuning.MAX_EXTENSIONS", 0)
    chosen = recipe(evaluate={"baselines": ["median"], "tuning_images": 50})
    with pytest.raises(PellucidError, match=r"median: .*radius=2"):
        baseline_rows(chosen, [0])


def test_no_baselines_without_noise():
    assert baseline_names(dataclasses.replace(recipe(), noise=None)) == ()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not registry.build("data", "mnist", {}).available(), reason="MNIST is missing")
def test_linear_on_uniform_noise_reaches_19_db():
    tables = {"data": {"name": "mnist"}, "evaluate": {"baselines": ["identity", "linear"], "tuning_images": 300}}
    rows = baseline_rows(recipe(**tables, model={"name": "dense"}), [0])
    assert rows["linear"].figures["psnr"] == pytest.approx(19.0, abs=0.1)
