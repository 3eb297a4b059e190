"""What every network keeps to, whichever files there are."""

import inspect
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import registry
from pellucid.models.base import Model

every_model = pytest.mark.parametrize("name", registry.names("model"))
every_denoiser = pytest.mark.parametrize(
    "name", [name for name in registry.names("model") if registry.load("model", name).task == "denoise"]
)
few = settings(max_examples=8)
MIN_SIDE = 8


def built(name, **options):
    torch.manual_seed(0)
    return registry.build("model", name, options)


def images(model, size=(28, 28), count=2, seed=0):
    size = model.input_spec.fixed_size or size
    shape = (count, model.input_spec.channels[0], *size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def answer(model, noisy):
    """Return what a network gives as a tuple of tensors, also where it is one."""
    given = model(noisy)
    return given if isinstance(given, tuple) else (given,)


def tensors(code):
    return [code] if isinstance(code, torch.Tensor) else [code[0], *code[1]]


@every_model
def test_options_are_json_values_that_rebuild_the_same_network(name):
    model = built(name)
    assert set(model.options) == set(inspect.signature(type(model)).parameters)
    again = built(name, **json.loads(json.dumps(model.options)))
    assert again.options == model.options
    assert again.input_spec == model.input_spec
    state = model.state_dict()
    assert list(again.state_dict()) == list(state)
    assert all(torch.equal(value, state[key]) for key, value in again.state_dict().items())


@every_model
def test_the_state_is_plain_contiguous_tensors_that_share_no_memory(name):
    state = built(name).state_dict()
    assert state
    assert all(type(value) is torch.Tensor and value.is_contiguous() for value in state.values())
    assert len({value.untyped_storage().data_ptr() for value in state.values()}) == len(state)


@every_model
def test_every_parameter_gets_a_gradient(name):
    model = built(name)
    torch.cat([part.flatten() for part in answer(model, images(model, count=8))]).square().mean().backward()
    lacking = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert not lacking


@every_model
def test_the_input_is_left_alone_and_the_answer_is_repeatable(name):
    model = built(name).eval()
    noisy = images(model)
    before = noisy.clone()
    assert all(map(torch.equal, answer(model, noisy), answer(model, noisy)))
    assert torch.equal(noisy, before)


@every_model
def test_bfloat16_is_close_to_float32_and_comes_back_as_float32(name):
    model = built(name).eval()
    noisy = images(model, count=4)
    with torch.no_grad():
        exact = answer(model, noisy)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = answer(model, noisy)
    for first, second in zip(exact, rounded, strict=True):
        assert first.dtype == second.dtype == torch.float32
        assert (first - second).abs().max() < 0.02 * first.abs().max().clamp_min(1)


@every_model
def test_an_image_does_not_depend_on_its_neighbors_in_the_batch(name):
    model = built(name).eval()
    noisy = images(model, count=3)
    for together, alone in zip(answer(model, noisy), answer(model, noisy[1:2]), strict=True):
        torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


@every_denoiser
@few
@given(height=st.integers(MIN_SIDE, 37), width=st.integers(MIN_SIDE, 37), count=st.integers(1, 3))
def test_any_size_comes_back_as_it_was(name, height, width, count):
    model = built(name).eval()
    noisy = images(model, (height, width), count)
    with torch.no_grad():
        denoised = model(noisy)
    assert denoised.shape == noisy.shape
    assert denoised.isfinite().all()


@every_denoiser
def test_encoding_then_decoding_gives_the_logits_and_skips_are_owned_up_to(name):
    model = built(name).eval()
    assert isinstance(model, Model)
    noisy = images(model, (19, 14))
    code = model.encode(noisy)
    assert model.has_skips == (not isinstance(code, torch.Tensor))
    assert all(part.shape[0] == len(noisy) for part in tensors(code))
    logits = model.decode(code, (19, 14) if model.input_spec.fixed_size is None else model.input_spec.fixed_size)
    assert torch.equal(logits, model.logits(noisy))
    assert torch.equal(model.activate(logits), model(noisy))


@every_denoiser
@pytest.mark.parametrize("output", ["sigmoid", "relu", "none"])
def test_the_output_lies_in_the_range_of_its_activation(name, output):
    try:
        model = built(name, output=output)
    except ValueError as refusal:
        assert output in str(refusal)
        return
    denoised = model(images(model))
    assert model.output == output
    if output != "none":
        assert denoised.min() >= 0
    if output == "sigmoid":
        assert denoised.max() <= 1


@every_denoiser
def test_a_level_is_taken_as_a_number_a_sample_or_as_a_map(name):
    model = built(name).eval()
    noisy = images(model)
    for sigma in (torch.full((2,), 0.1), torch.full((2, 1, *noisy.shape[-2:]), 0.1)):
        assert model(noisy, sigma).shape == noisy.shape


@every_denoiser
def test_every_channel_count_of_the_spec_is_taken(name):
    model = built(name)
    for channels in model.input_spec.channels:
        noisy = images(model)[:, :1].expand(-1, channels, -1, -1)
        assert model(noisy).shape == noisy.shape


@every_model
def test_an_exported_network_gives_the_same(name):
    model = built(name).eval()
    noisy = images(model, (32, 24))
    exported = torch.export.export(model, (noisy,))
    torch.testing.assert_close(exported.module()(noisy), model(noisy), rtol=1e-4, atol=1e-5)
