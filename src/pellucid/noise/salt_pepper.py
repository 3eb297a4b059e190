"""Salt-and-pepper noise: a random fraction of the values becomes 0 or 1, with equal probability."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import set_number


@dataclass(frozen=True)
class SaltPepper:
    """`noisy` = 0 with probability fraction / 2, 1 with probability fraction / 2, else `clean`; independent per value.

    Attributes:
        fraction: the probability in [0, 1] that a value is replaced.

    The noise level is the RMS difference expected for each image: sqrt(fraction / 2 * mean(clean² + (1 - clean)²)).
    """

    fraction: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a number that is no probability."""
        set_number(self, "fraction", 0, 1, "give the fraction of values to replace (0.1 is a tenth)")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its expected RMS difference (N,)."""
        draw = torch.rand(clean.shape, generator=generator, device=clean.device)
        half = self.fraction / 2
        noisy = clean.masked_fill(draw < half, 0).masked_fill_((draw >= half) & (draw < self.fraction), 1)
        energy = (clean.square() + (1 - clean).square()).flatten(1).mean(1)
        return noisy, energy.mul_(half).sqrt_()
