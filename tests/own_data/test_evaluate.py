import dataclasses

import numpy as np
import pytest

from pellucid import checkpoint, registry
from pellucid.data.file_list_types import Entry, FileList
from pellucid.own_data import evaluate as module
from pellucid.own_data.analysis import Wishes, look
from pellucid.own_data.choose_recipe import choose
from pellucid.own_data.evaluate import Measured, measure
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


def measured(sources: Sources, unchanged, validation=0.3) -> tuple[Measured, FileList]:
    findings = look(sources, Wishes(validation=validation))
    recipe = choose(findings, "own", "files.json", None, {"train.epochs": 1})
    files = findings.file_list()
    return measure(unchanged(recipe), recipe, files), files


def test_whole_held_out_pairs_are_compared_with_their_clean_ones(pairs, unchanged):
    found, files = measured(Sources((pairs / "noisy",), pairs / "clean"), unchanged)
    assert found.files == found.held_out == 3 and len(found.pairs) == 3 and found.remark == ""
    assert set(found.means) == {"noisy", "denoised", "median", "tv"}
    assert found.means["noisy"] == pytest.approx(found.means["denoised"])
    entry: Entry = next(entry for entry in files.entries if entry.part == "validation")
    from pellucid.image import read_image

    noisy, clean = (read_image(path or "").pixels / 255 for path in (entry.noisy, entry.clean))
    figures = found.each[str(entry.noisy)]["noisy"]
    assert figures["rmse"] == pytest.approx(float(np.sqrt(np.square(noisy - clean).mean())), rel=1e-5)
    assert figures["psnr"] == pytest.approx(-20 * np.log10(figures["rmse"]), rel=1e-5)
    assert found.means["tv"]["psnr"] > found.means["noisy"]["psnr"] + 2
    assert "gains nothing yet" in found.verdict


def test_clean_images_get_the_recipes_noise(pairs, unchanged):
    found, _ = measured(Sources((), pairs / "clean", ("gaussian(sigma=25.5)",)), unchanged)
    assert found.means["noisy"]["psnr"] == pytest.approx(20, abs=0.5)
    assert "drawn by the recipe" in found.remark


def test_takes_estimate_the_error_from_each_other(save, tmp_path, unchanged):
    for number in range(6):
        for seed, folder in enumerate(("a", "b")):
            save(f"{folder}/{number}.png", with_noise(scene(number), 10 * number + seed, 0.08))
    found, _ = measured(Sources((tmp_path / "a", tmp_path / "b")), unchanged)
    assert set(found.means) == {"noisy", "denoised"}
    assert found.means["noisy"]["psnr"] == pytest.approx(-20 * np.log10(0.08), abs=0.5)
    assert found.means["denoised"] == pytest.approx(found.means["noisy"])


def test_noisy_images_alone_have_their_noise_estimated(pairs, unchanged):
    found, _ = measured(Sources((pairs / "noisy",)), unchanged)
    assert set(found.means["noisy"]) == {"noise"} and 0.07 < found.means["noisy"]["noise"] < 0.13
    assert "nobody knows the error" in found.remark and found.verdict == ""


def test_of_very_many_some_are_measured_and_large_ones_without_filters(pairs, unchanged, monkeypatch):
    monkeypatch.setattr(module, "MOST_VALUES", 1)
    monkeypatch.setattr(module, "MOST_FOR_RIVALS", 1)
    found, _ = measured(Sources((pairs / "noisy",), pairs / "clean"), unchanged, 0.5)
    assert (found.files, found.held_out) == (3, 5) and set(found.means) == {"noisy", "denoised"}


def test_a_filter_that_is_not_installed_is_left_out(pairs, unchanged, monkeypatch):
    from pellucid.errors import PellucidError

    def missing(name, *arguments, **options):
        raise PellucidError(f"{name} needs SciPy")

    monkeypatch.setattr(module, "tune", missing)
    found, _ = measured(Sources((pairs / "noisy",), pairs / "clean"), unchanged)
    assert set(found.means) == {"noisy", "denoised"}


def test_the_verdict_is_honest():
    means = {"noisy": {"psnr": 20.0}, "denoised": {"psnr": 25.0}, "tv": {"psnr": 26.0}}
    found = Measured(1, 1, means, {}, "", ())
    assert "filter is still better" in found.verdict
    better = dataclasses.replace(found, means=means | {"denoised": {"psnr": 27.0}})
    assert better.verdict == ""
