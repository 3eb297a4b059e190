import pytest
import torch
from torch.nn import functional

from pellucid.losses.mse import MSE
from pellucid.models.dense import Dense
from pellucid.models.unet import UNet
from pellucid.objectives.batch import TrainingBatch
from pellucid.objectives.zero_shot import ZeroShot, downsampled


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [(8, 10), (9, 11)])
def test_the_downsampling_kernels_are_the_papers(channels, size):
    images = torch.rand(2, channels, *size)
    kernels = torch.tensor([[[0, 0.5], [0.5, 0]], [[0.5, 0], [0, 0.5]]])
    for found, kernel in zip(downsampled(images), kernels, strict=True):
        weight = kernel.expand(channels, 1, 2, 2)
        torch.testing.assert_close(found, functional.conv2d(images, weight, stride=2, groups=channels))


def test_the_loss_is_the_papers():
    torch.manual_seed(0)
    model, noisy = UNet(3, [4, 8]), torch.rand(2, 3, 16, 20)

    def noise(images):
        return images - model(images)

    y1, y2 = downsampled(noisy)
    residual = ((y1 - noise(y1) - y2).square().mean() + (y2 - noise(y2) - y1).square().mean()) / 2
    d1, d2 = downsampled(noisy - noise(noisy))
    consistency = ((y1 - noise(y1) - d1).square().mean() + (y2 - noise(y2) - d2).square().mean()) / 2
    batch = TrainingBatch(noisy, noisy)
    torch.testing.assert_close(ZeroShot()(model, MSE(), batch), residual + consistency)
    torch.testing.assert_close(ZeroShot(0)(model, MSE(), batch), residual)


def test_means_of_two_pixels_have_half_the_variance():
    seen = []

    class Recorder(UNet):
        def forward(self, noisy, sigma=None):
            seen.append(sigma)
            return noisy

    noisy, sigma = torch.rand(2, 1, 8, 8), torch.tensor([0.2, 0.4])
    ZeroShot()(Recorder(), MSE(), TrainingBatch(noisy, noisy, sigma))
    ZeroShot()(Recorder(), MSE(), TrainingBatch(noisy, noisy, sigma.view(2, 1, 1, 1).expand(2, 1, 8, 8)))
    half = sigma / 2**0.5
    torch.testing.assert_close(seen[:3], [half, half, sigma])
    torch.testing.assert_close(seen[3:5], [half.view(2, 1, 1, 1).expand(2, 1, 4, 4)] * 2)


def test_values_out_of_range_and_fixed_sizes_are_refused():
    with pytest.raises(ValueError, match=r"consistency = -1 must be at least 0"):
        ZeroShot(-1)
    noisy = torch.rand(2, 1, 8, 8)
    with pytest.raises(ValueError, match="fixed size"):
        ZeroShot()(Dense((1, 8, 8)), MSE(), TrainingBatch(noisy, noisy))


def test_noisy_images_alone_teach_most_of_what_clean_ones_teach(gains):
    gain, supervised = gains(ZeroShot())
    assert gain > 5 and gain > supervised - 3.5
