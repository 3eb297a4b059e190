import numpy as np
import pytest
import torch

from pellucid.input_spec import InputSpec
from pellucid.models.dense import Dense


def test_the_origin_network_has_784_64_784_with_glorot_weights_and_zero_biases():
    torch.manual_seed(0)
    model = Dense()
    weights = [model.get_parameter(f"{part}.0.weight") for part in ("encoder", "decoder")]
    assert [weight.shape for weight in weights] == [(64, 784), (784, 64)]
    limit = (6 / (784 + 64)) ** 0.5
    assert all(0.98 * limit < weight.abs().max() <= limit for weight in weights)
    assert not any(value.any() for key, value in model.named_parameters() if key.endswith("bias"))
    assert model.input_spec == InputSpec(channels=(1,), fixed_size=(28, 28))


def test_the_decoder_mirrors_the_encoder_by_default():
    assert Dense(widths=[512, 256, 64]).options["decoder_widths"] == [256, 512]
    asymmetric = Dense(widths=[512, 512, 256, 256, 64], decoder_widths=[512])
    assert [layer.out_features for layer in asymmetric.decoder] == [512, 784]


def test_it_computes_what_numpy_computes():
    torch.manual_seed(0)
    model = Dense((2, 3, 4), [7, 5], [6])
    noisy = torch.rand(3, 2, 3, 4)
    value = noisy.numpy().reshape(3, -1).astype(np.float64)
    state = [parameter.detach().numpy() for parameter in model.parameters()]
    layers = list(zip(state[::2], state[1::2], strict=True))
    for index, (weight, bias) in enumerate(layers):
        value = value @ weight.T + bias
        if index < len(layers) - 1:
            value = np.maximum(value, 0)
        if index == 1:
            np.testing.assert_allclose(model.encode(noisy).detach().numpy(), value, atol=1e-6)
    np.testing.assert_allclose(model.logits(noisy).detach().numpy().reshape(3, -1), value, atol=1e-6)
    expected = 1 / (1 + np.exp(-value))
    np.testing.assert_allclose(model(noisy).detach().numpy().reshape(3, -1), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"widths": []}, "widths"),
        ({"widths": [64, 0]}, "widths = 0"),
        ({"widths": [64.0]}, "widths = 64.0"),
        ({"widths": "64"}, "list of whole numbers"),
        ({"image": [28, 28]}, "give 3"),
        ({"output": "tanh"}, "sigmoid, relu, none"),
    ],
)
def test_options_out_of_range_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        Dense(**options)
