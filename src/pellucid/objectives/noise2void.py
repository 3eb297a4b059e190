"""Hidden pixels towards their noisy values, told by their surroundings alone; a wider mask for correlated noise."""

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
    """The loss at hidden pixels alone (Krull et al., CVPR 2019): what cannot be seen there is the noise.

    One pixel of every cell of the image is hidden, with its channels together: a value from the surroundings stands in
    its place, and the network is asked for the noisy one. That takes noise whose value at one pixel says nothing of
    its value at others. Where it does along rows or columns, its neighbours there are hidden too (structN2V, Broaddus
    et al., ISBI 2020). No hidden pixel's value gets to the network on another's behalf.

    The loss sees the hidden pixels as a small image, (N, C, h, w), one a cell.

    Attributes:
        cell: side of the cells in pixels; 8 hides one pixel in 64.
        replacement: a `uniform` draw from the surroundings, or their `median` (N2V2, Höck et al., ECCVW 2022), which
            trains better but wants a network without a residual: one that adds to its input learns to trust the median.
        struct: how many pixels are hidden with each one to its left and right, and above and below it.
        radius: how far the surroundings reach, in pixels.
    """

    needs_labels: ClassVar[bool] = False
    cell: int = 8
    replacement: str = "uniform"
    struct: Sequence[int] = (0, 0)
    radius: int = 5

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown replacement, or a mask that is out of range or leaves too little to see."""
        if self.replacement not in REPLACEMENTS:
            raise ValueError(f"replacement = {self.replacement!r} is unknown: choose one of {', '.join(REPLACEMENTS)}")
        if self.radius < 1 or self.cell < 2:
            raise ValueError(f"radius = {self.radius}, cell = {self.cell}: give 1 or more, and 2 or more")
        if isinstance(self.struct, str) or len(self.struct) != 2 or min(self.struct) < 0:
            raise ValueError(f"struct = {self.struct!r}: give two numbers of pixels, such as [4, 0]")
        object.__setattr__(self, "struct", tuple(self.struct))
        hidden = (2 * self.struct[0] + 1) * (2 * self.struct[1] + 1)
        if 4 * hidden > self.cell**2:
            least = next(side for side in range(2, 2 * hidden + 2) if 4 * hidden <= side**2)
            raise ValueError(
                f"struct = {list(self.struct)} hides {hidden} of {self.cell**2} pixels: give cell = {least} or more"
            )

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch.

        Raises:
            UsageError: without a loss, or for medians and a network with a residual.
        """
        predict, loss = prepared("noise2void", model, loss)
        if self.replacement == "median" and getattr(model, "residual", False):
            raise UsageError(
                'noise2void with replacement = "median" needs a network without a residual: set model.residual = '
                'false, or replacement = "uniform"'
            )
        rows, columns = drawn_places(batch.noisy, self.cell, batch.drawn)
        shown = self.hide(batch.noisy, rows, columns, batch.drawn)
        predicted = predict(shown, batch.sigma)
        return loss(at_places(predicted, rows, columns), at_places(batch.noisy, rows, columns))

    def hide(self, images: Tensor, rows: Tensor, columns: Tensor, drawn: Generator | None) -> Tensor:
        """Return images (N, C, H, W) whose pixels at `rows`, `columns`, both (N, h, w), are replaced, `struct` too.

        What replaces them depends on no hidden pixel's value.
        """
        hidden = self._covered(images, rows, columns)
        where = hidden.nonzero()
        across, down = (self.radius + extent for extent in self.struct)
        around = _window(where, across, down, images.shape)
        taken = hidden[around]
        pixels = images.movedim(1, -1)
        if self.replacement == "median":
            # Of an even number this takes the lower middle one: next to nothing off, for it is one of many.
            values = pixels[around].masked_fill(taken[..., None], torch.nan).nanmedian(dim=1).values
        else:
            lots = torch.rand(taken.shape, generator=drawn).to(images.device).masked_fill(taken, -1)
            chosen = lots.argmax(dim=1, keepdim=True)
            sample, y, x = (part.expand_as(taken).gather(1, chosen)[:, 0] for part in around)
            values = pixels[sample, y, x]
        return pixels.index_put(tuple(where.unbind(1)), values).movedim(-1, 1)

    def _covered(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return which pixels are hidden, (N, H, W)."""
        hidden = torch.zeros_like(images[:, 0], dtype=torch.bool)
        sample = torch.arange(len(images), device=images.device).view(-1, 1, 1)
        across, down = self.struct
        height, width = images.shape[-2:]
        for y in range(-down, down + 1):
            for x in range(-across, across + 1):
                hidden[sample, (rows + y).clamp(0, height - 1), (columns + x).clamp(0, width - 1)] = True
        return hidden


def drawn_places(images: Tensor, cell: int, drawn: Generator | None) -> tuple[Tensor, Tensor]:
    """Return the row and column, each (N, h, w), of one pixel drawn from every cell of images (N, C, H, W).

    The image is divided into h x w equal cells, about `cell` pixels wide and high.
    """
    count, _, *sides = images.shape
    h, w = (max(1, round(side / cell)) for side in sides)
    places = []
    for side, parts, index in zip(sides, (h, w), (torch.arange(h)[:, None], torch.arange(w)), strict=True):
        within = torch.rand(count, h, w, generator=drawn)
        places.append(((index + within) * (side / parts)).long().clamp(max=side - 1).to(images.device))
    return places[0], places[1]


def at_places(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the pixels (N, C, h, w) of images (N, C, H, W) at `rows` and `columns`, both (N, h, w)."""
    index = (rows * images.shape[-1] + columns).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).unflatten(2, rows.shape[1:])


def _window(where: Tensor, across: int, down: int, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    """Return sample, row and column, which broadcast to (M, K), of all pixels around those at `where` (M, 3)."""
    y = torch.arange(-down, down + 1, device=where.device).repeat_interleave(2 * across + 1)
    x = torch.arange(-across, across + 1, device=where.device).repeat(2 * down + 1)
    sample, row, column = where[..., None].unbind(1)
    return sample.expand(-1, len(y)), (row + y).clamp(0, shape[-2] - 1), (column + x).clamp(0, shape[-1] - 1)
