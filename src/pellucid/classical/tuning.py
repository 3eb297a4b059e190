"""Tuning a rival on training pairs, so that it is compared at its best."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid import registry
from pellucid.classical.base import Rival, rounded
from pellucid.classical.correction import affine_correction
from pellucid.errors import PellucidError, UsageError

MAX_EXTENSIONS = 6
MAX_FITTING_IMAGES = 4000


@dataclass(frozen=True)
class Tuned:
    """A rival at the best of its options, and the affine correction of its output.

    Attributes:
        rival: the rival, fitted if it learns.
        gain: what its output is multiplied by.
        offset: what is then added.
        chosen: the options that the grid search chose, by name.
        at_edge: the options whose choice lies at an end of the grid that is no natural bound.
        psnr: the mean PSNR in dB of the tuning images at this choice.
    """

    rival: Rival
    gain: float
    offset: float
    chosen: dict[str, Any]
    at_edge: tuple[str, ...]
    psnr: float

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised and corrected images, float32 (N, C, H, W), clipped to [0, 1]."""
        return _corrected(self.rival(noisy, sigma), self.gain, self.offset)


def tune(
    name: str,
    noisy: np.ndarray,
    clean: np.ndarray,
    images: int = 500,
    seed: int = 0,
    require_interior: bool = True,
) -> Tuned:
    """Choose a rival's options on `images` training pairs, float (N, C, H, W) in [0, 1], and fit its correction.

    The grid search maximises the mean PSNR after the affine correction and clipping to [0, 1]. An optimum at an end
    of the grid lengthens the grid, by the rival's rule, until it lies inside or at a natural bound; then the midpoints
    around it are tried. A rival that learns is fitted to other pairs than those it is tuned on, and in the end to all.

    Raises:
        PellucidError: if the optimum still lies at an end and `require_interior` is set.
        UsageError: for an unknown rival, or if there are no pairs to tune on.
    """
    kind = registry.load("classical", name)
    if noisy.shape != clean.shape or len(noisy) < 2:
        raise UsageError(f"tuning {name} takes at least two pairs of one shape, got {noisy.shape} and {clean.shape}")
    order = np.random.default_rng(seed).permutation(len(noisy))
    count = min(images, len(noisy) // 2)
    scored, others = np.sort(order[:count]), np.sort(order[count : count + MAX_FITTING_IMAGES])
    noisy_scored, clean_scored = noisy[scored], clean[scored]
    learning = (noisy[others], clean[others]) if kind.learns and kind.grid() else None

    def score(options: dict[str, Any]) -> float:
        rival = kind(**options)
        denoised = (rival.fit(*learning) if learning else rival)(noisy_scored)
        return _mean_psnr(_corrected(denoised, *affine_correction(denoised, clean_scored)), clean_scored)

    search = _Search(kind, score)
    chosen, at_edge = search.run() if search.values else ({}, ())
    if at_edge and require_interior:
        raise PellucidError(
            f"{name}: the best of the tried values lies at the end of the grid: "
            + ", ".join(f"{option}={chosen[option]} of {search.values[option]}" for option in at_edge)
            + f": widen {kind.__name__}.grid() in pellucid/classical/{name}.py"
        )
    rival = kind(**chosen).fit(noisy, clean)
    denoised = rival(noisy_scored)
    gain, offset = affine_correction(denoised, clean_scored)
    psnr = _mean_psnr(_corrected(denoised, gain, offset), clean_scored)
    return Tuned(rival, gain, offset, chosen, at_edge, psnr)


class _Search:
    """A grid search that lengthens its grid where the optimum lies at an end of it."""

    def __init__(self, kind: type[Rival], score: Callable[[dict[str, Any]], float]) -> None:
        self.kind = kind
        self.values = kind.grid()
        self.score = score
        self.scores: dict[tuple, float] = {}

    def run(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the best options, of equal ones the lowest values, and those at an end that is no natural bound."""
        chosen = self._best(self.values)
        for _ in range(MAX_EXTENSIONS):
            longer = {option: self._continued(option, chosen) for option in self._open_ends(chosen)}
            if not longer:
                return self._best({option: self._around(option, chosen) for option in self.values}), ()
            self.values |= longer
            chosen = self._best(self.values)
        return chosen, self._open_ends(chosen)

    def _open_ends(self, chosen: dict[str, Any]) -> tuple[str, ...]:
        """Return the options whose choice lies at an end past which their grid can go on."""
        return tuple(
            option
            for option, values in self.values.items()
            if chosen[option] in (values[0], values[-1])
            and self.kind.beyond(option, values, chosen[option] == values[-1]) is not None
        )

    def _continued(self, option: str, chosen: dict[str, Any]) -> tuple:
        values = self.values[option]
        upward = chosen[option] == values[-1]
        further = self.kind.beyond(option, values, upward)
        return (*values, further) if upward else (further, *values)

    def _around(self, option: str, chosen: dict[str, Any]) -> tuple:
        """Return the chosen value, its neighbours in the grid and the midpoints to them, ascending."""
        best, values = chosen[option], self.values[option]
        if isinstance(best, str):
            return (best,)
        index = values.index(best)
        near = values[max(index - 1, 0) : index + 2]
        pairs = itertools.pairwise(near)
        middles = [(low + high) // 2 if isinstance(best, int) else rounded((low + high) / 2) for low, high in pairs]
        return tuple(sorted({*near, *middles}))

    def _best(self, values: dict[str, tuple]) -> dict[str, Any]:
        combinations = list(itertools.product(*values.values()))
        for combination in combinations:
            if combination not in self.scores:
                self.scores[combination] = self.score(dict(zip(values, combination, strict=True)))
        return dict(zip(values, max(combinations, key=self.scores.__getitem__), strict=True))


def _corrected(denoised: np.ndarray, gain: float, offset: float) -> np.ndarray:
    return np.clip(gain * denoised + offset, 0, 1).astype(np.float32, copy=False)


def _mean_psnr(denoised: np.ndarray, clean: np.ndarray) -> float:
    error = np.square(denoised - clean, dtype=np.float64).mean(axis=(1, 2, 3))
    return float(-10 * np.log10(np.maximum(error, 1e-12)).mean())
