import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.models.unet import ResidualBlock, UNet


@settings(max_examples=10)
@given(
    height=st.integers(8, 40),
    width=st.integers(8, 40),
    channels=st.sampled_from([1, 3]),
    depth=st.integers(1, 6),
    blocks=st.integers(1, 2),
    condition=st.booleans(),
)
def test_any_size_fits_any_depth(height, width, channels, depth, blocks, condition):
    model = UNet(channels, [4] * depth, blocks, condition=condition).eval()
    noisy = torch.rand(2, channels, height, width)
    code, skips = model.encode(noisy)
    assert list(code.shape[2:]) == [-(-side // 2 ** (depth - 1)) for side in (height, width)]
    assert skips[0] is noisy and len(skips) == depth + 1
    assert model(noisy, torch.tensor([0.1, 0.2])).shape == noisy.shape


def test_a_residual_network_that_predicts_no_noise_returns_its_input():
    model = UNet(widths=[8, 8])
    for value in model.tail.parameters():
        torch.nn.init.zeros_(value)
    noisy = torch.rand(2, 1, 12, 12)
    torch.testing.assert_close(model(noisy), noisy, rtol=0, atol=0)


def test_a_conditional_network_uses_sigma_and_takes_none_as_zero():
    torch.manual_seed(0)
    model = UNet(widths=[8, 8], condition=True).eval()
    noisy = torch.rand(2, 1, 9, 9)
    assert torch.equal(model(noisy), model(noisy, torch.zeros(2)))
    assert torch.equal(model(noisy, torch.full((2,), 0.5)), model(noisy, torch.full((2, 1, 9, 9), 0.5)))
    assert not torch.equal(model(noisy), model(noisy, torch.full((2,), 0.5)))
    sigmas = torch.tensor([0.0, 0.5])
    torch.testing.assert_close(model(noisy, sigmas)[:1], model(noisy)[:1])


@pytest.mark.parametrize("shuffle", [1, 2])
@pytest.mark.parametrize("bf16", [False, True])
def test_sigma_zero_returns_the_input_to_the_bit(shuffle, bf16):
    torch.manual_seed(0)
    model = UNet(3, [8, 8], condition=True, shuffle=shuffle).eval()
    noisy = torch.randn(3, 3, 11, 14)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        denoised = model(noisy, torch.tensor([0.0, 0.1, 0.0]))
        assert torch.equal(model(noisy), noisy)
    assert torch.equal(denoised[::2], noisy[::2]) and not torch.equal(denoised[1], noisy[1])


def test_the_residual_is_predicted_in_units_of_sigma():
    model = UNet(1, [8, 8], condition=True)
    for parameter, value in zip(model.tail.parameters(), (0.0, 2.0), strict=True):
        torch.nn.init.constant_(parameter, value)
    noisy = torch.rand(2, 1, 9, 9)
    sigma = torch.tensor([0.1, 0.3])
    torch.testing.assert_close(noisy - model(noisy, sigma), 2 * sigma.view(2, 1, 1, 1).expand(2, 1, 9, 9))


@settings(max_examples=12)
@given(
    height=st.integers(8, 27),
    width=st.integers(8, 27),
    shuffle=st.integers(1, 3),
    depth=st.integers(1, 3),
    condition=st.booleans(),
    residual=st.booleans(),
)
def test_gathered_pixels_come_back_in_place_at_any_size(height, width, shuffle, depth, condition, residual):
    torch.manual_seed(0)
    model = UNet(3, [4] * depth, condition=condition, residual=residual, shuffle=shuffle).eval()
    noisy = torch.rand(2, 3, height, width)
    denoised = model(noisy, torch.full((2,), 0.2))
    assert denoised.shape == noisy.shape and denoised.isfinite().all()
    # What was padded by the caller, as engines do, is what the network pads itself at the right and the bottom.
    rows, columns = (-side % shuffle for side in (height, width))
    padded = torch.nn.functional.pad(noisy, (0, columns, 0, rows), mode="replicate")
    wide = model(padded, torch.full((2,), 0.2))[..., :height, :width]
    torch.testing.assert_close(denoised, wide, rtol=1e-4, atol=1e-5)


def test_a_shuffled_network_works_at_a_part_of_the_size():
    model = UNet(3, [4, 8], condition=True, shuffle=2)
    code, skips = model.encode(torch.rand(1, 3, 16, 24), torch.tensor([0.1]))
    assert code.shape == (1, 8, 4, 6) and skips[2].shape == (1, 4, 8, 12)
    assert model.head.weight.shape[1] == 3 * 4 + 1 and model.tail.weight.shape[0] == 3 * 4


@pytest.mark.parametrize(("widths", "shuffle", "multiple"), [([8], 1, 1), ([8, 8, 8, 8], 1, 8), ([8, 8, 8], 2, 8)])
def test_the_spec_says_to_which_multiple_images_are_best_padded(widths, shuffle, multiple):
    model = UNet(widths=widths, shuffle=shuffle)
    assert model.input_spec.multiple_of == multiple and model.input_spec.fixed_size is None
    assert model.options["shuffle"] == shuffle


@pytest.mark.parametrize("shuffle", [0, 1.5, True])
def test_a_shuffle_that_is_no_number_of_pixels_is_refused(shuffle):
    with pytest.raises(ValueError, match=r"shuffle = .* must be a whole number of at least 1"):
        UNet(shuffle=shuffle)


def test_an_unconditional_network_ignores_sigma():
    model = UNet(widths=[8, 8]).eval()
    noisy = torch.rand(2, 1, 9, 9)
    assert torch.equal(model(noisy, torch.full((2,), 0.5)), model(noisy))


def test_a_residual_of_logits_is_refused():
    with pytest.raises(ValueError, match="residual"):
        UNet(output="sigmoid")
    assert UNet(output="sigmoid", residual=False).output == "sigmoid"


def test_a_leaking_rectifier_lets_a_channel_learn_that_is_never_above_zero():
    noisy = torch.rand(1, 1, 8, 8)
    for negative_slope, learns in ((0.0, False), (0.1, True)):
        model = UNet(widths=[4], negative_slope=negative_slope)
        block = next(module for module in model.modules() if isinstance(module, ResidualBlock))
        block.first.state_dict()["bias"].fill_(-100.0)
        (gradient,) = torch.autograd.grad(model(noisy).square().sum(), block.first.weight)
        assert bool(gradient.any()) == learns


@pytest.mark.parametrize("negative_slope", [-0.1, 1, True, "small"])
def test_a_slope_out_of_range_is_refused(negative_slope):
    with pytest.raises(ValueError, match="give a number from 0 to below 1"):
        UNet(negative_slope=negative_slope)


@pytest.mark.parametrize("shuffle", [1, 2])
def test_a_centered_network_sees_gray_as_zero_and_still_answers_with_the_image(shuffle):
    model = UNet(3, [4, 4], condition=True, shuffle=shuffle, centered=True).eval()
    seen = []
    model.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    noisy = torch.full((1, 3, 10, 10), 0.5)
    assert torch.equal(model(noisy), noisy)
    model(noisy, torch.tensor([0.2]))
    assert not seen[1][:, :-1].any() and torch.allclose(seen[1][:, -1], torch.tensor(0.2))
