"""A mixture: each image gets the noise of one of several models, chosen at random by their weights."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pellucid import registry
from pellucid.noise.options import build, freeze, number_between, range_between, sample_uniform, set_number

DEFAULT = ({"name": "gaussian"}, {"name": "poisson"})


@dataclass(frozen=True)
class Mix:
    """One of `parts` for each image, with a probability in proportion to its weight.

    Attributes:
        parts: noise models as tables: `name`, the options, and two more keys, such as
            `[{name = "gaussian", sigma = [0, 0.2], weight = 3}, {name = "jpeg", level_scale = 0.8}]`.
            `weight` is 1 by default. `level_scale` is the factor, or the range (low, high) of the factor, by which the
            returned noise level differs from the true one, 1 by default: estimates of some noise are always too low.
        level_error: the standard deviation of the relative error of the returned noise levels, from which a network
            that is conditioned on them learns not to rely on them. The parts named in `exact` have none.
        exact: names of parts whose noise level has no error.

    The noise level is that of the image's own model, with its error.
    """

    parts: Any = DEFAULT
    level_error: float = 0.0
    exact: Any = ("gaussian",)

    def __post_init__(self) -> None:
        """Construct the parts, refusing what they refuse."""
        object.__setattr__(self, "parts", freeze(self.parts))
        if not isinstance(self.exact, list | tuple) or not all(isinstance(name, str) for name in self.exact):
            raise ValueError(f"exact={self.exact!r} is no list of names: give names of parts")
        for name in self.exact:
            registry.summary("noise", name)
        set_number(self, "level_error", 0, 1, "give a fraction of the noise level, such as 0.1")
        object.__setattr__(self, "exact", tuple(self.exact))
        if not sum(part.weight for part in self._build_parts()):
            raise ValueError(f"parts={self.parts!r} have no weight at all: give one a weight above 0")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its noise levels (N,)."""
        parts = self._build_parts()
        weights = torch.tensor([part.weight for part in parts], device=clean.device)
        chosen = torch.multinomial(weights, len(clean), replacement=True, generator=generator)
        error = torch.randn(len(clean), generator=generator, device=clean.device).mul_(self.level_error).clamp_(-0.9, 3)
        noisy, sigma = torch.empty_like(clean), torch.empty(len(clean), dtype=clean.dtype, device=clean.device)
        for number, part in enumerate(parts):
            index = (chosen == number).nonzero()[:, 0]
            if len(index):
                noisy[index], exact = part.model(clean[index], generator)
                scaled = exact * sample_uniform(part.level_scale, exact, generator)
                sigma[index] = scaled if part.name in self.exact else scaled * (1 + error[index]).to(exact)
        return noisy, sigma

    def _build_parts(self) -> list["_Part"]:
        parts = []
        for part in self.parts:
            options = dict(part)
            weight = number_between("weight", options.pop("weight", 1.0), 0, 1e6, "give 0 or more")
            scale = options.pop("level_scale", 1.0)
            level_scale = range_between("level_scale", scale, 0.1, 10, "give a factor of the noise level, such as 0.7")
            parts.append(_Part(*build(tuple(options.items())), weight, level_scale))
        return parts


class _Part(NamedTuple):
    name: str
    model: Any
    weight: float
    level_scale: float | tuple[float, float]
