import math

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from pellucid import checkpoint, registry, weights
from pellucid.inference.fine_tuning import Pupil, precision
from pellucid.recipes.recipe import Recipe

LEVEL = 0.15


@pytest.fixture
def pupil():
    path = weights.find("photo").safetensors
    assert path
    return Pupil(path, 1)


@pytest.fixture
def small(tmp_path):
    """A checkpoint of a small network."""
    torch.manual_seed(0)
    network = registry.build("model", "unet", {"channels": 3, "widths": [4, 8], "condition": True})
    tables = {
        "name": "small",
        "summary": "For the tests",
        "data": {"name": "digits"},
        "model": {"name": "unet"},
        "loss": {"name": "l1"},
        "train": {"epochs": 1, "batch_size": 8, "lr": 0.1},
    }
    path = tmp_path / "small.safetensors"
    checkpoint.save(path, checkpoint.Checkpoint(Recipe.from_dict(tables), {"denoiser": network}))
    return path


@pytest.fixture
def steps():
    """After each step of any optimizer: its learning rate and its parameters."""
    taken = []

    def note(optimizer, arguments, keywords):
        (group,) = optimizer.param_groups
        taken.append((group["lr"], [value.detach().clone() for value in group["params"]]))

    hook = register_optimizer_step_post_hook(note)
    yield taken
    hook.remove()


def stripes(size=64):
    """What no photograph shows much of: fine stripes of one width, (1, 1, size, size)."""
    rows, columns = np.mgrid[:size, :size]
    return (0.5 + 0.3 * np.sin((rows + 2 * columns) * 1.1)).astype(np.float32)[None, None]


def noisy_of(clean, seed=1):
    return (clean + LEVEL * np.random.default_rng(seed).standard_normal(clean.shape)).astype(np.float32)


def error(pupil, clean):
    return float(np.square(pupil(noisy_of(clean), LEVEL) - clean).mean())


def quiet(share):
    """Take no notice."""


def test_it_gets_to_know_what_the_image_holds(pupil):
    clean = stripes()
    before = error(pupil, clean)
    pupil.train([clean], LEVEL, None, 0, 25, 0, quiet)
    assert error(pupil, clean) < 0.9 * before


def test_it_gets_to_know_noise_of_the_kind_that_it_took_out(pupil):
    def streaks(seed):
        drawn = np.random.default_rng(seed).standard_normal((1, 1, 64, 8)).repeat(8, axis=3)
        return (LEVEL * drawn).astype(np.float32)

    def error():
        return float(np.square(pupil(clean + streaks(1), LEVEL) - clean).mean())

    clean = np.full((1, 1, 64, 64), 0.5, np.float32) + np.linspace(-0.3, 0.3, 64, dtype=np.float32)[:, None]
    before = error()
    # Weaker than the level, as what a network takes out is: it is shown at the level.
    pupil.train([clean], LEVEL, [0.5 * streaks(seed) for seed in (2, 3)], 0, 25, 0, quiet)
    assert error() < 0.5 * before


def test_the_rate_climbs_for_ten_steps_and_falls_along_half_a_cosine_to_a_twentieth(small, steps):
    Pupil(small, 1).train([stripes(16)], LEVEL, None, 0, 40, 0, quiet)
    for step, (rate, _) in enumerate(steps):
        climb, fall = min(1, (step + 1) / 10), math.cos(math.pi / 2 * step / 40) ** 2
        assert rate == pytest.approx(3e-4 * climb * (0.05 + 0.95 * fall))
    assert steps[-1][0] == pytest.approx(1.5e-5, rel=0.05) and len(steps) == 40


def test_the_network_at_work_is_the_average_of_those_trained(small, steps):
    """Each step's weights count for 3 % of it, and the average so far for 97 %."""
    pupil = Pupil(small, 1)
    pupil.precision = "fp32"
    pupil.train([stripes(16)], LEVEL, None, 0, 20, 0, quiet)
    network = checkpoint.load(small).networks["denoiser"]
    for average, *trained in zip(network.parameters(), *(values for _, values in steps), strict=True):
        average.data *= 0.97**20
        for age, value in enumerate(reversed(trained)):
            average.data += 0.03 * 0.97**age * value
    noisy = torch.from_numpy(noisy_of(stripes(16).repeat(3, axis=1)))
    with torch.inference_mode():
        expected = network(noisy, torch.tensor([LEVEL]))
    torch.testing.assert_close(torch.from_numpy(pupil(noisy.numpy(), LEVEL)), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(32, 40), (45, 33)])
def test_planes_of_any_size_keep_their_shape(pupil, channels, size):
    planes = np.random.default_rng(0).random((2, channels, *size), dtype=np.float32)
    pupil.train([planes, planes[:1]], LEVEL, None, 0, 2, 0, quiet)
    denoised = pupil(planes, LEVEL)
    assert denoised.shape == planes.shape and denoised.dtype == np.float32 and np.isfinite(denoised).all()


def test_gray_is_shown_as_gray_colour(pupil):
    gray = stripes(32)
    colours = pupil(gray.repeat(3, axis=1), LEVEL).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(pupil(gray, LEVEL), colours, atol=1e-6)


def test_the_steps_are_told_from_none_to_all(pupil):
    shares = []
    pupil.train([stripes(32)], LEVEL, None, 0, 4, 0, shares.append)
    assert shares == [0, 0.25, 0.5, 0.75, 1]
    shares.clear()
    pupil.train([stripes(32)], LEVEL, None, 0.2, 0, 0, shares.append)
    assert shares == sorted(shares) and shares[0] < 0.5 and shares[-1] == 1


def test_what_a_listener_raises_ends_the_training(pupil):
    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pupil.train([stripes(32)], LEVEL, None, 60, 0, 0, stop)


def test_torchs_setting_of_threads_is_left_as_it_was(pupil):
    before = torch.get_num_threads()
    pupil._threads = before + 1
    pupil(stripes(32), LEVEL)
    assert torch.get_num_threads() == before


def test_the_precision_is_what_the_processor_is_fast_in(monkeypatch):
    for told, wanted in (({"avx512_bf16": True}, "bf16"), ({"avx512_f": True}, "fp32"), ({}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda told=told: told)
        assert precision() == wanted
