import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pellucid.models.conv import Conv

GRID = list(
    itertools.product(("nearest", "bilinear", "deconv"), ("before", "after"), ("none", "batch"), ("max", "stride"))
)


def plain_logits(model, noisy, upsample):
    """The network as the origin texts draw it: pooling after the ReLU, nearest upsampling ahead of a convolution."""
    sizes, code = [], noisy
    for layer in model.encoder:
        sizes.append(code.shape[-2:])
        code = functional.max_pool2d(torch.relu(layer(code)), 2, ceil_mode=True)
    for index, layer in enumerate(model.decoder):
        plain = getattr(layer, "conv", layer)
        if layer is not plain:
            height, width = sizes.pop()
            code = functional.interpolate(code, scale_factor=2.0, mode="nearest")[..., :height, :width]
        code = functional.conv2d(code, plain.weight, plain.bias, padding=1)
        if index < len(model.decoder) - 1:
            code = torch.relu(code)
    assert not sizes
    return code


@pytest.mark.parametrize(("up", "upsample", "norm", "pool"), GRID)
@settings(max_examples=5)
@given(height=st.integers(8, 30), width=st.integers(8, 30), depth=st.integers(1, 6))
def test_any_size_fits_any_depth_and_every_option(up, upsample, norm, pool, height, width, depth):
    model = Conv(2, [4] * depth, up=up, upsample=upsample, norm=norm, pool=pool).eval()
    noisy = torch.rand(2, 2, height, width)
    code = model.encode(noisy)
    expected = [-(-side // 2**depth) for side in (height, width)]
    assert list(code.shape) == [2, 4, *expected]
    assert code.min() >= 0
    assert model(noisy).shape == noisy.shape


@pytest.mark.parametrize("upsample", ["before", "after"])
@pytest.mark.parametrize("size", [(28, 28), (17, 24)])
def test_the_fast_forms_equal_the_plain_network_in_values_and_gradients(upsample, size):
    torch.manual_seed(0)
    model = Conv(1, [8, 12], [12, 8], upsample=upsample).double()
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.3)
    noisy = torch.rand(2, 1, *size, dtype=torch.float64)
    fast, plain = model.logits(noisy), plain_logits(model, noisy, upsample)
    torch.testing.assert_close(fast, plain)
    weights = list(model.parameters())
    loss = torch.rand_like(fast)
    ours, theirs = (torch.autograd.grad((value * loss).sum(), weights) for value in (fast, plain))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_conv_upsample_is_the_origin_network():
    model = Conv(widths=[64, 64, 32], decoder_widths=[32, 64, 64])
    assert model.encode(torch.rand(1, 1, 28, 28)).shape == (1, 32, 4, 4)
    keys = ("decoder.0.conv", "decoder.1.conv", "decoder.2.conv", "decoder.3")
    shapes = [tuple(model.get_parameter(f"{key}.weight").shape[:2]) for key in keys]
    assert shapes == [(32, 32), (64, 32), (64, 64), (1, 64)]


def test_conv_pool_is_the_origin_network():
    model = Conv(widths=[32, 32], decoder_widths=[32, 32], upsample="after")
    assert model.encode(torch.rand(1, 1, 28, 28)).shape == (1, 32, 7, 7)
    # Keras counts the same: 320 + 9248 down, 9248 + 9248 + 289 up.
    assert sum(value.numel() for value in model.parameters()) == 28353


def test_batch_norm_takes_the_place_of_biases_and_learns_running_averages():
    model = Conv(widths=[4, 4], norm="batch", up="deconv")
    assert all(layer.bias is None for layer in model.encoder)
    model(torch.rand(4, 1, 16, 16))
    assert model.get_buffer("encoder_norms.0.num_batches_tracked") == 1


def test_weights_are_glorot_uniform_and_biases_zero():
    torch.manual_seed(0)
    model = Conv()
    weight, bias = (model.get_parameter(f"encoder.1.{part}") for part in ("weight", "bias"))
    limit = (6 / (9 * 64 + 9 * 64)) ** 0.5
    assert 0.98 * limit < weight.abs().max() <= limit
    assert not bias.any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel": 4}, "use 5"),
        ({"up": "cubic"}, "nearest, bilinear, deconv"),
        ({"upsample": "never"}, "before, after"),
        ({"norm": "layer"}, "none, batch"),
        ({"pool": "mean"}, "max, stride"),
        ({"widths": [8, 8], "decoder_widths": [8]}, "decoder_widths = .* give 2"),
        ({"channels": 0}, "channels = 0"),
    ],
)
def test_options_out_of_range_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        Conv(**options)
