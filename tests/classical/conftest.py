import numpy as np
import pytest


@pytest.fixture(scope="session")
def blocks():
    """Noisy and clean images of flat blocks, (80, 1, 16, 16), with uniform noise from 0 to 0.5, clipped."""
    rng = np.random.default_rng(0)
    clean = rng.random((80, 1, 4, 4)).repeat(4, axis=2).repeat(4, axis=3).astype(np.float32)
    noisy = np.clip(clean + 0.5 * rng.random(clean.shape, dtype=np.float32), 0, 1)
    return noisy, clean
