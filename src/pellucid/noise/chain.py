"""Several kinds of noise, one after the other, such as a stained page, then the noise of a sensor, then JPEG."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pellucid.noise.options import build, freeze, widen, with_measured_sigma

DEFAULT = ({"name": "poisson_gaussian"}, {"name": "jpeg"})


@dataclass(frozen=True)
class Chain:
    """Each of `parts` adds its noise to the output of the part before it; nothing is clipped in between.

    Attributes:
        parts: noise models in their order, as tables: `name` and the options, such as
            `[{name = "document"}, {name = "gaussian", sigma = [0, 0.04]}, {name = "jpeg", quality = [40, 95]}]`.

    The noise level is the measured RMS difference of each image.
    """

    parts: Any = DEFAULT

    def __post_init__(self) -> None:
        """Construct the parts, refusing what they refuse."""
        object.__setattr__(self, "parts", freeze(self.parts))
        self._models()

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS difference (N,)."""
        wide = widen(clean)
        noisy = wide
        for model in self._models():
            noisy, _ = model(noisy, generator)
        return with_measured_sigma(noisy, wide, clean.dtype)

    def _models(self) -> list[Any]:
        return [build(part)[1] for part in self.parts]
