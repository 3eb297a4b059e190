"""What every noise model keeps to, whichever files there are."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pellucid import registry
from pellucid.errors import UsageError
from pellucid.noise import corrupt

NAMES = registry.names("noise")
shapes = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 17), st.integers(1, 17))
seeds = st.integers(0, 2**31)
every_noise = pytest.mark.parametrize("name", NAMES)


def random_batch(shape, seed, dtype=torch.float32):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def apply(name, clean, seed=0):
    return registry.load("noise", name)()(clean, torch.Generator().manual_seed(seed))


@every_noise
@given(shape=shapes, seed=seeds)
def test_the_same_seed_gives_the_same_noise_and_leaves_the_input_alone(name, shape, seed):
    clean = random_batch(shape, seed)
    before = clean.clone()
    noisy, sigma = apply(name, clean, seed)
    again, sigma_again = apply(name, clean, seed)
    assert torch.equal(noisy, again) and torch.equal(sigma, sigma_again)
    assert torch.equal(clean, before)
    assert noisy.untyped_storage().data_ptr() != clean.untyped_storage().data_ptr()


@every_noise
@given(shape=shapes, seed=seeds, dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
def test_shape_and_dtype_are_kept(name, shape, seed, dtype):
    noisy, sigma = apply(name, random_batch(shape, seed, dtype), seed)
    assert noisy.shape == shape and noisy.dtype == dtype
    assert sigma.shape in {shape[:1], (shape[0], 1, *shape[2:])} and sigma.dtype == dtype
    assert noisy.isfinite().all() and sigma.isfinite().all() and (sigma >= 0).all()


@every_noise
@given(shape=shapes, seed=seeds)
def test_clipping_keeps_within_the_range_and_changes_nothing_inside_it(name, shape, seed):
    clean = random_batch(shape, seed)
    noise = registry.load("noise", name)()
    free, _ = corrupt(noise, clean, torch.Generator().manual_seed(seed), clip=False)
    clipped, _ = corrupt(noise, clean, torch.Generator().manual_seed(seed), clip=True)
    assert clipped.min() >= 0 and clipped.max() <= 1
    np.testing.assert_array_equal(clipped, np.clip(free.numpy(), 0, 1))


@every_noise
def test_another_seed_gives_other_noise(name):
    clean = random_batch((1, 1, 32, 32), 0)
    assert not torch.equal(apply(name, clean, 1)[0], apply(name, clean, 2)[0])


@every_noise
def test_the_generator_is_the_only_source_of_chance(name):
    clean = random_batch((2, 1, 16, 16), 0)
    torch.manual_seed(1)
    first, _ = apply(name, clean)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(apply(name, clean)[0], first)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


@every_noise
@pytest.mark.parametrize("brightness", [0.1, 0.6, 1.0])
def test_sigma_is_the_measured_rms_difference(name, brightness):
    clean = random_batch((2, 3, 160, 160), 5, torch.float64) * brightness
    noisy, sigma = apply(name, clean)
    difference = (noisy - clean).flatten(1).numpy()
    spread = difference.std(axis=1)
    rms = np.sqrt((difference**2).mean(axis=1))
    found = sigma.reshape(len(sigma), -1).square().mean(1).sqrt().numpy()
    close_to_one = [np.allclose(found, measured, rtol=0.03) for measured in (spread, rms)]
    assert any(close_to_one), f"sigma {found}, standard deviation {spread}, RMS {rms}"


@every_noise
def test_memory_layout_does_not_change_the_noise(name):
    clean = random_batch((2, 3, 8, 8), 0)
    assert torch.equal(apply(name, clean.to(memory_format=torch.channels_last))[0], apply(name, clean)[0])


@every_noise
def test_it_is_frozen_described_and_comparable(name):
    component = registry.load("noise", name)
    assert dataclasses.is_dataclass(component)
    noise = component()
    assert noise == component() and hash(noise) == hash(component())
    assert registry.summary("noise", name) and component.__doc__
    for field in dataclasses.fields(noise):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(noise, field.name, 0.5)


@every_noise
def test_values_that_cannot_be_are_refused_on_one_line_that_names_option_and_value(name):
    for field in dataclasses.fields(registry.load("noise", name)):
        for wrong in (float("nan"), "much"):
            with pytest.raises(UsageError) as caught:
                registry.build("noise", name, {field.name: wrong})
            message = str(caught.value)
            assert "\n" not in message and name in message and field.name in message and str(wrong) in message
