"""Noise2Void: predict hidden noisy pixels from their surroundings; a wider mask serves correlated noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from pellucid.errors import UsageError
from pellucid.objectives.batch import Loss, TrainingBatch, prepared

REPLACEMENTS = ("median", "uniform")


@dataclass(frozen=True)
class Noise2Void:
    """The loss at hidden pixels alone (Krull et al., CVPR 2019): the network cannot predict their noise.

    One pixel of every cell of the image is hidden, in all channels: a value from its surroundings replaces it, and its
    noisy value is the target. The noise must be independent from pixel to pixel. If it is not along rows
    or columns, the adjacent pixels there are hidden too (structN2V, Broaddus et al., ISBI 2020). No hidden value
    replaces another one.

    The loss gets the hidden pixels as a small image, (N, C, h, w), with one pixel per cell.

    Attributes:
        cell: side of the cells in pixels; 8 hides one pixel in 64.
        replacement: "uniform" for a random pixel of the surroundings, or their "median" (N2V2, Höck et al., ECCVW
            2022), which trains better but needs a network without a residual connection: one that adds to its input
            learns to trust the median.
        struct: how many pixels are hidden on the left and right of each one, and how many above and below it.
        radius: of the surroundings, in pixels.
    """

    needs_labels: ClassVar[bool] = False
    cell: int = 8
    replacement: str = "uniform"
    struct: Sequence[int] = (0, 0)
    radius: int = 5

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown replacement, or a mask that is out of range or hides too much."""
        if self.replacement not in REPLACEMENTS:
            raise ValueError(f"replacement = {self.replacement!r} is unknown: choose one of {', '.join(REPLACEMENTS)}")
        if self.radius < 1 or self.cell < 2:
            raise ValueError(f"radius = {self.radius}, cell = {self.cell}: give 1 or more, and 2 or more")
        if isinstance(self.struct, str) or len(self.struct) != 2 or min(self.struct) < 0:
            raise ValueError(f"struct = {self.struct!r}: give two numbers of pixels, such as [4, 0]")
        object.__setattr__(self, "struct", tuple(self.struct))
        hidden = (2 * self.struct[0] + 1) * (2 * self.struct[1] + 1)
        if 4 * hidden > self.cell**2:
            min_cell = next(side for side in range(2, 2 * hidden + 2) if 4 * hidden <= side**2)
            raise ValueError(
                f"struct = {list(self.struct)} hides {hidden} of {self.cell**2} pixels: give cell = {min_cell} or more"
            )

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch.

        Raises:
            UsageError: without a loss, or for medians and a network with a residual connection.
        """
        predict, loss = prepared("noise2void", model, loss)
        if self.replacement == "median" and getattr(model, "residual", False):
            raise UsageError(
                'noise2void with replacement = "median" needs a network without a residual: set model.residual = '
                'false, or replacement = "uniform"'
            )
        rows, columns = random_positions(batch.noisy, self.cell, batch.generator)
        masked = self.hide(batch.noisy, rows, columns, batch.generator)
        predicted = predict(masked, batch.sigma)
        return loss(at_positions(predicted, rows, columns), at_positions(batch.noisy, rows, columns))

    def hide(self, images: Tensor, rows: Tensor, columns: Tensor, generator: Generator | None) -> Tensor:
        """Return images (N, C, H, W) whose pixels at `rows`, `columns`, both (N, h, w), are replaced, `struct` too.

        The new values depend on no hidden value.
        """
        hidden = self._hidden_mask(images, rows, columns)
        positions = hidden.nonzero()
        across, down = (self.radius + extent for extent in self.struct)
        around = _surroundings(positions, across, down, images.shape)
        is_hidden = hidden[around]
        pixels = images.movedim(1, -1)
        if self.replacement == "median":
            # Of an even number of values this is the lower middle one, which is close enough.
            values = pixels[around].masked_fill(is_hidden[..., None], torch.nan).nanmedian(dim=1).values
        else:
            random_keys = torch.rand(is_hidden.shape, generator=generator, device=images.device)
            chosen = random_keys.masked_fill(is_hidden, -1).argmax(dim=1, keepdim=True)
            sample, y, x = (part.expand_as(is_hidden).gather(1, chosen)[:, 0] for part in around)
            values = pixels[sample, y, x]
        return pixels.index_put(tuple(positions.unbind(1)), values).movedim(-1, 1)

    def _hidden_mask(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return which pixels are hidden, (N, H, W)."""
        hidden = torch.zeros_like(images[:, 0], dtype=torch.bool)
        sample = torch.arange(len(images), device=images.device).view(-1, 1, 1)
        across, down = self.struct
        height, width = images.shape[-2:]
        for y in range(-down, down + 1):
            for x in range(-across, across + 1):
                hidden[sample, (rows + y).clamp(0, height - 1), (columns + x).clamp(0, width - 1)] = True
        return hidden


def random_positions(images: Tensor, cell: int, generator: Generator | None) -> tuple[Tensor, Tensor]:
    """Return the row and column, each (N, h, w), of one random pixel in every cell of images (N, C, H, W).

    The image is divided into h x w equal cells, about `cell` pixels wide and high.
    """
    count, _, *sides = images.shape
    h, w = (max(1, round(side / cell)) for side in sides)
    positions = []
    for side, parts, shape in zip(sides, (h, w), ((h, 1), (1, w)), strict=True):
        index = torch.arange(parts, device=images.device).view(shape)
        offset = torch.rand(count, h, w, generator=generator, device=images.device)
        positions.append(((index + offset) * (side / parts)).long().clamp(max=side - 1))
    return positions[0], positions[1]


def at_positions(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the pixels (N, C, h, w) of images (N, C, H, W) at `rows` and `columns`, both (N, h, w)."""
    index = (rows * images.shape[-1] + columns).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).unflatten(2, rows.shape[1:])


def _surroundings(positions: Tensor, across: int, down: int, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    """Return sample, row and column, which broadcast to (M, K), of the K pixels around each of `positions` (M, 3)."""
    y = torch.arange(-down, down + 1, device=positions.device).repeat_interleave(2 * across + 1)
    x = torch.arange(-across, across + 1, device=positions.device).repeat(2 * down + 1)
    sample, row, column = positions[..., None].unbind(1)
    return sample.expand(-1, len(y)), (row + y).clamp(0, shape[-2] - 1), (column + x).clamp(0, shape[-1] - 1)
