import numpy as np
import pytest
from sklearn.decomposition import PCA as SklearnPCA

from pellucid.classical.base import affine_correction
from pellucid.classical.pca import PCA


@pytest.mark.parametrize("components", [1, 3, 12])
def test_equals_scikit_learns_projection_of_the_corrected_images(components):
    rng = np.random.default_rng(0)
    clean = (rng.random((500, 4)) @ rng.random((4, 12))).reshape(500, 1, 3, 4).astype(np.float32)
    noisy = clean + rng.random(clean.shape, dtype=np.float32)
    gain, offset = affine_correction(noisy, clean)
    peer = SklearnPCA(components).fit(clean.reshape(500, -1))
    expected = peer.inverse_transform(peer.transform(gain * noisy.reshape(500, -1) + offset))
    np.testing.assert_allclose(PCA(components).fit(noisy, clean)(noisy), expected.reshape(noisy.shape), atol=1e-4)


def test_more_components_than_values_leave_the_corrected_image(blocks):
    noisy, clean = blocks
    gain, offset = affine_correction(noisy, clean)
    np.testing.assert_allclose(PCA(1000).fit(noisy, clean)(noisy), gain * noisy + offset, atol=1e-4)
