"""Random fields for noise models: smooth waves, creases, lines and discs with uneven rims, and Gaussian filters."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from pellucid.noise.options import per_sample, sample_uniform

MIN_BLUR = 0.05


def between(low: float, high: float, like: Tensor, generator: torch.Generator, log: bool = False) -> Tensor:
    """Return one number for each image of `like` (N, ...), (N, 1, 1, 1), from U[low, high), or log-uniform."""
    return per_sample(sample_uniform((low, high), like, generator, log))


def waves(period: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return smooth isotropic random fields (N, 1, height, width), each value N(0, 1).

    Values a few periods apart are independent: a cubic B-spline has normally distributed knots at the distance
    `period`, (N, 1, 1, 1) in pixels and at least 1.
    """
    rows, columns = (_spline(period, length, generator) for length in (height, width))
    knots = torch.randn(
        (len(period), rows.shape[2], columns.shape[2]), generator=generator, dtype=period.dtype, device=period.device
    )
    return (rows @ knots @ columns.transpose(1, 2))[:, None]


def lines(period: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Return smooth random lines (N, length), each value N(0, 1), with knots as those of `waves`."""
    weights = _spline(period, length, generator)
    knots = torch.randn((*weights.shape[::2], 1), generator=generator, dtype=period.dtype, device=period.device)
    return (weights @ knots)[..., 0]


def _spline(period: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Return the weights (N, length, K) of K knots at each position; the squares of its weights add up to 1."""
    period = period.view(-1, 1, 1).clamp(min=1)
    count = math.ceil(length / period.min().item()) + 4
    like = {"dtype": period.dtype, "device": period.device}
    shift = torch.rand((len(period), 1, 1), generator=generator, **like)
    positions = torch.arange(length, **like).view(1, -1, 1) / period + shift
    distance = (positions + 1 - torch.arange(count, **like)).abs()
    near, far = 2 / 3 - distance.square() * (1 - distance / 2), (2 - distance).clamp(min=0).pow(3) / 6
    weights = torch.where(distance < 1, near, far)
    return weights / weights.norm(dim=2, keepdim=True)


def creases(period: Tensor, facets: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return the shading of a crumpled surface, (N, 1, height, width), with mean and standard deviation about 0 and 1.

    The surface is the maximum of `facets` smooth ones, so that it has creases where they meet. The light comes from a
    random side, and the shading is the slope towards it.
    """
    surface = waves(period, height + 1, width + 1, generator)
    for _ in range(facets - 1):
        surface = torch.maximum(surface, waves(period, height + 1, width + 1, generator))
    angle = between(0, 2 * math.pi, period, generator)
    corner = surface[..., :-1, :-1]
    down, right = surface[..., 1:, :-1] - corner, surface[..., :-1, 1:] - corner
    return (down * angle.sin() + right * angle.cos()) * period


def pixel_positions(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows (H, 1) and the columns (1, W) of images (N, C, H, W) as floats."""
    height, width = like.shape[-2:]
    kind = {"dtype": like.dtype, "device": like.device}
    return torch.arange(height, **kind)[:, None], torch.arange(width, **kind)


def across(like: Tensor, angle: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the signed distances (N, 1, H, W) from, and the positions along, a line through a random point of images.

    The line runs at `angle`, (N, 1, 1, 1) in radians, to the rows.
    """
    rows, columns = pixel_positions(like)
    row, column = (between(0, length, like, generator) for length in like.shape[-2:])
    sine, cosine = angle.sin(), angle.cos()
    down, right = rows - row, columns - column
    return down * cosine - right * sine, down * sine + right * cosine


def outside(like: Tensor, radius: Tensor, roughness: Tensor, generator: torch.Generator) -> Tensor:
    """Return the signed distances (N, 1, H, W) from the rims of discs, negative inside.

    Each disc contains a random point of its image or has it on its rim. Along the rim, the relative change of `radius`,
    (N, 1, 1, 1) in pixels, has the standard deviation `roughness`.
    """
    rows, columns = pixel_positions(like)
    angle, offset = between(0, 2 * math.pi, like, generator), between(0, 1, like, generator).sqrt()
    row, column = (between(0, length, like, generator) for length in like.shape[-2:])
    down = rows - row - radius * offset * angle.sin()
    right = columns - column - radius * offset * angle.cos()
    height, width = like.shape[-2:]
    uneven = waves(radius * 0.7, height, width, generator) + 0.3 * waves(radius * 0.15, height, width, generator)
    return (down.square() + right.square()).sqrt() - radius * (1 + roughness * uneven)


def gaussian_blur(images: Tensor, std: Tensor) -> Tensor:
    """Return images (N, C, H, W), each blurred by a Gaussian of standard deviation `std` (N, 1, 1, 1) in pixels.

    The border is replicated, so that flat images stay flat.
    """
    radius = math.ceil(3 * std.max().item())
    if radius == 0:
        return images
    padded = functional.pad(images, (radius,) * 4, mode="replicate")
    return convolve_gaussian(padded, std, radius, keep="mean")


def convolve_gaussian(padded: Tensor, std: Tensor, radius: int, keep: Literal["mean", "std"]) -> Tensor:
    """Convolve each image with its own Gaussian kernel.

    Args:
        padded: (N, C, H + 2 * radius, W + 2 * radius).
        std: the standard deviations of the kernels in pixels, N values.
        radius: of the kernels in pixels.
        keep: `mean` makes the sum of each kernel 1, `std` its norm, which keeps the standard deviation of white noise.

    Returns:
        (N, C, H, W).
    """
    if radius == 0:
        return padded
    count, channels, height, width = padded.shape
    taps = torch.arange(-radius, radius + 1, dtype=padded.dtype, device=padded.device)
    kernels = torch.exp(-0.5 * (taps / std.view(-1, 1).clamp(min=MIN_BLUR)).square())
    total = kernels.sum(dim=1, keepdim=True) if keep == "mean" else kernels.norm(dim=1, keepdim=True)
    weights = (kernels / total).repeat_interleave(channels, 0)[:, None]
    planes = padded.reshape(1, count * channels, height, width)
    planes = functional.conv2d(planes, weights[:, :, :, None], groups=count * channels)
    planes = functional.conv2d(planes, weights[:, :, None, :], groups=count * channels)
    return planes.reshape(count, channels, height - 2 * radius, width - 2 * radius)
