"""One noise after another on every sample, such as a stained page, then the sensor's noise, then JPEG."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pellucid.noise.composite import built, frozen
from pellucid.noise.options import deviation

DEFAULT = ({"name": "poisson_gaussian"}, {"name": "jpeg"})


@dataclass(frozen=True)
class Chain:
    """Each of `parts` makes the outcome of those before it noisier; nothing is clipped in between.

    Attributes:
        parts: noise models in their order, as tables: `name` and the options, such as
            `[{name = "document"}, {name = "gaussian", sigma = [0, 0.04]}, {name = "jpeg", quality = [40, 95]}]`.

    The level is the RMS deviation measured, one a sample.
    """

    parts: Any = DEFAULT

    def __post_init__(self) -> None:
        """Construct the parts, refusing what they refuse."""
        object.__setattr__(self, "parts", frozen(self.parts))
        self._models()

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS deviation (N,)."""
        wide = clean.to(torch.promote_types(clean.dtype, torch.float32))
        noisy = wide
        for model in self._models():
            noisy, _ = model(noisy, generator)
        return noisy.to(clean.dtype), deviation(noisy, wide).to(clean.dtype)

    def _models(self) -> list[Any]:
        return [built(part)[1] for part in self.parts]
