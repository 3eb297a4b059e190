from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from pellucid import registry
from pellucid.classical.base import Baseline, affine_correction
from pellucid.classical.tuning import tune
from pellucid.errors import PellucidError, UsageError


@dataclass(frozen=True)
class Peak(Baseline):
    """A baseline that is best where `strength` is `best`: it adds a pattern that grows with the distance from there."""

    strength: float = 1.0
    best: ClassVar[float] = 0.0
    grid: ClassVar = {"strength": (1.0, 2.0)}
    bounds: ClassVar = {"strength": (0.25, 64.0)}

    def __call__(self, noisy, sigma=None):
        pattern = np.sin(np.arange(noisy.size, dtype=np.float32)).reshape(noisy.shape)
        return noisy + np.float32(abs(np.log(self.strength / self.best))) * pattern


@pytest.fixture
def peak(monkeypatch):
    """A function that makes the registry answer with a baseline of a known optimum."""

    def make(best, values=(1.0, 2.0)):
        monkeypatch.setattr(Peak, "best", best)
        monkeypatch.setattr(Peak, "grid", {"strength": values})
        monkeypatch.setattr(registry, "load", lambda kind, name: Peak)

    return make


def psnr(denoised, clean):
    return (-10 * np.log10(np.square(denoised - clean).mean(axis=(1, 2, 3)))).mean()


def test_the_choice_is_the_best_of_the_grid_after_correction(blocks):
    noisy, clean = blocks
    tuned = tune("tv", noisy, clean, images=40)
    kind = registry.load("classical", "tv")
    for weight in kind.grid["weight"]:
        denoised = kind(weight)(noisy)
        gain, offset = affine_correction(denoised, clean)
        assert psnr(tuned(noisy), clean) >= psnr(np.clip(gain * denoised + offset, 0, 1), clean) - 0.05
    assert tuned.baseline == kind(**tuned.chosen) and tuned.at_edge == ()
    assert tuned.psnr == pytest.approx(psnr(tuned(noisy), clean), abs=0.5)


def test_it_applies_the_baseline_then_gain_and_offset_then_clips(blocks):
    noisy, clean = blocks
    tuned = tune("identity", noisy, clean)
    assert tuned.chosen == {}
    gain, offset = affine_correction(noisy, clean)
    assert (tuned.gain, tuned.offset) == pytest.approx((gain, offset), abs=0.05)
    expected = np.clip(tuned.gain * noisy + tuned.offset, 0, 1)
    np.testing.assert_allclose(tuned(noisy), expected, atol=1e-6)
    assert tuned(3 * noisy).max() == 1 and tuned(noisy).dtype == np.float32


@pytest.mark.parametrize(("best", "chosen"), [(8.0, 8.0), (16.0, 16.0), (1.0, 1.0), (0.5, 0.5), (6.0, 6.0)])
def test_a_grid_that_is_too_short_is_lengthened_then_refined(peak, blocks, best, chosen):
    peak(best)
    tuned = tune("peak", *blocks)
    assert tuned.chosen == {"strength": chosen} and tuned.at_edge == ()


@pytest.mark.parametrize(("best", "bound"), [(0.01, 0.25), (1000.0, 64.0)])
def test_an_optimum_at_a_natural_bound_is_a_result(peak, blocks, best, bound):
    peak(best)
    tuned = tune("peak", *blocks)
    assert tuned.chosen == {"strength": bound} and tuned.at_edge == ()


def test_an_optimum_that_stays_at_the_edge_is_an_error_unless_it_may_be_flagged(peak, blocks, monkeypatch):
    peak(1e9)
    monkeypatch.setattr(Peak, "bounds", {})
    with pytest.raises(
        PellucidError, match=r"peak: the best .* end of the grid: strength=128\.0 of \(1\.0, 2\.0, .*widen"
    ):
        tune("peak", *blocks)
    tuned = tune("peak", *blocks, require_interior=False)
    assert tuned.at_edge == ("strength",) and tuned.chosen == {"strength": 128.0}


def test_of_equal_values_the_lowest_is_chosen(peak, blocks, monkeypatch):
    peak(1.0, (1, 2, 4))
    monkeypatch.setattr(Peak, "__call__", lambda self, noisy, sigma=None: noisy)
    monkeypatch.setattr(Peak, "bounds", {"strength": (1, None)})
    assert tune("peak", *blocks).chosen == {"strength": 1}


def test_noise_free_images_are_best_left_alone(blocks):
    _, clean = blocks
    tuned = tune("median", clean, clean)
    assert tuned.chosen == {"radius": 0} and (tuned.gain, tuned.offset) == pytest.approx((1, 0), abs=1e-6)


def test_a_baseline_that_needs_training_is_tuned_on_other_pairs_and_fitted_to_all(monkeypatch, blocks):
    kind = registry.load("classical", "pca")
    fit, seen = kind.fit, []

    def watched(self, noisy, clean):
        seen.append({image.tobytes() for image in noisy})
        return fit(self, noisy, clean)

    monkeypatch.setattr(kind, "fit", watched)
    noisy, clean = blocks
    tuned = tune("pca", noisy, clean, images=30)
    scored = {image.tobytes() for image in noisy} - seen[0]
    assert len(scored) == 30 and all(not images & scored for images in seen[:-1])
    assert len(seen[-1]) == len(noisy) and tuned.chosen["components"] < 256


def test_the_seed_decides_which_pairs_are_used(blocks):
    one, same, other = (tune("identity", *blocks, images=10, seed=seed).psnr for seed in (0, 0, 1))
    assert one == same != other


def test_what_cannot_be_tuned_is_refused(blocks):
    noisy, clean = blocks
    with pytest.raises(UsageError, match='unknown classical "medain"'):
        tune("medain", noisy, clean)
    for one, two in ((noisy[:1], clean[:1]), (noisy[:3], clean[:4])):
        with pytest.raises(UsageError, match="tuning median takes at least two pairs"):
            tune("median", one, two)
