"""A mixture: each sample gets the noise of one of several models, drawn by their weights."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pellucid import registry
from pellucid.noise.composite import built, frozen
from pellucid.noise.options import drawn, number_between, range_between

DEFAULT = ({"name": "gaussian"}, {"name": "poisson"})


@dataclass(frozen=True)
class Mix:
    """One of `parts` for each sample, with a probability in proportion to its weight.

    Attributes:
        parts: noise models as tables: `name`, the options, `weight` (1 where it is not given), such as
            `[{name = "gaussian", sigma = [0, 0.2], weight = 3}, {name = "jpeg"}]`, and `told`, the share of the level
            that is given as the level, or (low, high) to draw it between (1 where it is not given): for noise that is
            known to be estimated as fainter than it is.
        level_error: the standard deviation of the error, relative to it, that the level is given with, so that a
            network which is told the level learns not to trust it blindly. The parts named in `exact` have none.
        exact: names of parts whose level stays exact.

    The level is that of the sample's own model, with its error.
    """

    parts: Any = DEFAULT
    level_error: float = 0.0
    exact: Any = ("gaussian",)

    def __post_init__(self) -> None:
        """Construct the parts, refusing what they refuse."""
        object.__setattr__(self, "parts", frozen(self.parts))
        if not isinstance(self.exact, list | tuple) or not all(isinstance(name, str) for name in self.exact):
            raise ValueError(f"exact={self.exact!r} is no list of names: give names of parts")
        for name in self.exact:
            registry.summary("noise", name)
        error = number_between("level_error", self.level_error, 0, 1, "give a share of the level, such as 0.1")
        object.__setattr__(self, "level_error", error)
        object.__setattr__(self, "exact", tuple(self.exact))
        if not sum(part.weight for part in self._built()):
            raise ValueError(f"parts={self.parts!r} have no weight at all: give one a weight above 0")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its level (N,)."""
        parts = self._built()
        weights = torch.tensor([part.weight for part in parts])
        chosen = torch.multinomial(weights, len(clean), replacement=True, generator=generator)
        error = torch.randn(len(clean), generator=generator).mul_(self.level_error).clamp_(-0.9, 3)
        noisy, level = torch.empty_like(clean), torch.empty(len(clean), dtype=clean.dtype, device=clean.device)
        for number, part in enumerate(parts):
            index = (chosen == number).nonzero()[:, 0]
            if len(index):
                noisy[index], exact = part.model(clean[index], generator)
                told = exact * drawn(part.told, exact, generator)
                level[index] = told if part.name in self.exact else told * (1 + error[index]).to(exact)
        return noisy, level

    def _built(self) -> list["_Part"]:
        parts = []
        for part in self.parts:
            options = dict(part)
            weight = number_between("weight", options.pop("weight", 1.0), 0, 1e6, "give 0 or more")
            told = range_between("told", options.pop("told", 1.0), 0.1, 10, "give a share of the level, such as 0.7")
            parts.append(_Part(*built(tuple(options.items())), weight, told))
        return parts


class _Part(NamedTuple):
    name: str
    model: Any
    weight: float
    told: float | tuple[float, float]
