"""What happens to a sheet of paper, as optical densities: 0 is clean paper, 1 lets through a share of 1/e of the light.

Each function takes a `Sheet` and returns (N, 1, H, W); lengths grow with the sheet's scale.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pellucid.noise.random_fields import across, between, blurred, creased, outside, waves

STAINED_AREA = 400.0  # pixels a side, at scale 1, that have one stain, fold or tape on average
MOST_MARKS = 12


class Sheet(NamedTuple):
    """Some clean pages (N, C, H, W), how large things on them are (N, 1, 1, 1), and the source of chance."""

    pages: Tensor
    scale: Tensor
    generator: torch.Generator

    def between(self, low: float, high: float, log: bool = False) -> Tensor:
        """Return one number a page, (N, 1, 1, 1)."""
        return between(low, high, self.pages, self.generator, log)

    def pixels(self, low: float, high: float) -> Tensor:
        """Return one length a page in pixels, drawn uniformly in its logarithm between bounds at scale 1."""
        return self.between(low, high, log=True) * self.scale

    def waves(self, low: float, high: float) -> Tensor:
        """Return a smooth field (N, 1, H, W) with a period between the bounds, in pixels at scale 1."""
        return self.waves_of(self.pixels(low, high))

    def waves_of(self, period: Tensor) -> Tensor:
        """Return a smooth field (N, 1, H, W) with a period (N, 1, 1, 1) in pixels."""
        height, width = self.pages.shape[-2:]
        return waves(period, height, width, self.generator)

    def blank(self) -> Tensor:
        """Return zeros (N, 1, H, W)."""
        return torch.zeros_like(self.pages[:, :1])

    def marks(self) -> int:
        """Return how many stains, folds or tapes there may be on a page: it grows with the area."""
        height, width = self.pages.shape[-2:]
        return min(MOST_MARKS, 1 + round(height * width / (STAINED_AREA * self.scale.mean().item()) ** 2))


def texture(sheet: Sheet) -> Tensor:
    """Paper that is not white, its fibres, and clouds in it."""
    fibres = sheet.between(0, 0.035) * sheet.waves(1, 4)
    clouds = sheet.between(0, 0.05) * sheet.waves(8, 60)
    return (sheet.between(0, 0.3) + fibres + clouds).clamp_(min=0)


def stains(sheet: Sheet) -> Tensor:
    """Coffee rings and blots, broken and uneven, with darker rims."""
    density = sheet.blank()
    for _ in range(sheet.marks()):
        radius = sheet.pixels(12, 120)
        distance = outside(sheet.pages, radius, sheet.between(0.01, 0.15), sheet.generator)
        edge, band = sheet.pixels(0.7, 4), sheet.pixels(3, 30)
        fill = sheet.between(-1, 1).clamp(min=0)
        shape = torch.sigmoid(-distance / edge)
        shape = shape * (fill + (1 - fill) * torch.sigmoid((distance + band) / (2 * edge)))
        rim = sheet.between(0, 0.8) * torch.exp(-distance.abs() / (edge + 1))
        gaps = torch.sigmoid(5 * (sheet.waves_of(radius) + sheet.between(-0.3, 2)))
        grain = 1 + sheet.between(0, 0.35) * sheet.waves(1.5, 8)
        density = torch.maximum(density, sheet.between(0.1, 1.5) * (shape + rim) * gaps * grain)
    return density


def water(sheet: Sheet) -> Tensor:
    """Dried puddles: pale inside, with a narrow ragged tide line."""
    density = sheet.blank()
    for _ in range(sheet.marks()):
        distance = outside(sheet.pages, sheet.pixels(40, 200), sheet.between(0.08, 0.25), sheet.generator)
        line = torch.exp(distance.clamp(max=0) / sheet.pixels(3, 15))
        inside = torch.sigmoid(-distance / sheet.pixels(0.7, 2))
        density = density + inside * (sheet.between(0, 0.5) + sheet.between(0.2, 1.2) * line)
    return density


def foxing(sheet: Sheet) -> Tensor:
    """Brown spots of age, from a few pixels to the size of letters."""
    spots = torch.sigmoid((sheet.waves(5, 20) - sheet.between(1, 2.2)) / sheet.between(0.1, 0.3))
    return sheet.between(0.3, 1.5) * spots * (1 + 0.2 * sheet.waves(2, 5))


def tape(sheet: Sheet) -> Tensor:
    """Strips of yellowed adhesive tape with sharp edges, ends, and streaks along them."""
    density = sheet.blank()
    for _ in range(sheet.marks()):
        distance, along = across(sheet.pages, sheet.between(0, math.pi), sheet.generator)
        half, reach = sheet.pixels(10, 40), sheet.pixels(60, 400)
        inside = torch.sigmoid((half - distance.abs()) / 0.7) * torch.sigmoid((reach - along.abs()) / 0.7)
        streaks = 1 + 0.1 * torch.sin(distance / sheet.pixels(1.5, 6)) + 0.08 * sheet.waves(10, 40)
        density = density + sheet.between(0.15, 1.3) * inside * streaks
    return density


def wrinkles(sheet: Sheet) -> Tensor:
    """A crumpled sheet: facets lit from the side, with creases between them, in three sizes."""
    size, height, width = sheet.pixels(20, 110), *sheet.pages.shape[-2:]
    relief = creased(size, 5, height, width, sheet.generator)
    for share in (0.4, 0.15):
        part = creased(size * share * sheet.between(0.7, 1.4), 3, height, width, sheet.generator)
        relief = relief + sheet.between(0.15, 0.6) * part * (0.5 + sheet.waves(40, 150)).clamp_(min=0)
    return sheet.between(0.03, 0.15) * relief


def folds(sheet: Sheet) -> Tensor:
    """Straight folds: a worn line that is lighter or darker, and the sheet's two sides lit unlike."""
    density = sheet.blank()
    for _ in range(sheet.marks() + 1):
        distance, _ = across(sheet.pages, sheet.between(0, math.pi), sheet.generator)
        distance = distance + sheet.between(0, 1.5) * sheet.waves(20, 80)
        wear = (0.7 + 0.5 * sheet.waves(5, 30)).clamp_(0, 1.5)
        width = sheet.pixels(0.5, 1.6)
        density = density + sheet.between(-0.25, 0.5) * wear * torch.exp(-(distance / width).square())
        sides = torch.tanh(distance / width) * torch.exp(-distance.abs() / sheet.pixels(5, 120))
        density = density + sheet.between(-0.15, 0.15) * sides
    return density


def light(sheet: Sheet) -> Tensor:
    """Uneven light: darker towards one side, and in broad clouds."""
    angle, longest = sheet.between(0, 2 * math.pi), max(sheet.pages.shape[-2:])
    _, along = across(sheet.pages, angle, sheet.generator)
    slope = sheet.between(0, 0.5) * along / longest
    return (sheet.between(0, 0.5) + slope + sheet.between(0, 0.15) * sheet.waves(80, 300)).clamp_(min=0)


def shadow(sheet: Sheet) -> Tensor:
    """A shadow that falls on one side of a curved edge, sharp or soft."""
    distance, _ = across(sheet.pages, sheet.between(0, 2 * math.pi), sheet.generator)
    distance = distance + sheet.pixels(1, 30) * sheet.waves(60, 300)
    return sheet.between(0.15, 1.2) * torch.sigmoid(distance / sheet.pixels(0.7, 40))


def bleed(sheet: Sheet) -> Tensor:
    """Another page's print, seen through the paper from behind: mirrored, blurred and enlarged.

    The other page is the batch's next one; of a single page, the page itself.
    """
    darkness = 1 - sheet.pages.mean(dim=1, keepdim=True).roll(1, 0)
    zoom = sheet.between(0.3, 1.0)
    shifts = [(1 - zoom) * sheet.between(-1, 1) for _ in range(2)]
    zero = torch.zeros_like(zoom)
    rows = [torch.cat([-zoom, zero, shifts[0]], dim=3), torch.cat([zero, zoom, shifts[1]], dim=3)]
    grid = torch.nn.functional.affine_grid(torch.cat(rows, dim=2)[:, 0], list(darkness.shape), align_corners=False)
    seen = torch.nn.functional.grid_sample(darkness, grid, padding_mode="border", align_corners=False)
    uneven = (0.8 + 0.3 * sheet.waves(30, 120)).clamp_(min=0)
    return sheet.between(0.05, 0.6) * uneven * blurred(seen, sheet.pixels(0.5, 2))


def speckle(sheet: Sheet) -> Tensor:
    """Specks of dust and toner."""
    specks = sheet.waves(1, 3) - sheet.between(2.0, 3.2)
    return sheet.between(0.3, 3) * (3 * specks).clamp_(0, 1)


def fading(sheet: Sheet) -> Tensor:
    """Return the share of the ink, 0 to 0.8, that is gone: evenly, in patches, and in specks where it printed dry."""
    patches = sheet.between(0, 0.2) * sheet.waves(15, 120)
    dry = sheet.between(0, 0.3) * (sheet.waves(1, 3) - sheet.between(0, 2)).clamp_(min=0)
    return (sheet.between(0, 0.45) + patches + dry).clamp_(0, 0.8)
