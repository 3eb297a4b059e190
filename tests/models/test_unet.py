import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.models.unet import UNet


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
    assert skips[0] is noisy and len(skips) == depth
    assert model(noisy, torch.tensor([0.1, 0.2])).shape == noisy.shape


def test_a_residual_network_that_predicts_no_noise_returns_its_input():
    model = UNet(widths=[8, 8])
    for value in model.tail.parameters():
        torch.nn.init.zeros_(value)
    noisy = torch.rand(2, 1, 12, 12)
    torch.testing.assert_close(model(noisy), noisy, rtol=0, atol=0)


def test_a_conditional_network_heeds_the_level_and_takes_none_as_zero():
    torch.manual_seed(0)
    model = UNet(widths=[8, 8], condition=True).eval()
    noisy = torch.rand(2, 1, 9, 9)
    assert torch.equal(model(noisy), model(noisy, torch.zeros(2)))
    assert torch.equal(model(noisy, torch.full((2,), 0.5)), model(noisy, torch.full((2, 1, 9, 9), 0.5)))
    assert not torch.equal(model(noisy), model(noisy, torch.full((2,), 0.5)))
    levels = torch.tensor([0.0, 0.5])
    torch.testing.assert_close(model(noisy, levels)[:1], model(noisy)[:1])


def test_an_unconditional_network_ignores_the_level():
    model = UNet(widths=[8, 8]).eval()
    noisy = torch.rand(2, 1, 9, 9)
    assert torch.equal(model(noisy, torch.full((2,), 0.5)), model(noisy))


def test_a_residual_of_logits_is_refused():
    with pytest.raises(ValueError, match="residual"):
        UNet(output="sigmoid")
    assert UNet(output="sigmoid", residual=False).output == "sigmoid"
