"""What time, hands and scanners do to a printed page: stains, creases, shadows, bleed-through, fading and more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pellucid.noise import paper
from pellucid.noise.options import deviation, drawn, number_between, per_sample, range_between
from pellucid.noise.paper import Sheet
from pellucid.noise.random_fields import between, blurred


class Layer(NamedTuple):
    """A kind of damage to the paper: its density, and how much its colour may lean towards yellow and brown."""

    density: Callable[[Sheet], Tensor]
    brown: float
    rubs: bool = False  # whether it takes ink off where it darkens the paper


LAYERS = {
    "texture": Layer(paper.texture, 0.6),
    "stains": Layer(paper.stains, 0.8),
    "water": Layer(paper.water, 0.6),
    "foxing": Layer(paper.foxing, 0.9),
    "tape": Layer(paper.tape, 0.9),
    "wrinkles": Layer(paper.wrinkles, 0.1, rubs=True),
    "folds": Layer(paper.folds, 0.1, rubs=True),
    "light": Layer(paper.light, 0.2),
    "shadow": Layer(paper.shadow, 0.1),
    "bleed": Layer(paper.bleed, 0.1),
    "speckle": Layer(paper.speckle, 0.2),
}
FADE, BLUR = "fade", "blur"
KINDS = (*LAYERS, FADE, BLUR)
BROWN = (-0.5, 0.0, 0.7)  # what a full brown adds to the density of red, green and blue, relative to it
WIDEST_BLUR = 1.2  # pixels at scale 1 and strength 1


@dataclass(frozen=True)
class Document:
    """A page (black ink at 0 on white paper at 1) as a scanner or a camera finds it.

    `noisy = g * (1 - (1 - f) (1 - clean)) exp(-d)`: f is the share of the ink that has faded or was rubbed off, d the
    sum of the optical densities of what lies on the paper, of creases and of poor light, each with a colour where the
    image has three channels, and g a blur. Each sample gets kinds of its own; what shines through is another sample.

    Attributes:
        kinds: what may happen; all that there is by default.
        share: the probability of each kind in a sample; a sample with none gets one of them.
        always: kinds, of those that may happen, that happen to every sample.
        strength: what densities, fading and blur are multiplied by, or (low, high), drawn uniformly for each sample.
        scale: what lengths are multiplied by, or (low, high), drawn uniformly in its logarithm; 1 goes with print that
            is about 12 pixels high.

    The level is the RMS deviation measured, one a sample.
    """

    kinds: Sequence[str] = KINDS
    share: float = 0.4
    strength: float | tuple[float, float] = (0.4, 1.0)
    scale: float | tuple[float, float] = (0.7, 2.0)
    always: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse kinds that there are not, and numbers out of range."""
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
        object.__setattr__(self, "share", number_between("share", self.share, 0, 1, "give a probability"))
        strength = range_between("strength", self.strength, 0, 4, "give a factor; 1 is strong")
        scale = range_between("scale", self.scale, 0.1, 20, "give a factor; 1 goes with print 12 pixels high")
        object.__setattr__(self, "strength", strength)
        object.__setattr__(self, "scale", scale)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS deviation (N,)."""
        wide = clean.to(torch.promote_types(clean.dtype, torch.float32))
        scale = per_sample(drawn(self.scale, wide, generator, log=True))
        strength = per_sample(drawn(self.strength, wide, generator))
        chosen = self._chosen(len(wide), generator)
        density = torch.zeros_like(wide)
        faded = torch.zeros_like(wide[:, :1])
        for kind, index in chosen.items():
            if kind in LAYERS:
                sheet = Sheet(wide[index], scale[index], generator)
                self._lay(LAYERS[kind], sheet, strength[index], density, faded, index)
            elif kind == FADE:
                lost = strength[index] * paper.fading(Sheet(wide[index], scale[index], generator))
                faded[index] = 1 - (1 - faded[index]) * (1 - lost.clamp_(max=0.9))
        noisy = torch.addcmul(wide, 1 - wide, faded).mul_(density.neg_().exp_())
        if BLUR in chosen:
            index = chosen[BLUR]
            widths = between(0.2, WIDEST_BLUR, wide[index], generator) * strength[index] * scale[index].sqrt()
            noisy[index] = blurred(noisy[index], widths)
        return noisy.to(clean.dtype), deviation(noisy, wide).to(clean.dtype)

    def _chosen(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the samples (M,) that each kind happens to, of those that happen at all."""
        present = torch.rand((count, len(self.kinds)), generator=generator, device=generator.device) < self.share
        one = torch.randint(len(self.kinds), (count,), generator=generator, device=generator.device)
        present[:, [self.kinds.index(kind) for kind in self.always]] = True
        empty = (~present.any(dim=1)).nonzero()[:, 0]
        present[empty, one[empty]] = True
        indices = {kind: present[:, place].nonzero()[:, 0] for place, kind in enumerate(self.kinds)}
        return {kind: index for kind, index in indices.items() if len(index)}

    def _lay(self, layer: Layer, sheet: Sheet, strength: Tensor, density: Tensor, faded: Tensor, index: Tensor) -> None:
        """Add a layer to the density (N, C, H, W) and to the ink's loss (N, 1, H, W) of the samples at `index`."""
        added = strength * layer.density(sheet)
        if density.shape[1] == 3:
            brown = layer.brown * sheet.between(0, 1)
            added = added * (1 + brown * torch.tensor(BROWN).to(added).view(1, 3, 1, 1))
        density[index] += added
        if layer.rubs:
            # Creases lift the ink where they darken the paper, though not all do.
            share = sheet.between(-0.7, 1).clamp(min=0)
            dark = 1 - torch.exp(-density[index].mean(dim=1, keepdim=True).clamp(min=0))
            faded[index] = 1 - (1 - faded[index]) * (1 - share * dark)
