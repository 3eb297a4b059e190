"""White Gaussian noise: every value gets an independent N(0, sigma²)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import IN_UNIT_RANGE, sample_uniform, set_range


@dataclass(frozen=True)
class Gaussian:
    """`noisy = clean + sigma * n`, n ~ N(0, 1), independent for every value.

    Attributes:
        sigma: standard deviation in [0, 1] units, or (low, high): then each image's is sampled from U[low, high).

    The noise level is sigma.

    Example:
        >>> import torch
        >>> noisy, sigma = Gaussian(sigma=0.1)(torch.zeros(2, 1, 8, 8), torch.Generator().manual_seed(0))
        >>> noisy.shape, sigma
        (torch.Size([2, 1, 8, 8]), tensor([0.1000, 0.1000]))
    """

    sigma: float | tuple[float, float] = 0.1

    def __post_init__(self) -> None:
        """Refuse a sigma that cannot be in [0, 1] units."""
        set_range(self, "sigma", 0, 4, IN_UNIT_RANGE)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its sigma (N,)."""
        sigma = sample_uniform(self.sigma, clean, generator)
        noise = torch.randn(clean.shape, generator=generator, dtype=clean.dtype, device=clean.device)
        if isinstance(self.sigma, tuple):
            return torch.addcmul(clean, noise, sigma.view(-1, *[1] * (clean.ndim - 1)), out=noise), sigma
        return torch.add(clean, noise, alpha=self.sigma, out=noise), sigma
