"""Encoder-decoder with skip connections (residual blocks, any depth)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from pellucid.models.base import Model, positive, positive_list
from pellucid.models.layers import SameConv, channels_last
from pellucid.spec import InputSpec


class UNet(Model):
    """Residual blocks at halving sizes, and back up with the skips added (after Ronneberger et al. 2015, DRUNet 2021).

    Sizes halve rounding up and double with a crop, so that images of any size fit.
    """

    has_skips = True

    def __init__(
        self,
        channels: int = 1,
        widths: Sequence[int] = (16, 32, 64),
        blocks: int = 1,
        output: str = "none",
        residual: bool = True,
        condition: bool = False,
    ) -> None:
        """Build the network.

        Args:
            channels: of the images.
            widths: channels per level; each level after the first halves the size.
            blocks: residual blocks per level, on the way down and again on the way up.
            output: sigmoid, relu or none.
            residual: whether the network predicts the noise, and the logits are noisy minus it (Zhang et al. 2017).
            condition: whether the noise level is an extra input channel; a call without it counts as level 0.

        Raises:
            ValueError: for an option out of range.
        """
        widths = positive_list("widths", widths)
        options = {"channels": positive("channels", channels), "widths": widths, "blocks": positive("blocks", blocks)}
        options |= {"output": output, "residual": bool(residual), "condition": bool(condition)}
        super().__init__(options, InputSpec(channels=(channels,)), output)
        if residual and output == "sigmoid":
            raise ValueError(
                'residual = true cannot go with output = "sigmoid": set residual = false or output = "none"'
            )
        self.residual = residual
        self.condition = condition
        self.head = SameConv(channels + condition, widths[0], 3)
        self.encoder = nn.ModuleList(_level(width, blocks) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(_level(width, blocks) for width in widths[:-1])
        self.tail = SameConv(widths[0], channels, 3)

    def encode(self, noisy: Tensor, sigma: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """Return (the deepest features, [the noisy images, then each level's skip from the finest]).

        `sigma` is the level (N,) or a map (N, 1, H, W), in [0, 1] units; it is used when the network is conditional.
        """
        code = self.head(channels_last(_with_level(noisy, sigma) if self.condition else noisy))
        skips = [noisy]
        for level, down in zip(self.encoder, self.down, strict=False):
            code = level(code)
            skips.append(code)
            code = down(code)
        return self.encoder[-1](code), skips

    def decode(self, code: tuple[Tensor, list[Tensor]], size: tuple[int, int]) -> Tensor:
        """Return the logits (N, C, H, W) of `encode`'s pair; the skips know the sizes."""
        image, (noisy, *skips) = code
        for up, level, skip in zip(reversed(self.up), reversed(self.decoder), reversed(skips), strict=True):
            doubled = functional.pixel_shuffle(up(image), 2)
            image = level(skip + doubled[..., : skip.shape[-2], : skip.shape[-1]])
        image = self.tail(image)
        return noisy - image if self.residual else image


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a ReLU ahead of the second, added to their input."""

    def __init__(self, width: int) -> None:
        """Build the block for `width` channels."""
        super().__init__()
        self.first = SameConv(width, width, 3)
        self.second = SameConv(width, width, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Keep the shape (N, width, H, W)."""
        return image + self.second(functional.relu(self.first(image), inplace=True))


def _level(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))


def _with_level(noisy: Tensor, sigma: Tensor | None) -> Tensor:
    shape = (noisy.shape[0], 1, noisy.shape[2], noisy.shape[3])
    if sigma is None:
        level = noisy.new_zeros(shape)
    else:
        level = sigma.to(noisy.dtype).reshape(-1, 1, 1, 1) if sigma.ndim == 1 else sigma.to(noisy.dtype)
    return torch.cat([noisy, level.expand(shape)], dim=1)
