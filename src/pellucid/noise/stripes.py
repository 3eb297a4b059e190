"""Stripes and banding along rows or columns, as uneven sensor lines and scanners leave them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import deviation, drawn, per_sample, range_between
from pellucid.noise.random_fields import lines

DIRECTIONS = ("horizontal", "vertical", "both")


@dataclass(frozen=True)
class Stripes:
    """`noisy = clean + sigma * s`, s ~ N(0, 1) for every row or column, the same all along it and in all channels.

    Attributes:
        sigma: standard deviation in [0, 1] units, or (low, high): then each sample's is drawn from U[low, high).
        width: how many pixels apart the stripes' brightness is independent, or (low, high), drawn uniformly in its
            logarithm: at 1 neighbouring lines have little in common, 30 makes broad bands.
        direction: horizontal, vertical, or both, which crosses two sets of stripes of sigma / sqrt(2) each.

    The level is the RMS deviation measured, one a sample: an image has too few lines for sigma to be it.
    """

    sigma: float | tuple[float, float] = 0.1
    width: float | tuple[float, float] = 1.0
    direction: str = "horizontal"

    def __post_init__(self) -> None:
        """Refuse levels that cannot be in [0, 1] units, widths below a pixel, and unknown directions."""
        sigma = range_between("sigma", self.sigma, 0, 4, "give it in [0, 1] units (25 of 255 is 0.098)")
        object.__setattr__(self, "sigma", sigma)
        object.__setattr__(self, "width", range_between("width", self.width, 1, 1000, "give a width in pixels"))
        if self.direction not in DIRECTIONS:
            raise ValueError(f"direction={self.direction!r} is none: choose {', '.join(DIRECTIONS)}")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS deviation (N,)."""
        wide = clean.to(torch.promote_types(clean.dtype, torch.float32))
        sigma, width = drawn(self.sigma, wide, generator), drawn(self.width, wide, generator, log=True)
        height, length = wide.shape[-2:]
        noise = torch.zeros_like(wide[:, :1])
        if self.direction != "vertical":
            noise = noise + lines(width, height, generator)[:, None, :, None]
        if self.direction != "horizontal":
            noise = noise + lines(width, length, generator)[:, None, None, :]
        share = 0.5**0.5 if self.direction == "both" else 1.0
        noisy = torch.addcmul(wide, noise, per_sample(sigma), value=share)
        return noisy.to(clean.dtype), deviation(noisy, wide).to(clean.dtype)
