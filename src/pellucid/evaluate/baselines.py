"""The rivals' rows of an evaluation: each tuned on training images, corrected, and run on the same test images."""

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
from pellucid.evaluate.measure import image_means, label_means, predicted, timed
from pellucid.evaluate.samples import as_arrays, noisy_training_images, shown_images
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import test_set
from pellucid.utils.json_npz import read_arrays, read_json, write_arrays, write_json


@dataclass(frozen=True)
class RivalRow:
    """How one rival did.

    Attributes:
        figures: `psnr` in dB, `ssim`, `accuracy_denoised` in percent (None without a classifier), `ms` an image, and
            `chosen`: the tuned options, the gain and the offset.
        picture: the shown test images, denoised, (10, C, H, W).
        predicted: the classes that the first classifier sees in them, empty without one.
    """

    figures: dict[str, Any]
    picture: np.ndarray
    predicted: list[int]


def row_names(recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the recipe's rival rows: `identity` stands without and with its affine correction."""
    if recipe.noise is None:
        return ()
    names = []
    for name in recipe.evaluate.rivals:
        names += [name, f"{name}+affine"] if name == "identity" else [name]
    return tuple(names)


def key_of(recipe: Recipe, seeds: Sequence[int]) -> str:
    """Return a short hash of all that the rows depend on; recipes that share it share the rows."""
    tables = recipe.to_dict()
    asked = [list(row_names(recipe)), recipe.evaluate.tuning_images, list(seeds)]
    parts = [tables["data"], tables.get("noise"), tables.get("classifier"), *asked]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=6).hexdigest()


def rival_rows(
    recipe: Recipe,
    seeds: Sequence[int],
    classifiers: Sequence[nn.Module] = (),
    *,
    folder: Path | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, RivalRow]:
    """Tune every rival of the recipe and run it on the test images, with the noise of the first seed.

    Rivals that learn are fitted on all training images with the recipe's noise; options are chosen on
    `evaluate.tuning_images` of them. The accuracy is the mean over the classifiers.

    Args:
        recipe: names data, noise and rivals.
        seeds: the seeds of the classifiers; the first one draws the noise.
        classifiers: networks from images to class logits, one a seed, or none.
        folder: where finished rows are kept, and found again by `key_of`; None keeps nothing.
        progress: told the share of the rows that is done.

    Raises:
        PellucidError: if a rival's optimum lies at the edge of its grid, naming the rival and the value.
    """
    names = row_names(recipe)
    path = folder / f"{key_of(recipe, seeds)}.json" if folder else None
    rows = read_rows(path) if path and path.exists() else {}
    missing = [name for name in names if name not in rows]
    if missing:
        bench = _Bench.of(recipe, seeds[0], classifiers)
        for number, name in enumerate(missing, 1):
            rows[name] = bench.row(name)
            if path:
                _write_rows(path, rows)
            progress(number / len(missing))
    return {name: rows[name] for name in names}


def has_rows(recipe: Recipe, path: Path) -> bool:
    """Return whether all rows of the recipe are kept in a file of `rival_rows`'s folder."""
    return path.exists() and set(row_names(recipe)) <= set(read_json(path))


def read_rows(path: Path) -> dict[str, RivalRow]:
    """Read the rows kept in a file of `rival_rows`'s folder."""
    pictures = read_arrays(path.with_suffix(".npz"))
    return {name: RivalRow(row["figures"], pictures[name], row["predicted"]) for name, row in read_json(path).items()}


def _write_rows(path: Path, rows: dict[str, RivalRow]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path.with_suffix(".npz"), {name: row.picture for name, row in rows.items()})
    write_json(path, {name: {"figures": row.figures, "predicted": row.predicted} for name, row in rows.items()})


@dataclass(frozen=True)
class _Bench:
    """The (noisy, clean) images that rivals are tuned on and measured with, and who reads what they leave."""

    training: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    labels: np.ndarray | None
    classifiers: Sequence[nn.Module]
    tuning_images: int
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, seed: int, classifiers: Sequence[nn.Module]) -> "_Bench":
        training_noisy, training_clean, _ = as_arrays(noisy_training_images(recipe, seed, "rivals"))
        noisy, clean, labels = as_arrays(test_set(recipe, seed))
        count = recipe.evaluate.tuning_images
        return cls((training_noisy, training_clean), (noisy, clean), labels, classifiers, count, seed)

    def row(self, name: str) -> RivalRow:
        noisy, clean = self.test
        denoise, chosen = self._tuned(name)
        denoised, ms = timed(denoise, noisy)
        denoised = np.clip(denoised, 0, 1)
        accuracy, _ = label_means(self.classifiers, denoised, self.labels)
        figures = image_means(denoised, clean, ("psnr", "ssim"))
        picture = denoised[shown_images(self.labels, len(denoised))]
        return RivalRow(
            {**figures, "accuracy_denoised": accuracy, "ms": ms, "chosen": chosen},
            picture,
            predicted(self.classifiers, picture),
        )

    def _tuned(self, name: str) -> tuple[Callable[[np.ndarray], np.ndarray], dict[str, Any]]:
        if name == "identity":
            return registry.build("classical", name, {}), {}
        noisy, clean = self.training
        tuned = tune(name.removesuffix("+affine"), noisy, clean, images=self.tuning_images, seed=self.seed)
        return tuned, tuned.chosen | {"gain": tuned.gain, "offset": tuned.offset}
