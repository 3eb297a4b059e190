import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from pellucid.models.layers import UpConv, channels_last, double_conv, same_conv

sides = st.integers(1, 9)


def plain(image, weight, bias, size):
    doubled = functional.interpolate(image, scale_factor=2.0, mode="nearest")[..., : size[0], : size[1]]
    return functional.conv2d(doubled, weight, bias, padding=weight.shape[-1] // 2)


def random_case(channels, width, kernel, height, columns, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = (2, channels, height, columns), (width, channels, kernel, kernel), (width,)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def fill_bias(layer):
    torch.nn.init.normal_(dict(layer.named_parameters())["conv.bias"])


def assert_same(left, right, inputs):
    torch.testing.assert_close(left, right)
    scale = torch.randn(left.shape, generator=torch.Generator().manual_seed(1), dtype=left.dtype)
    for a, b in zip(torch.autograd.grad(left, inputs, scale), torch.autograd.grad(right, inputs, scale), strict=True):
        torch.testing.assert_close(a, b)


@given(height=sides, columns=sides, width=st.sampled_from([1, 3, 8, 9]), kernel=st.sampled_from([1, 3, 5]))
def test_convolving_before_doubling_equals_doubling_before_convolving(height, columns, width, kernel):
    image, weight, bias = inputs = random_case(3, width, kernel, height, columns)
    expected = plain(image, weight, bias, (2 * height, 2 * columns))
    assert_same(double_conv(image, weight, bias), expected, inputs)


@given(height=sides, columns=sides, width=st.sampled_from([1, 3, 8]), kernel=st.sampled_from([1, 3, 5]))
def test_a_narrow_convolution_equals_the_plain_one(height, columns, width, kernel):
    image, weight, bias = inputs = random_case(4, width, kernel, height, columns)
    expected = functional.conv2d(image, weight, bias, padding=kernel // 2)
    assert_same(same_conv(image, weight, bias), expected, inputs)


@pytest.mark.parametrize("width", [1, 16])
@pytest.mark.parametrize("size", [(14, 14), (13, 14), (14, 13), (13, 13)])
def test_nearest_upsampling_reaches_even_and_odd_sizes_exactly(size, width):
    layer = UpConv(5, width, 3, "nearest", bias=True).double()
    fill_bias(layer)
    image = torch.randn(2, 5, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(layer(image, size), plain(image, layer.conv.weight, layer.conv.bias, size))


@pytest.mark.parametrize("size", [(14, 14), (13, 14)])
def test_deconvolution_equals_torch_with_the_output_padding_for_that_size(size):
    layer = UpConv(5, 9, 3, "deconv", bias=True).double()
    fill_bias(layer)
    image = torch.randn(2, 5, 7, 7, dtype=torch.float64)
    padding = [side - 13 for side in size]
    expected = functional.conv_transpose2d(image, layer.conv.weight, layer.conv.bias, 2, 1, padding)
    torch.testing.assert_close(layer(image, size), expected)


def test_bilinear_upsampling_is_torchs():
    layer = UpConv(5, 9, 3, "bilinear", bias=True)
    image = torch.randn(2, 5, 7, 7)
    expected = layer.conv(functional.interpolate(image, scale_factor=2.0, mode="bilinear"))
    torch.testing.assert_close(layer(image, (14, 14)), expected)


def test_one_channel_gets_the_strides_of_channels_last():
    image = torch.rand(2, 1, 8, 9)
    laid = channels_last(image)
    assert torch.equal(laid, image)
    assert laid.stride() == (72, 1, 9, 1)
