"""The baselines of an evaluation: each is tuned on training images, corrected, and run on the same test images."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from pellucid import registry
from pellucid.classical.tuning import tune
from pellucid.evaluate.measure import (
    as_arrays,
    denoise_timed,
    image_means,
    label_means,
    noisy_training_images,
    predict_classes,
    shown_indices,
)
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import test_set
from pellucid.utils.json_npz import read_arrays, read_json, write_arrays, write_json


@dataclass(frozen=True)
class BaselineRow:
    """The results of one baseline.

    Attributes:
        figures: `psnr` in dB, `ssim`, `accuracy_denoised` in percent (None without a classifier), `ms` per image, and
            `chosen`: the tuned options, the gain and the offset.
        picture: the test images to show, denoised, (10, C, H, W).
        predicted: the classes that the first classifier predicts for them, empty without a classifier.
    """

    figures: dict[str, Any]
    picture: np.ndarray
    predicted: list[int]


def baseline_names(recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the recipe's baselines: `identity` is there without and with its affine correction."""
    if recipe.noise is None:
        return ()
    names = []
    for name in recipe.evaluate.baselines:
        names += [name, f"{name}+affine"] if name == "identity" else [name]
    return tuple(names)


def cache_key(recipe: Recipe, seeds: Sequence[int]) -> str:
    """Return a short hash of everything that the rows depend on; recipes with the same hash share the rows."""
    tables = recipe.to_dict()
    requested = [list(baseline_names(recipe)), recipe.evaluate.tuning_images, list(seeds)]
    parts = [tables["data"], tables.get("noise"), tables.get("classifier"), *requested]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=6).hexdigest()


def baseline_rows(
    recipe: Recipe,
    seeds: Sequence[int],
    classifiers: Sequence[nn.Module] = (),
    *,
    folder: Path | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> dict[str, BaselineRow]:
    """Tune every baseline of the recipe and run it on the test images, with the noise of the first seed.

    Baselines that need training are fitted on all training images with the recipe's noise; options are chosen on
    `evaluate.tuning_images` of them. The accuracy is the mean over the classifiers.

    Args:
        recipe: names data, noise and baselines.
        seeds: the seeds of the classifiers; the noise depends on the first one.
        classifiers: networks from images to class logits, one per seed, or none.
        folder: where finished rows are saved under their `cache_key` and read again; None saves nothing.
        progress: called with the fraction of the rows that is done.

    Raises:
        PellucidError: if a baseline's optimum is at the edge of its grid, naming the baseline and the value.
    """
    names = baseline_names(recipe)
    path = folder / f"{cache_key(recipe, seeds)}.json" if folder else None
    rows = read_rows(path) if path and path.exists() else {}
    missing = [name for name in names if name not in rows]
    if missing:
        evaluator = _BaselineEvaluator.from_recipe(recipe, seeds[0], classifiers)
        for number, name in enumerate(missing, 1):
            rows[name] = evaluator.row(name)
            if path:
                _write_rows(path, rows)
            progress(number / len(missing))
    return {name: rows[name] for name in names}


def has_rows(recipe: Recipe, path: Path) -> bool:
    """Return whether a file that `baseline_rows` wrote has all rows of the recipe."""
    return path.exists() and set(baseline_names(recipe)) <= set(read_json(path))


def read_rows(path: Path) -> dict[str, BaselineRow]:
    """Read the rows that `baseline_rows` wrote."""
    pictures = read_arrays(path.with_suffix(".npz"))
    return {
        name: BaselineRow(row["figures"], pictures[name], row["predicted"]) for name, row in read_json(path).items()
    }


def _write_rows(path: Path, rows: dict[str, BaselineRow]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path.with_suffix(".npz"), {name: row.picture for name, row in rows.items()})
    write_json(path, {name: {"figures": row.figures, "predicted": row.predicted} for name, row in rows.items()})


@dataclass(frozen=True)
class _BaselineEvaluator:
    """The (noisy, clean) images that baselines are tuned on and measured with, and the classifiers of the results."""

    training: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    labels: np.ndarray | None
    classifiers: Sequence[nn.Module]
    tuning_images: int
    seed: int

    @classmethod
    def from_recipe(cls, recipe: Recipe, seed: int, classifiers: Sequence[nn.Module]) -> "_BaselineEvaluator":
        """Load the images of a recipe, with the noise of a seed."""
        training_noisy, training_clean, _ = as_arrays(noisy_training_images(recipe, seed, "rivals"))
        noisy, clean, labels = as_arrays(test_set(recipe, seed))
        count = recipe.evaluate.tuning_images
        return cls((training_noisy, training_clean), (noisy, clean), labels, classifiers, count, seed)

    def row(self, name: str) -> BaselineRow:
        """Tune a baseline and measure it on the test images."""
        noisy, clean = self.test
        denoise, chosen = self._tuned(name)
        denoised, ms = denoise_timed(denoise, noisy)
        denoised = np.clip(denoised, 0, 1)
        accuracy, _ = label_means(self.classifiers, denoised, self.labels)
        figures = image_means(denoised, clean, ("psnr", "ssim"))
        picture = denoised[shown_indices(self.labels, len(denoised))]
        return BaselineRow(
            {**figures, "accuracy_denoised": accuracy, "ms": ms, "chosen": chosen},
            picture,
            predict_classes(self.classifiers, picture),
        )

    def _tuned(self, name: str) -> tuple[Callable[[np.ndarray], np.ndarray], dict[str, Any]]:
        if name == "identity":
            return registry.build("classical", name, {}), {}
        noisy, clean = self.training
        tuned = tune(name.removesuffix("+affine"), noisy, clean, images=self.tuning_images, seed=self.seed)
        return tuned, tuned.chosen | {"gain": tuned.gain, "offset": tuned.offset}
