import pytest
import torch

from pellucid.losses.bce import BCE
from pellucid.losses.mse import MSE
from pellucid.models.unet import UNet
from pellucid.objectives.batch import TrainingBatch
from pellucid.objectives.supervised import Supervised


def batch():
    clean = torch.rand(2, 1, 8, 8)
    return TrainingBatch(clean, torch.rand(2, 1, 8, 8), torch.tensor([0.1, 0.4]))


def test_the_output_for_the_noisy_images_is_compared_with_the_clean_ones():
    model, images = UNet(widths=[8, 8], condition=True), batch()
    expected = (model(images.noisy, images.sigma) - images.clean).square().mean()
    torch.testing.assert_close(Supervised()(model, MSE(), images), expected)


def test_a_loss_on_logits_gets_logits():
    model, images = UNet(widths=[8, 8], output="sigmoid", residual=False), batch()
    expected = torch.nn.functional.binary_cross_entropy(model(images.noisy), images.clean)
    torch.testing.assert_close(Supervised()(model, BCE(), images), expected)


def test_without_a_loss_it_names_it():
    with pytest.raises(ValueError, match="needs a loss"):
        Supervised()(UNet(widths=[8]), None, batch())
