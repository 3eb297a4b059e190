import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from pellucid import registry
from pellucid.classical.learned import AffineMap
from pellucid.classical.linear import Linear
from pellucid.errors import UsageError


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    clean = rng.random((9000, 2, 3, 4), dtype=np.float32)
    return clean + 0.3 * rng.standard_normal(clean.shape, dtype=np.float32), clean


def test_equals_ordinary_least_squares(pairs):
    noisy, clean = pairs
    flat = noisy.reshape(len(noisy), -1)
    expected = LinearRegression().fit(flat, clean.reshape(len(clean), -1)).predict(flat)
    np.testing.assert_allclose(Linear().fit(noisy, clean)(noisy), expected.reshape(noisy.shape), atol=2e-5)


def test_values_that_never_vary_do_not_break_it(pairs):
    _, clean = pairs
    clean = clean.copy()
    clean[:, :, 0] = 0
    fitted = Linear().fit(clean, clean)
    np.testing.assert_allclose(fitted(clean), clean, atol=1e-3)
    flat = np.full((4, 1, 3, 3), 0.5, np.float32)
    np.testing.assert_allclose(Linear().fit(flat, flat)(flat), flat, atol=1e-6)


def test_unfitted_or_of_another_size_it_refuses(pairs):
    noisy, clean = pairs
    with pytest.raises(UsageError, match="the baseline linear has to be fitted"):
        Linear()(noisy)
    with pytest.raises(UsageError, match=r"\(2, 4, 4\), the map was fitted to \(2, 3, 4\)"):
        Linear().fit(noisy, clean)(np.zeros((1, 2, 4, 4), np.float32))


def test_what_are_no_pairs_is_refused(pairs):
    noisy, clean = pairs
    for one, other in ((noisy[:5], clean[:4]), (noisy[:1], clean[:1])):
        with pytest.raises(UsageError, match="at least two pairs of one shape"):
            Linear().fit(one, other)


def test_options_and_result(pairs):
    with pytest.raises(ValueError, match="ridge is 0"):
        Linear(ridge=0)
    fitted = Linear().fit(*pairs)
    assert isinstance(fitted, AffineMap) and fitted.weights.dtype == np.float32


@pytest.mark.slow
def test_reaches_its_known_figure_on_mnist():
    mnist = registry.build("data", "mnist", {})
    if not mnist.available():
        pytest.skip("the files of mnist are not available: set PELLUCID_DATA to a folder that has them")
    rng = np.random.default_rng(0)
    clean = [mnist.load(split).images.astype(np.float32) / 255 for split in ("train", "test")]
    noisy = [np.clip(images + 0.9 * rng.random(images.shape, np.float32), 0, 1) for images in clean]
    denoised = np.clip(Linear().fit(noisy[0], clean[0])(noisy[1]), 0, 1)
    psnr = registry.load("metric", "psnr")()(denoised, clean[1]).mean()
    assert psnr == pytest.approx(19.0, abs=0.1)
