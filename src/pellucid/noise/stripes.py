"""Stripes and banding along rows or columns, as uneven sensor lines and scanners leave them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import IN_UNIT_RANGE, per_sample, sample_uniform, set_range, widen, with_measured_sigma
from pellucid.noise.random_fields import lines

DIRECTIONS = ("horizontal", "vertical", "both")


@dataclass(frozen=True)
class Stripes:
    """`noisy = clean + sigma * s`, s ~ N(0, 1) for every row or column, the same all along it and in all channels.

    Attributes:
        sigma: standard deviation in [0, 1] units, or (low, high): then each image's is sampled from U[low, high).
        width: the distance in pixels at which stripes become independent, or (low, high), sampled log-uniformly: at 1
            adjacent lines have little in common, 30 makes broad bands.
        direction: horizontal, vertical, or both, which crosses two sets of stripes of sigma / sqrt(2) each.

    The noise level is the measured RMS difference of each image, which has too few lines for sigma to be exact.
    """

    sigma: float | tuple[float, float] = 0.1
    width: float | tuple[float, float] = 1.0
    direction: str = "horizontal"

    def __post_init__(self) -> None:
        """Refuse a sigma that cannot be in [0, 1] units, widths below a pixel, and unknown directions."""
        set_range(self, "sigma", 0, 4, IN_UNIT_RANGE)
        set_range(self, "width", 1, 1000, "give a width in pixels")
        if self.direction not in DIRECTIONS:
            raise ValueError(f"direction={self.direction!r} is unknown: choose {', '.join(DIRECTIONS)}")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS difference (N,)."""
        wide = widen(clean)
        sigma, width = (
            sample_uniform(self.sigma, wide, generator),
            sample_uniform(self.width, wide, generator, log=True),
        )
        height, length = wide.shape[-2:]
        noise = torch.zeros_like(wide[:, :1])
        if self.direction != "vertical":
            noise = noise + lines(width, height, generator)[:, None, :, None]
        if self.direction != "horizontal":
            noise = noise + lines(width, length, generator)[:, None, None, :]
        factor = 0.5**0.5 if self.direction == "both" else 1.0
        noisy = torch.addcmul(wide, noise, per_sample(sigma), value=factor)
        return with_measured_sigma(noisy, wide, clean.dtype)
