import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio
from torchmetrics.functional.image import peak_signal_noise_ratio as torch_psnr

from pellucid.metrics.psnr import PSNR


def test_equals_torchmetrics_and_scikit_image_image_by_image(torch_pair):
    image, reference = torch_pair
    found = PSNR()(image.numpy(), reference.numpy())
    for value, one, other in zip(found, image, reference, strict=True):
        assert value == pytest.approx(float(torch_psnr(one, other, data_range=1.0)), abs=1e-3)
        assert value == pytest.approx(peak_signal_noise_ratio(other.numpy(), one.numpy(), data_range=1), abs=1e-3)


def test_known_value():
    image = np.full((1, 1, 8, 8), 0.1)
    assert PSNR()(image, np.zeros_like(image))[0] == pytest.approx(20)


def test_identical_images_are_infinitely_good_without_a_warning():
    image = np.ones((2, 1, 8, 8))
    assert PSNR()(image, image).tolist() == [np.inf, np.inf]
