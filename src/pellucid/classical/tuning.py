"""Tune a baseline on training pairs, so that it is compared at its best."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid import registry
from pellucid.classical.base import Baseline, affine_correction, round_significant
from pellucid.errors import PellucidError, UsageError
from pellucid.metrics.psnr import psnr_from_mse

MAX_EXTENSIONS = 6
MAX_FITTING_IMAGES = 4000


@dataclass(frozen=True)
class TunedBaseline:
    """A baseline with its best options, and the affine correction of its output.

    Attributes:
        baseline: the baseline, fitted if it needs training.
        gain: the factor on its output.
        offset: added after the gain.
        chosen: the options that the grid search chose, by name.
        at_edge: the options whose value lies at an end of the grid that is no natural bound.
        psnr: the mean PSNR in dB of the tuning images at this choice.
    """

    baseline: Baseline
    gain: float
    offset: float
    chosen: dict[str, Any]
    at_edge: tuple[str, ...]
    psnr: float

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised and corrected images, float32 (N, C, H, W), clipped to [0, 1]."""
        return _corrected(self.baseline(noisy, sigma), self.gain, self.offset)


def tune(
    name: str,
    noisy: np.ndarray,
    clean: np.ndarray,
    images: int = 500,
    seed: int = 0,
    require_interior: bool = True,
) -> TunedBaseline:
    """Choose the options of a baseline on training pairs, and fit its affine correction.

    The grid search maximizes the mean PSNR after the affine correction and clipping to [0, 1]. If the optimum lies at
    an end of the grid, the grid is extended until it lies inside or at a natural bound; then the midpoints around it
    are tried. A baseline that needs training is fitted to other pairs than those it is tuned on, and in the end to all.

    Args:
        name: the name of the baseline in the registry.
        noisy: (N, C, H, W) floats in [0, 1].
        clean: of the same shape.
        images: the number of pairs to tune on, at most half of all.
        seed: decides which pairs these are.
        require_interior: whether an optimum at an end of the grid is an error.

    Raises:
        PellucidError: if the optimum still lies at an end and `require_interior` is set.
        UsageError: for an unknown baseline, or fewer than two pairs.
    """
    kind = registry.load("classical", name)
    if noisy.shape != clean.shape or len(noisy) < 2:
        raise UsageError(f"tuning {name} takes at least two pairs of one shape, got {noisy.shape} and {clean.shape}")
    order = np.random.default_rng(seed).permutation(len(noisy))
    count = min(images, len(noisy) // 2)
    scored, others = np.sort(order[:count]), np.sort(order[count : count + MAX_FITTING_IMAGES])
    noisy_scored, clean_scored = noisy[scored], clean[scored]
    fitting = (noisy[others], clean[others]) if kind.needs_training and kind.grid else None

    def score(options: dict[str, Any]) -> float:
        baseline = kind(**options)
        denoised = (baseline.fit(*fitting) if fitting else baseline)(noisy_scored)
        return _mean_psnr(_corrected(denoised, *affine_correction(denoised, clean_scored)), clean_scored)

    search = _Search(kind, score)
    chosen, at_edge = search.run() if search.values else ({}, ())
    if at_edge and require_interior:
        raise PellucidError(
            f"{name}: the best of the tried values lies at the end of the grid: "
            + ", ".join(f"{option}={chosen[option]} of {search.values[option]}" for option in at_edge)
            + f": widen {kind.__name__}.grid in pellucid/classical/{name}.py"
        )
    baseline = kind(**chosen).fit(noisy, clean)
    denoised = baseline(noisy_scored)
    gain, offset = affine_correction(denoised, clean_scored)
    psnr = _mean_psnr(_corrected(denoised, gain, offset), clean_scored)
    return TunedBaseline(baseline, gain, offset, chosen, at_edge, psnr)


class _Search:
    """A grid search that extends its grid if the optimum lies at an end of it."""

    def __init__(self, kind: type[Baseline], score: Callable[[dict[str, Any]], float]) -> None:
        self.kind = kind
        self.values = dict(kind.grid)
        self.score = score
        self.scores: dict[tuple, float] = {}

    def run(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the best options, the lowest of equal ones, and those at an end that is no natural bound."""
        chosen = self._best(self.values)
        for _ in range(MAX_EXTENSIONS):
            longer = {option: self._extend(option, chosen) for option in self._open_ends(chosen)}
            if not longer:
                return self._best({option: self._refine(option, chosen) for option in self.values}), ()
            self.values |= longer
            chosen = self._best(self.values)
        return chosen, self._open_ends(chosen)

    def _open_ends(self, chosen: dict[str, Any]) -> tuple[str, ...]:
        """Return the options whose value lies at an end past which their grid can be extended."""
        return tuple(
            option
            for option, values in self.values.items()
            if chosen[option] in (values[0], values[-1])
            and self.kind.extend_grid(option, values, chosen[option] == values[-1]) is not None
        )

    def _extend(self, option: str, chosen: dict[str, Any]) -> tuple:
        values = self.values[option]
        upward = chosen[option] == values[-1]
        further = self.kind.extend_grid(option, values, upward)
        return (*values, further) if upward else (further, *values)

    def _refine(self, option: str, chosen: dict[str, Any]) -> tuple:
        """Return the chosen value, its neighbors in the grid and the midpoints to them, ascending."""
        best, values = chosen[option], self.values[option]
        if isinstance(best, str):
            return (best,)
        index = values.index(best)
        near = values[max(index - 1, 0) : index + 2]
        pairs = itertools.pairwise(near)
        middles = [
            (low + high) // 2 if isinstance(best, int) else round_significant((low + high) / 2) for low, high in pairs
        ]
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
    return float(psnr_from_mse(np.maximum(error, 1e-12)).mean())
