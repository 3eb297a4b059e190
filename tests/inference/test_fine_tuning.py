import math

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from pellucid import checkpoint, registry
from pellucid.inference.fine_tuning import AdaptedNetwork, best_precision
from pellucid.recipes.recipe import Recipe
from pellucid.weights import catalog

SIGMA = 0.15


@pytest.fixture
def adapted():
    path = catalog.find("photo").safetensors
    assert path
    return AdaptedNetwork(path, 1)


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
    """The learning rate and the parameters after each step of any optimizer."""
    recorded = []

    def record(optimizer, arguments, keywords):
        (group,) = optimizer.param_groups
        recorded.append((group["lr"], [value.detach().clone() for value in group["params"]]))

    hook = register_optimizer_step_post_hook(record)
    yield recorded
    hook.remove()


def stripes(size=64):
    """Fine stripes of one width, which are rare in photographs, (1, 1, size, size)."""
    rows, columns = np.mgrid[:size, :size]
    return (0.5 + 0.3 * np.sin((rows + 2 * columns) * 1.1)).astype(np.float32)[None, None]


def noisy_of(clean, seed=1):
    return (clean + SIGMA * np.random.default_rng(seed).standard_normal(clean.shape)).astype(np.float32)


def error(adapted, clean):
    return float(np.square(adapted(noisy_of(clean), SIGMA) - clean).mean())


def quiet(fraction):
    """Do nothing."""


def test_it_adapts_to_the_content_of_the_image(adapted):
    clean = stripes()
    before = error(adapted, clean)
    adapted.fine_tune([clean], SIGMA, None, 0, 25, 0, quiet)
    assert error(adapted, clean) < 0.9 * before


def test_it_adapts_to_the_kind_of_noise_that_it_removed(adapted):
    def streaks(seed):
        noise = np.random.default_rng(seed).standard_normal((1, 1, 64, 8)).repeat(8, axis=3)
        return (SIGMA * noise).astype(np.float32)

    def error():
        return float(np.square(adapted(clean + streaks(1), SIGMA) - clean).mean())

    clean = np.full((1, 1, 64, 64), 0.5, np.float32) + np.linspace(-0.3, 0.3, 64, dtype=np.float32)[:, None]
    before = error()
    # Weaker than sigma, as the noise that a network removes is: it is scaled to sigma.
    adapted.fine_tune([clean], SIGMA, [0.5 * streaks(seed) for seed in (2, 3)], 0, 25, 0, quiet)
    assert error() < 0.5 * before


def test_the_learning_rate_rises_for_ten_steps_and_falls_along_half_a_cosine_to_a_twentieth(small, steps):
    AdaptedNetwork(small, 1).fine_tune([stripes(16)], SIGMA, None, 0, 40, 0, quiet)
    for step, (lr, _) in enumerate(steps):
        rise, fall = min(1, (step + 1) / 10), math.cos(math.pi / 2 * step / 40) ** 2
        assert lr == pytest.approx(3e-4 * rise * (0.05 + 0.95 * fall))
    assert steps[-1][0] == pytest.approx(1.5e-5, rel=0.05) and len(steps) == 40


def test_the_denoising_network_is_the_average_of_the_trained_ones(small, steps):
    """Each step's weights count for 3 % of it, and the average so far for 97 %."""
    adapted = AdaptedNetwork(small, 1)
    adapted.precision = "fp32"
    adapted.fine_tune([stripes(16)], SIGMA, None, 0, 20, 0, quiet)
    network = checkpoint.load(small).networks["denoiser"]
    for average, *trained in zip(network.parameters(), *(values for _, values in steps), strict=True):
        average.data *= 0.97**20
        for age, value in enumerate(reversed(trained)):
            average.data += 0.03 * 0.97**age * value
    noisy = torch.from_numpy(noisy_of(stripes(16).repeat(3, axis=1)))
    with torch.inference_mode():
        expected = network(noisy, torch.tensor([SIGMA]))
    torch.testing.assert_close(torch.from_numpy(adapted(noisy.numpy(), SIGMA)), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(32, 40), (45, 33)])
def test_planes_of_any_size_keep_their_shape(adapted, channels, size):
    planes = np.random.default_rng(0).random((2, channels, *size), dtype=np.float32)
    adapted.fine_tune([planes, planes[:1]], SIGMA, None, 0, 2, 0, quiet)
    denoised = adapted(planes, SIGMA)
    assert denoised.shape == planes.shape and denoised.dtype == np.float32 and np.isfinite(denoised).all()


def test_a_gray_image_is_denoised_as_a_color_image(adapted):
    gray = stripes(32)
    color = adapted(gray.repeat(3, axis=1), SIGMA).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(adapted(gray, SIGMA), color, atol=1e-6)


def test_progress_goes_from_0_to_1(adapted):
    fractions = []
    adapted.fine_tune([stripes(32)], SIGMA, None, 0, 4, 0, fractions.append)
    assert fractions == [0, 0.25, 0.5, 0.75, 1]
    fractions.clear()
    adapted.fine_tune([stripes(32)], SIGMA, None, 0.2, 0, 0, fractions.append)
    assert fractions == sorted(fractions) and fractions[0] < 0.5 and fractions[-1] == 1


def test_an_exception_of_the_callback_ends_the_training(adapted):
    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adapted.fine_tune([stripes(32)], SIGMA, None, 60, 0, 0, stop)


def test_the_number_of_torch_threads_is_restored(adapted):
    before = torch.get_num_threads()
    adapted._threads = before + 1
    adapted(stripes(32), SIGMA)
    assert torch.get_num_threads() == before


def test_the_precision_depends_on_the_features_of_the_processor(monkeypatch):
    for features, expected in (({"avx512_bf16": True}, "bf16"), ({"avx512_f": True}, "fp32"), ({}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda features=features: features)
        assert best_precision() == expected
