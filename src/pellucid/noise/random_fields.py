"""Random fields that document noise is made of: smooth waves, creased relief, lines and discs with uneven rims."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from pellucid.noise.options import per_sample

WEAKEST_BLUR = 0.05


def between(low: float, high: float, like: Tensor, generator: torch.Generator, log: bool = False) -> Tensor:
    """Return one number a sample, (N, 1, 1, 1) for `like` (N, ...), drawn from U[low, high), or its logarithm so."""
    numbers = torch.empty(len(like), dtype=like.dtype, device=like.device)
    if log:
        return per_sample(numbers.uniform_(math.log(low), math.log(high), generator=generator).exp_())
    return per_sample(numbers.uniform_(low, high, generator=generator))


def waves(period: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return smooth random fields (N, 1, height, width), each value N(0, 1), without a direction of their own.

    Values a few periods apart are independent: a cubic B-spline runs through normal draws one `period`, (N, 1, 1, 1)
    in pixels and at least 1, apart.
    """
    rows, columns = (_spline(period, length, generator) for length in (height, width))
    knots = torch.randn(
        (len(period), rows.shape[2], columns.shape[2]), generator=generator, dtype=period.dtype, device=period.device
    )
    return (rows @ knots @ columns.transpose(1, 2))[:, None]


def lines(period: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Return the same in one direction, (N, length)."""
    weights = _spline(period, length, generator)
    knots = torch.randn((*weights.shape[::2], 1), generator=generator, dtype=period.dtype, device=period.device)
    return (weights @ knots)[..., 0]


def _spline(period: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Return the weights (N, length, K) of K knots at each place, the squares of a place's weights adding up to 1."""
    period = period.view(-1, 1, 1).clamp(min=1)
    count = math.ceil(length / period.min().item()) + 4
    like = {"dtype": period.dtype, "device": period.device}
    shift = torch.rand((len(period), 1, 1), generator=generator, **like)
    places = torch.arange(length, **like).view(1, -1, 1) / period + shift
    distance = (places + 1 - torch.arange(count, **like)).abs()
    near, far = 2 / 3 - distance.square() * (1 - distance / 2), (2 - distance).clamp(min=0).pow(3) / 6
    weights = torch.where(distance < 1, near, far)
    return weights / weights.norm(dim=2, keepdim=True)


def creased(period: Tensor, facets: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return how brightly a crumpled surface is lit, (N, 1, height, width), about 0 and of a deviation about 1.

    The surface is the upper envelope of so many smooth ones, so that it has creases where they meet. The light comes
    from one side, at random, and what counts is the slope towards it.
    """
    surface = waves(period, height + 1, width + 1, generator)
    for _ in range(facets - 1):
        surface = torch.maximum(surface, waves(period, height + 1, width + 1, generator))
    angle = between(0, 2 * math.pi, period, generator)
    corner = surface[..., :-1, :-1]
    down, right = surface[..., 1:, :-1] - corner, surface[..., :-1, 1:] - corner
    return (down * angle.sin() + right * angle.cos()) * period


def places(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows (H, 1) and the columns (1, W) of images (N, C, H, W) as floats."""
    height, width = like.shape[-2:]
    kind = {"dtype": like.dtype, "device": like.device}
    return torch.arange(height, **kind)[:, None], torch.arange(width, **kind)


def across(like: Tensor, angle: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the signed distances (N, 1, H, W) from, and the places along, a line through a random point of images.

    The line of the sample runs at `angle`, (N, 1, 1, 1) in radians, to the columns.
    """
    rows, columns = places(like)
    row, column = (between(0, length, like, generator) for length in like.shape[-2:])
    sine, cosine = angle.sin(), angle.cos()
    down, right = rows - row, columns - column
    return down * cosine - right * sine, down * sine + right * cosine


def outside(like: Tensor, radius: Tensor, roughness: Tensor, generator: torch.Generator) -> Tensor:
    """Return the signed distances (N, 1, H, W) from the rims of discs, negative inside.

    Each disc contains a random point of its image or has it on its rim; `radius` (N, 1, 1, 1) in pixels is changed
    along the rim by a share of it that has the deviation `roughness`.
    """
    rows, columns = places(like)
    angle, share = between(0, 2 * math.pi, like, generator), between(0, 1, like, generator).sqrt()
    row, column = (between(0, length, like, generator) for length in like.shape[-2:])
    down = rows - row - radius * share * angle.sin()
    right = columns - column - radius * share * angle.cos()
    height, width = like.shape[-2:]
    uneven = waves(radius * 0.7, height, width, generator) + 0.3 * waves(radius * 0.15, height, width, generator)
    return (down.square() + right.square()).sqrt() - radius * (1 + roughness * uneven)


def blurred(images: Tensor, blur: Tensor) -> Tensor:
    """Return images (N, C, H, W), each blurred by a Gaussian of standard deviation `blur` (N, 1, 1, 1) in pixels.

    The border is replicated, so that what is flat stays flat.
    """
    reach = math.ceil(3 * blur.max().item())
    if reach == 0:
        return images
    count, channels, height, _ = images.shape
    taps = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernels = torch.exp(-0.5 * (taps / blur.view(-1, 1).clamp(min=WEAKEST_BLUR)).square())
    weights = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(channels, 0)[:, None]
    planes = functional.pad(images, (reach,) * 4, mode="replicate").view(1, count * channels, height + 2 * reach, -1)
    planes = functional.conv2d(planes, weights[:, :, :, None], groups=count * channels)
    planes = functional.conv2d(planes, weights[:, :, None, :], groups=count * channels)
    return planes.view_as(images)
