"""Estimator of the noise level of a patch and of its uncertainty."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from pellucid.input_spec import InputSpec
from pellucid.models.base import positive, positive_list
from pellucid.models.layers import channels_last


class NoiseLevel(nn.Module):
    """Noisy patches (N, C, H, W) in [0, 1] to (sigma, log_std), each (N,).

    Every position of the patch votes for ln(sigma + 0.5 / 255), and another output of the network is the weight of the
    vote: in flat areas, noise and texture are easier to distinguish. Unlike estimates from the finest differences
    (Donoho and Johnstone 1994), this detects noise that is correlated from pixel to pixel.

    Attributes:
        options: the constructor's arguments, all filled in, as JSON values; they rebuild the same network.
        input_spec: the patches that it takes.
        sigma_offset: added to sigma before the logarithm, so that the logarithm of no noise is finite.
    """

    task: ClassVar[str] = "estimate"
    has_skips: ClassVar[bool] = False
    sigma_offset: ClassVar[float] = 0.5 / 255

    def __init__(self, channels: int = 3, widths: Sequence[int] = (24, 40, 64)) -> None:
        """Build the network.

        Args:
            channels: of the patches.
            widths: channels per level, two 3x3 convolutions each; each level after the first halves the size.

        Raises:
            ValueError: for an option out of range.
        """
        super().__init__()
        widths = positive_list("widths", widths)
        self.options = {"channels": positive("channels", channels), "widths": widths}
        self.input_spec = InputSpec((channels,), minimum_size=8)
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise([channels, *widths])):
            layers += [nn.Conv2d(before, after, 3, 2 if number else 1, 1), nn.ReLU()]
            layers += [nn.Conv2d(after, after, 3, padding=1), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.votes = nn.Conv2d(widths[-1], 3, 1)

    def forward(self, noisy: Tensor) -> tuple[Tensor, Tensor]:
        """Return sigma (N,) in [0, 1] units, at least 0, and the standard deviation (N,) of its logarithm."""
        log_sigma, log_std = self.logarithms(noisy)
        return (log_sigma.exp() - self.sigma_offset).clamp(min=0), log_std.exp()

    def logarithms(self, noisy: Tensor) -> tuple[Tensor, Tensor]:
        """Return ln(sigma + `sigma_offset`) and the logarithm of its standard deviation, each (N,), float32."""
        votes = self.votes(self.features(channels_last(noisy))).float().flatten(2)
        weights = functional.softmax(votes[:, 0], dim=1)
        logarithm = (weights * votes[:, 1]).sum(1) - 3
        return logarithm, (weights * votes[:, 2]).sum(1).clamp(-5, 2)
