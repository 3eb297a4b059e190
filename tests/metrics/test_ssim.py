import numpy as np
import pytest
from skimage.metrics import structural_similarity

from pellucid.metrics.ssim import SSIM


@pytest.mark.parametrize("size", [(28, 28), (11, 40), (64, 33), (8, 8), (7, 9), (10, 10)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_equals_scikit_image(size, channels, data_range):
    rng = np.random.default_rng(7)
    clean = rng.random((4, channels, *size))
    noisy = np.clip(clean + 0.2 * rng.standard_normal(clean.shape), 0, 1)
    window = min(11, (min(size) - 1) // 2 * 2 + 1)
    expected = [
        structural_similarity(
            one,
            other,
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            win_size=window,
        )
        for one, other in zip(noisy, clean, strict=True)
    ]
    found = SSIM()(noisy * data_range, clean * data_range, data_range)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_equals_the_papers_formula_window_by_window():
    rng = np.random.default_rng(2)
    x, y = rng.random((2, 14, 13))
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for row in range(14 - 10):
        for column in range(13 - 10):
            a, b = (plane[row : row + 11, column : column + 11] for plane in (x, y))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            variance_a, variance_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
            values.append(
                (2 * mean_a * mean_b + 1e-4)
                * (2 * covariance + 9e-4)
                / ((mean_a**2 + mean_b**2 + 1e-4) * (variance_a + variance_b + 9e-4))
            )
    np.testing.assert_allclose(SSIM()(x[None, None], y[None, None]), np.mean(values), rtol=1e-9)


def test_does_not_depend_on_the_images_beside_it():
    rng = np.random.default_rng(0)
    image, reference = rng.random((2, 700, 1, 28, 28), dtype=np.float32)
    whole = SSIM()(image, reference)
    np.testing.assert_allclose(whole[[0, 333, 699]], SSIM()(image[[0, 333, 699]], reference[[0, 333, 699]]))
