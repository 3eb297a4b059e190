"""Damage to a printed page by age, hands and scanners: stains, creases, shadows, bleed-through, fading and more."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from pellucid.noise.options import per_sample, sample_uniform, set_number, set_range, widen, with_measured_sigma
from pellucid.noise.random_fields import across, between, creases, gaussian_blur, outside, waves

STAINED_SIDE = 400.0  # pixels at scale 1: a square of this side has one stain, fold or tape on average
MAX_MARKS = 12


class Sheet(NamedTuple):
    """Clean pages (N, C, H, W), the scale of things on them (N, 1, 1, 1), and the source of randomness."""

    pages: Tensor
    scale: Tensor
    generator: torch.Generator

    def between(self, low: float, high: float, log: bool = False) -> Tensor:
        """Return one number a page, (N, 1, 1, 1)."""
        return between(low, high, self.pages, self.generator, log)

    def pixels(self, low: float, high: float) -> Tensor:
        """Return one length a page in pixels, sampled log-uniformly between bounds at scale 1."""
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
        """Return the maximum number of stains, folds or tapes on a page, which grows with its area."""
        height, width = self.pages.shape[-2:]
        return min(MAX_MARKS, 1 + round(height * width / (STAINED_SIDE * self.scale.mean().item()) ** 2))


# The functions below return optical densities (N, 1, H, W): 0 is clean paper, 1 lets through 1/e of the light.


def texture(sheet: Sheet) -> Tensor:
    """Paper that is not white, its fibers, and clouds in it."""
    fibers = sheet.between(0, 0.035) * sheet.waves(1, 4)
    clouds = sheet.between(0, 0.05) * sheet.waves(8, 60)
    return (sheet.between(0, 0.3) + fibers + clouds).clamp_(min=0)


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
    relief = creases(size, 5, height, width, sheet.generator)
    for size_factor in (0.4, 0.15):
        part = creases(size * size_factor * sheet.between(0.7, 1.4), 3, height, width, sheet.generator)
        relief = relief + sheet.between(0.15, 0.6) * part * (0.5 + sheet.waves(40, 150)).clamp_(min=0)
    return sheet.between(0.03, 0.15) * relief


def folds(sheet: Sheet) -> Tensor:
    """Straight folds: a worn line that is lighter or darker, and two sides under different light."""
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
    angle, side = sheet.between(0, 2 * math.pi), max(sheet.pages.shape[-2:])
    _, along = across(sheet.pages, angle, sheet.generator)
    slope = sheet.between(0, 0.5) * along / side
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
    grid = functional.affine_grid(torch.cat(rows, dim=2)[:, 0], list(darkness.shape), align_corners=False)
    seen = functional.grid_sample(darkness, grid, padding_mode="border", align_corners=False)
    uneven = (0.8 + 0.3 * sheet.waves(30, 120)).clamp_(min=0)
    return sheet.between(0.05, 0.6) * uneven * gaussian_blur(seen, sheet.pixels(0.5, 2))


def speckle(sheet: Sheet) -> Tensor:
    """Specks of dust and toner."""
    specks = sheet.waves(1, 3) - sheet.between(2.0, 3.2)
    return sheet.between(0.3, 3) * (3 * specks).clamp_(0, 1)


def fading(sheet: Sheet) -> Tensor:
    """Return the fraction of the ink, 0 to 0.8, that is lost: evenly, in patches, and in specks of dry print."""
    patches = sheet.between(0, 0.2) * sheet.waves(15, 120)
    dry = sheet.between(0, 0.3) * (sheet.waves(1, 3) - sheet.between(0, 2)).clamp_(min=0)
    return (sheet.between(0, 0.45) + patches + dry).clamp_(0, 0.8)


class Layer(NamedTuple):
    """A kind of damage to the paper: its density, and how yellow and brown it may be."""

    density: Callable[[Sheet], Tensor]
    brown_fraction: float
    removes_ink: bool = False  # where it darkens the paper


LAYERS = {
    "texture": Layer(texture, 0.6),
    "stains": Layer(stains, 0.8),
    "water": Layer(water, 0.6),
    "foxing": Layer(foxing, 0.9),
    "tape": Layer(tape, 0.9),
    "wrinkles": Layer(wrinkles, 0.1, removes_ink=True),
    "folds": Layer(folds, 0.1, removes_ink=True),
    "light": Layer(light, 0.2),
    "shadow": Layer(shadow, 0.1),
    "bleed": Layer(bleed, 0.1),
    "speckle": Layer(speckle, 0.2),
}
FADE, BLUR = "fade", "blur"
KINDS = (*LAYERS, FADE, BLUR)
BROWN = (-0.5, 0.0, 0.7)  # added to the density of red, green and blue, relative to it, by a full brown
MAX_BLUR = 1.2  # pixels at scale 1 and strength 1


@dataclass(frozen=True)
class Document:
    """Damage to a scanned or photographed page, black ink at 0 on white paper at 1.

    `noisy = g * (1 - (1 - f) (1 - clean)) exp(-d)`: f is the fraction of the ink that has faded or was rubbed off, d
    the sum of the optical densities of stains, creases and poor light, each with a color where the image has three
    channels, and g a blur. Each image gets its own kinds of damage; print that shines through is another image.

    Attributes:
        kinds: the possible kinds of damage; all of them by default.
        probability: of each kind in an image; an image with none gets one of them.
        strength: the factor of densities, fading and blur, or (low, high), sampled uniformly for each image.
        scale: the factor of lengths, or (low, high), sampled log-uniformly; 1 suits print about 12 pixels high.
        always: those of `kinds` that every image gets.

    The noise level is the measured RMS difference of each image.
    """

    kinds: Sequence[str] = KINDS
    probability: float = 0.4
    strength: float | tuple[float, float] = (0.4, 1.0)
    scale: float | tuple[float, float] = (0.7, 2.0)
    always: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse unknown kinds and numbers out of range."""
        if not self.kinds:
            raise ValueError(f"kinds={self.kinds!r} has none: choose from {', '.join(KINDS)}")
        for name, known in (("kinds", KINDS), ("always", self.kinds)):
            value = getattr(self, name)
            if not isinstance(value, list | tuple):
                raise ValueError(f"{name}={value!r} is no list of kinds: choose from {', '.join(known)}")
            for kind in value:
                if kind not in known:
                    raise ValueError(f"{name}={value!r} has the unknown {kind!r}: choose from {', '.join(known)}")
            object.__setattr__(self, name, tuple(kind for kind in KINDS if kind in value))
        set_number(self, "probability", 0, 1, "give a probability")
        set_range(self, "strength", 0, 4, "give a factor; 1 is strong")
        set_range(self, "scale", 0.1, 20, "give a factor; 1 suits print 12 pixels high")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS difference (N,)."""
        wide = widen(clean)
        scale = per_sample(sample_uniform(self.scale, wide, generator, log=True))
        strength = per_sample(sample_uniform(self.strength, wide, generator))
        chosen = self._choose(len(wide), wide.device, generator)
        density = torch.zeros_like(wide)
        faded = torch.zeros_like(wide[:, :1])
        for kind, index in chosen.items():
            if kind in LAYERS:
                sheet = Sheet(wide[index], scale[index], generator)
                _add_layer(LAYERS[kind], sheet, strength[index], density, faded, index)
            elif kind == FADE:
                lost = strength[index] * fading(Sheet(wide[index], scale[index], generator))
                faded[index] = 1 - (1 - faded[index]) * (1 - lost.clamp_(max=0.9))
        noisy = torch.addcmul(wide, 1 - wide, faded).mul_(density.neg_().exp_())
        if BLUR in chosen:
            index = chosen[BLUR]
            widths = between(0.2, MAX_BLUR, wide[index], generator) * strength[index] * scale[index].sqrt()
            noisy[index] = gaussian_blur(noisy[index], widths)
        return with_measured_sigma(noisy, wide, clean.dtype)

    def _choose(self, count: int, device: torch.device, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the indices (M,) of the images with each kind, without kinds that no image gets."""
        present = torch.rand((count, len(self.kinds)), generator=generator, device=device) < self.probability
        one = torch.randint(len(self.kinds), (count,), generator=generator, device=device)
        present[:, [self.kinds.index(kind) for kind in self.always]] = True
        empty = (~present.any(dim=1)).nonzero()[:, 0]
        present[empty, one[empty]] = True
        indices = {kind: present[:, number].nonzero()[:, 0] for number, kind in enumerate(self.kinds)}
        return {kind: index for kind, index in indices.items() if len(index)}


def _add_layer(layer: Layer, sheet: Sheet, strength: Tensor, density: Tensor, faded: Tensor, index: Tensor) -> None:
    """Add a layer to the density (N, C, H, W) and to the loss of ink (N, 1, H, W) of the images at `index`."""
    added = strength * layer.density(sheet)
    if density.shape[1] == 3:
        brown = layer.brown_fraction * sheet.between(0, 1)
        added = added * (1 + brown * torch.tensor(BROWN, device=added.device).to(added.dtype).view(1, 3, 1, 1))
    density[index] += added
    if layer.removes_ink:
        # Creases lift the ink where they darken the paper, though not all do.
        fraction = sheet.between(-0.7, 1).clamp(min=0)
        dark = 1 - torch.exp(-density[index].mean(dim=1, keepdim=True).clamp(min=0))
        faded[index] = 1 - (1 - faded[index]) * (1 - fraction * dark)
