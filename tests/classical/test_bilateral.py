import numpy as np
import pytest

from pellucid.classical.bilateral import Bilateral


def formula(image, row, column, sigma_color, sigma_spatial, radius):
    """Tomasi and Manduchi's mean over the disc around one pixel of (C, H, W); colors differ by the sum over C."""
    total, weight = np.zeros(len(image)), 0.0
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            if down**2 + right**2 <= radius**2:
                other = image[:, row + down, column + right]
                near = np.exp(-(down**2 + right**2) / (2 * sigma_spatial**2))
                similarity = np.exp(-(np.abs(other - image[:, row, column]).sum() ** 2) / (2 * sigma_color**2))
                total, weight = total + near * similarity * other, weight + near * similarity
    return total / weight


@pytest.mark.parametrize("channels", [1, 3])
def test_equals_the_papers_formula(channels):
    image = np.random.default_rng(0).random((1, channels, 15, 15), dtype=np.float32)
    found = Bilateral(0.4, 1.5)(image)
    np.testing.assert_allclose(found[0, :, 7, 7], formula(image[0], 7, 7, 0.4, 1.5, 2), atol=2e-4)


@pytest.mark.parametrize("widths", [(0.0, 1.5), (0.3, 0.0)])
def test_a_width_of_zero_changes_nothing(widths):
    image = np.random.default_rng(0).random((1, 1, 9, 9), dtype=np.float32)
    np.testing.assert_array_equal(Bilateral(*widths)(image), image)
