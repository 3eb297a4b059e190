import dataclasses

import numpy as np
import pytest

from pellucid import checkpoint, registry
from pellucid.data.files_json import Entry, FileList
from pellucid.own_data import evaluate as module
from pellucid.own_data.analysis import DatasetOptions, analyze
from pellucid.own_data.choose_recipe import choose_recipe
from pellucid.own_data.evaluate import HeldOutEvaluation, evaluate_held_out
from pellucid.own_data.sources import Sources

from .conftest import scene, with_noise


@pytest.fixture
def unchanged(tmp_path):
    """A network that returns its input: a residual one whose weights are zero."""

    def unchanged(recipe):
        network = registry.build("model", "unet", {"widths": [4, 4]})
        for value in network.parameters():
            value.data.zero_()
        path = tmp_path / "best.safetensors"
        checkpoint.save(path, checkpoint.Checkpoint(recipe, {"denoiser": network.eval()}))
        return path

    return unchanged


def evaluate(sources: Sources, unchanged, validation=0.3) -> tuple[HeldOutEvaluation, FileList]:
    analysis = analyze(sources, DatasetOptions(validation=validation))
    recipe = choose_recipe(analysis, "own", "files.json", None, {"train.epochs": 1})
    files = analysis.file_list()
    return evaluate_held_out(unchanged(recipe), recipe, files), files


def test_whole_held_out_pairs_are_compared_with_their_clean_images(pairs, unchanged):
    evaluation, files = evaluate(Sources((pairs / "noisy",), pairs / "clean"), unchanged)
    assert evaluation.files == evaluation.held_out == 3 and len(evaluation.pairs) == 3 and evaluation.note == ""
    assert set(evaluation.means) == {"noisy", "denoised", "median", "tv"}
    assert evaluation.means["noisy"] == pytest.approx(evaluation.means["denoised"])
    entry: Entry = next(entry for entry in files.entries if entry.split == "validation")
    from pellucid.image import read_image

    noisy, clean = (read_image(path or "").pixels / 255 for path in (entry.noisy, entry.clean))
    metrics = evaluation.per_file[str(entry.noisy)]["noisy"]
    assert metrics["rmse"] == pytest.approx(float(np.sqrt(np.square(noisy - clean).mean())), rel=1e-5)
    assert metrics["psnr"] == pytest.approx(-20 * np.log10(metrics["rmse"]), rel=1e-5)
    assert evaluation.means["tv"]["psnr"] > evaluation.means["noisy"]["psnr"] + 2
    assert "gains nothing yet" in evaluation.verdict


def test_clean_images_get_the_recipes_noise(pairs, unchanged):
    evaluation, _ = evaluate(Sources((), pairs / "clean", ("gaussian(sigma=25.5)",)), unchanged)
    assert evaluation.means["noisy"]["psnr"] == pytest.approx(20, abs=0.5)
    assert "made by the recipe's noise model" in evaluation.note


def test_captures_estimate_the_error_from_each_other(save, tmp_path, unchanged):
    for number in range(6):
        for seed, folder in enumerate(("a", "b")):
            save(f"{folder}/{number}.png", with_noise(scene(number), 10 * number + seed, 0.08))
    evaluation, _ = evaluate(Sources((tmp_path / "a", tmp_path / "b")), unchanged)
    assert set(evaluation.means) == {"noisy", "denoised"}
    assert evaluation.means["noisy"]["psnr"] == pytest.approx(-20 * np.log10(0.08), abs=0.5)
    assert evaluation.means["denoised"] == pytest.approx(evaluation.means["noisy"])


def test_noisy_images_alone_have_their_noise_estimated(pairs, unchanged):
    evaluation, _ = evaluate(Sources((pairs / "noisy",)), unchanged)
    assert set(evaluation.means["noisy"]) == {"noise"} and 0.07 < evaluation.means["noisy"]["noise"] < 0.13
    assert "nobody knows the error" in evaluation.note and evaluation.verdict == ""


def test_some_of_very_many_are_measured_and_large_ones_without_filters(pairs, unchanged, monkeypatch):
    monkeypatch.setattr(module, "MAX_VALUES", 1)
    monkeypatch.setattr(module, "MAX_BASELINE_VALUES", 1)
    evaluation, _ = evaluate(Sources((pairs / "noisy",), pairs / "clean"), unchanged, 0.5)
    assert (evaluation.files, evaluation.held_out) == (3, 5) and set(evaluation.means) == {"noisy", "denoised"}


def test_a_filter_that_is_not_installed_is_skipped(pairs, unchanged, monkeypatch):
    from pellucid.errors import PellucidError

    def missing(name, *arguments, **options):
        raise PellucidError(f"{name} needs SciPy")

    monkeypatch.setattr(module, "tune", missing)
    evaluation, _ = evaluate(Sources((pairs / "noisy",), pairs / "clean"), unchanged)
    assert set(evaluation.means) == {"noisy", "denoised"}


def test_the_verdict_is_honest():
    means = {"noisy": {"psnr": 20.0}, "denoised": {"psnr": 25.0}, "tv": {"psnr": 26.0}}
    evaluation = HeldOutEvaluation(1, 1, means, {}, "", ())
    assert "filter is still better" in evaluation.verdict
    better = dataclasses.replace(evaluation, means=means | {"denoised": {"psnr": 27.0}})
    assert better.verdict == ""
