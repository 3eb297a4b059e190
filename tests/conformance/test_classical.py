"""The interface that every classical baseline has."""

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest

from pellucid import registry
from pellucid.classical.base import Baseline
from pellucid.classical.tuning import tune
from pellucid.errors import PellucidError

KINDS = {name: registry.load("classical", name) for name in registry.names("classical")}
every_baseline = pytest.mark.parametrize("name", KINDS)
LIBRARIES = ("cv2", "scipy.ndimage", "skimage.restoration", "pywt")


def pairs(count=12, channels=1, size=(12, 15), seed=0):
    """Return noisy and clean batches of blocks with Gaussian noise of 0.15."""
    rng = np.random.default_rng(seed)
    clean = rng.random((count, channels, -(-size[0] // 4), -(-size[1] // 4))).repeat(4, axis=2).repeat(4, axis=3)
    clean = clean[..., : size[0], : size[1]].astype(np.float32)
    return (clean + 0.15 * rng.standard_normal(clean.shape)).astype(np.float32), clean


def fitted(name, noisy, clean):
    return KINDS[name]().fit(noisy, clean)


@every_baseline
def test_is_a_frozen_dataclass_whose_options_have_defaults(name):
    kind = KINDS[name]
    assert issubclass(kind, Baseline) and dataclasses.is_dataclass(kind) and registry.summary("classical", name)
    baseline: Any = kind()
    with pytest.raises(dataclasses.FrozenInstanceError):
        baseline.bounds = {}


@every_baseline
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (12, 15), (28, 28)])
def test_shape_and_type_are_kept_and_the_input_left_alone(name, channels, size):
    noisy, clean = pairs(4, channels, size)
    before = noisy.copy()
    denoised = fitted(name, noisy, clean)(noisy, sigma=0.15)
    assert denoised.shape == noisy.shape and denoised.dtype == np.float32 and np.isfinite(denoised).all()
    np.testing.assert_array_equal(noisy, before)
    assert not np.shares_memory(denoised, noisy)


@every_baseline
def test_each_image_is_denoised_alone(name):
    noisy, clean = pairs()
    baseline = fitted(name, noisy, clean)
    alone = np.concatenate([baseline(noisy[index : index + 1]) for index in range(len(noisy))])
    np.testing.assert_allclose(baseline(noisy), alone, atol=1e-5)


@every_baseline
def test_no_images_give_no_images(name):
    noisy, clean = pairs()
    assert fitted(name, noisy, clean)(noisy[:0]).shape == (0, *noisy.shape[1:])


@every_baseline
def test_the_same_input_gives_the_same_output(name):
    noisy, clean = pairs()
    np.testing.assert_array_equal(fitted(name, noisy, clean)(noisy), fitted(name, noisy, clean)(noisy))


@every_baseline
def test_values_outside_the_range_are_not_clipped(name):
    noisy, clean = pairs()
    bright = fitted(name, 3 * noisy + 2, 3 * clean + 2)(3 * noisy + 2)
    assert 2.5 < bright.mean() < 4.5


@every_baseline
def test_its_grid_names_options_in_ascending_order_and_within_their_bounds(name):
    kind = KINDS[name]
    options = {field.name for field in dataclasses.fields(kind)}
    assert kind.grid.keys() <= options and kind.bounds.keys() <= kind.grid.keys()
    for option, values in kind.grid.items():
        assert len(values) >= 2 and len({type(value) for value in values}) == 1
        assert isinstance(values[0], str) or list(values) == sorted(set(values))
        for value in values:
            kind(**{option: value})
        low, high = kind.bounds.get(option, (None, None))
        assert (low is None or values[0] >= low) and (high is None or values[-1] <= high)


@every_baseline
def test_impossible_options_are_refused(name):
    for option, values in KINDS[name].grid.items():
        wrong = "no such wavelet" if isinstance(values[0], str) else -1
        with pytest.raises(ValueError, match=option):
            KINDS[name](**{option: wrong})(pairs()[0])


@every_baseline
def test_other_shapes_are_refused(name):
    with pytest.raises(PellucidError):
        KINDS[name]()(np.zeros((8, 8), np.float32))


@every_baseline
def test_a_missing_library_names_the_extra(name, monkeypatch):
    noisy, clean = pairs()
    for library in LIBRARIES:
        monkeypatch.setitem(sys.modules, library, None)
    try:
        fitted(name, noisy, clean)(noisy)
    except PellucidError as error:
        message = str(error)
        assert message.startswith(f"the baseline {name} needs ") and 'pip install "pellucid[compare]"' in message


@every_baseline
def test_tuned_it_is_no_worse_than_the_corrected_input(name):
    noisy, clean = pairs(60, size=(12, 12))
    corrected = tune("identity", noisy, clean, images=20).psnr
    assert tune(name, noisy, clean, images=20, require_interior=False).psnr > corrected - 0.5
