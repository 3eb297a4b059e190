"""Encoder-decoder with skip connections (residual blocks, any depth)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from pellucid.input_spec import InputSpec
from pellucid.models.base import Model, positive, positive_list
from pellucid.models.layers import SameConv, channels_last


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
        shuffle: int = 1,
        negative_slope: float = 0.0,
        centered: bool = False,
    ) -> None:
        """Build the network.

        Args:
            channels: of the images.
            widths: channels per level; each level after the first halves the size.
            blocks: residual blocks per level, on the way down and again on the way up.
            output: sigmoid, relu or none.
            residual: whether the network predicts the noise, and the logits are noisy minus it (Zhang et al. 2017).
            condition: whether the noise level sigma is an extra input channel. A residual is then predicted in units of
                sigma, so that sigma 0, also the default of `forward`, returns the input exactly.
            shuffle: the factor of a pixel unshuffle before the first convolution and a pixel shuffle after the last
                (FFDNet, Zhang et al. 2018); with 2, everything between has a quarter of the size.
            negative_slope: of the leaky ReLU in the blocks (Maas et al. 2013). With 0, channels whose input is never
                above 0 stop learning; at high learning rates this has happened to whole levels.
            centered: whether the first convolution gets the image less 0.5, so that brightness alone moves no feature
                far from 0, and learning is faster.

        Raises:
            ValueError: for an option out of range.
        """
        widths = positive_list("widths", widths)
        options = {"channels": positive("channels", channels), "widths": widths, "blocks": positive("blocks", blocks)}
        options |= {"output": output, "residual": bool(residual), "condition": bool(condition)}
        options |= {"shuffle": positive("shuffle", shuffle), "centered": bool(centered)}
        options["negative_slope"] = _check_slope(negative_slope)
        super().__init__(options, InputSpec((channels,), shuffle * 2 ** (len(widths) - 1)), output)
        if residual and output == "sigmoid":
            raise ValueError(
                'residual = true cannot go with output = "sigmoid": set residual = false or output = "none"'
            )
        self.residual = residual
        self.condition = condition
        self.shuffle = shuffle
        self.centered = centered
        self.head = SameConv(channels * shuffle**2 + condition, widths[0], 3)
        self.encoder = nn.ModuleList(_level(width, blocks, negative_slope) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(_level(width, blocks, negative_slope) for width in widths[:-1])
        self.tail = SameConv(widths[0], channels * shuffle**2, 3)

    def encode(self, noisy: Tensor, sigma: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """Return (the deepest features, [the noisy images, their sigma map, the skip of each level from the finest]).

        `sigma` is the noise level (N,) or a map of it (N, 1, H, W), in [0, 1] units; conditional networks use it.
        """
        sigma_map = _as_map(sigma, noisy)
        code = self.head(channels_last(self._head_input(noisy, sigma_map)))
        skips = [noisy, sigma_map]
        for block, down in zip(self.encoder, self.down, strict=False):
            code = block(code)
            skips.append(code)
            code = down(code)
        return self.encoder[-1](code), skips

    def decode(self, code: tuple[Tensor, list[Tensor]], size: tuple[int, int]) -> Tensor:
        """Return the logits (N, C, H, W) of `encode`'s pair; the skips know the sizes."""
        image, (noisy, sigma_map, *skips) = code
        for up, block, skip in zip(reversed(self.up), reversed(self.decoder), reversed(skips), strict=True):
            doubled = functional.pixel_shuffle(up(image), 2)
            image = block(skip + _crop_to(doubled, skip))
        image = self.tail(image)
        if self.shuffle > 1:
            image = _crop_to(functional.pixel_shuffle(image, self.shuffle), noisy)
        if not self.residual:
            return image
        return noisy - image.float() * sigma_map if self.condition else noisy - image

    def _head_input(self, noisy: Tensor, sigma_map: Tensor) -> Tensor:
        """Return the input of the first convolution: unshuffled pixels, and for conditional networks the sigma map."""
        image = noisy - 0.5 if self.centered else noisy
        if self.shuffle > 1:
            rows, columns = (-length % self.shuffle for length in noisy.shape[-2:])
            if rows or columns:
                image, sigma_map = (
                    functional.pad(part, (0, columns, 0, rows), mode="replicate") for part in (image, sigma_map)
                )
            image = functional.pixel_unshuffle(image, self.shuffle)
            sigma_map = sigma_map[..., :: self.shuffle, :: self.shuffle]
        return torch.cat([image, sigma_map], dim=1) if self.condition else image


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a ReLU ahead of the second, added to their input."""

    def __init__(self, width: int, negative_slope: float = 0.0) -> None:
        """Build the block for `width` channels; `negative_slope` is that of the leaky ReLU."""
        super().__init__()
        self.negative_slope = negative_slope
        self.first = SameConv(width, width, 3)
        self.second = SameConv(width, width, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Keep the shape (N, width, H, W)."""
        inner = self.first(image)
        slope = self.negative_slope
        rectified = functional.leaky_relu(inner, slope, inplace=True) if slope else functional.relu_(inner)
        return image + self.second(rectified)


def _level(width: int, blocks: int, negative_slope: float) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width, negative_slope) for _ in range(blocks)))


def _check_slope(slope: float) -> float:
    if isinstance(slope, bool) or not isinstance(slope, int | float) or not 0 <= slope < 1:
        raise ValueError(f"negative_slope is {slope!r}: give a number from 0 to below 1, such as 0.1")
    return float(slope)


def _crop_to(image: Tensor, like: Tensor) -> Tensor:
    """Return the top left part of an image in the size of `like`, or the image itself."""
    rows, columns = like.shape[-2:]
    return image if image.shape[-2:] == (rows, columns) else image[..., :rows, :columns]


def _as_map(sigma: Tensor | None, like: Tensor) -> Tensor:
    """Return sigma as a map (N, 1, H, W), zeros if it is None."""
    shape = (like.shape[0], 1, like.shape[2], like.shape[3])
    if sigma is None:
        return like.new_zeros(shape)
    values = sigma.to(like.dtype)
    return (values.reshape(-1, 1, 1, 1) if values.ndim == 1 else values).expand(shape)
