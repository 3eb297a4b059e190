import pytest
import torch
from torch import nn

from pellucid.models.classifier import Classifier


def test_the_origin_classifier_is_784_256_256_10():
    model = Classifier()
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == [256, 256, 10]
    assert not any(layer.bias.any() for layer in linear)
    assert model(torch.rand(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize("image", [(1, 28, 28), (3, 8, 9)])
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("widths", [None, [], [5], [5, 6, 7, 8, 9]])
def test_any_image_size_and_widths_fit(image, kind, widths):
    model = Classifier(image, kind, widths, classes=4)
    assert model(torch.rand(2, *image)).shape == (2, 4)
    assert model.input_spec.fixed_size == image[1:]


@pytest.mark.parametrize("options", [{"kind": "tree"}, {"classes": 0}, {"widths": [0]}])
def test_options_out_of_range_are_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Classifier(**options)
