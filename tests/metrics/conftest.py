import pytest
import torch


@pytest.fixture
def torch_pair():
    """A noisy and a clean batch, (5, 3, 28, 28) in [0, 1]."""
    generator = torch.Generator().manual_seed(3)
    clean = torch.rand((5, 3, 28, 28), generator=generator)
    noisy = (clean + 0.2 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    return noisy, clean
