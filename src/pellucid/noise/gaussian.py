"""White Gaussian noise: every value gets an independent N(0, sigma²)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import drawn, range_between

REMEDY = "give it in [0, 1] units (25 of 255 is 0.098)"


@dataclass(frozen=True)
class Gaussian:
    """`noisy = clean + sigma * n`, n ~ N(0, 1), independent for every value.

    Attributes:
        sigma: standard deviation in [0, 1] units, or (low, high): then each sample's is drawn from U[low, high).

    The level is sigma, one a sample.

    Example:
        >>> import torch
        >>> noisy, level = Gaussian(sigma=0.1)(torch.zeros(2, 1, 8, 8), torch.Generator().manual_seed(0))
        >>> noisy.shape, level
        (torch.Size([2, 1, 8, 8]), tensor([0.1000, 0.1000]))
    """

    sigma: float | tuple[float, float] = 0.1

    def __post_init__(self) -> None:
        """Refuse levels that cannot be in [0, 1] units."""
        object.__setattr__(self, "sigma", range_between("sigma", self.sigma, 0, 4, REMEDY))

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its sigma (N,)."""
        level = drawn(self.sigma, clean, generator)
        noise = torch.randn(clean.shape, generator=generator, dtype=clean.dtype, device=clean.device)
        if isinstance(self.sigma, tuple):
            return torch.addcmul(clean, noise, level.view(-1, *[1] * (clean.ndim - 1)), out=noise), level
        return torch.add(clean, noise, alpha=self.sigma, out=noise), level
