"""Evaluate a trained denoiser on its test images: image quality, classification, codes, and its baselines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from pellucid import registry
from pellucid.evaluate.baselines import BaselineRow, baseline_rows
from pellucid.evaluate.latents import compression, latent_accuracy
from pellucid.evaluate.measure import (
    as_arrays,
    denoise_timed,
    image_means,
    label_means,
    predict_classes,
    shown_indices,
)
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import test_set

REQUIRED_METRICS = ("psnr", "ssim")
EMPTY = np.empty((0, 1, 1, 1), np.float32)


@dataclass(frozen=True)
class Evaluation:
    """The results on the test images: means over all of them, with outputs clipped to [0, 1] and not rounded.

    Attributes:
        figures: the recipe's image metrics (`mse`, `psnr`, `ssim`, `sharpness`) of the denoised images, and as
            `noisy_…` those of the noisy ones; `ms` per image; `accuracy_…` in percent and `loss_…` in nats for clean,
            noisy and denoised images; `accuracy_ceiling` of the classifier that was trained on noisy images, on noisy
            images; `latent_accuracy` in percent. Figures that do not apply are None.
        baselines: for each baseline `psnr`, `ssim`, `accuracy_denoised`, `ms` and `chosen`.
        compression: the code as a compressed image, for a network without skips: see `latents.compression`.
        pictures: ten test images each, (10, C, H, W) in [0, 1]: original, noisy, denoised, then the baselines by name.
        captions: for each row of pictures ten class names: the true ones for the originals, else the predicted ones.
        codes: the codes of the ten noisy images, (10, …), for a network without skips.
    """

    figures: dict[str, float | None]
    baselines: dict[str, dict[str, Any]]
    compression: dict[str, Any] | None
    pictures: dict[str, np.ndarray]
    captions: dict[str, list[str]]
    codes: np.ndarray | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures without the pictures, as JSON values."""
        return {"figures": self.figures, "baselines": self.baselines, "compression": self.compression}


def evaluate(
    denoiser: Denoiser | str | Path,
    recipe: Recipe | None = None,
    *,
    seed: int | None = None,
    classifiers: Sequence[nn.Module] | None = None,
    ceiling: nn.Module | None = None,
    baselines: bool = True,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Evaluation:
    """Evaluate a denoiser on the test images of a recipe, with the recipe's noise.

    A network that is conditioned on the noise level gets the mean sigma of the noise.

    Args:
        denoiser: a denoiser, or the path of its checkpoint.
        recipe: names data, noise, metrics and baselines; by default the checkpoint's own.
        seed: the seed of the test images' noise; by default the recipe's `train.seed`.
        classifiers: networks from images to class logits, never trained on this denoiser's output; by default the one
            in the checkpoint, if it has one. The figures are the mean over them.
        ceiling: the same classifier trained on images with this noise.
        baselines: whether to tune and run the recipe's baselines too.
        progress: called with the fraction of the baselines that is done.

    Raises:
        PellucidError: if the data is missing, or a baseline's optimum is at the edge of its grid.
        UsageError: if the images do not fit the denoiser.
    """
    denoiser = denoiser if isinstance(denoiser, Denoiser) else Denoiser.load(denoiser)
    recipe = recipe or denoiser.checkpoint.recipe
    seed = recipe.train.seed if seed is None else seed
    if classifiers is None:
        own = denoiser.checkpoint.networks.get("classifier")
        classifiers = [] if own is None else [own]
    images = test_set(recipe, seed)
    noisy, clean, labels = as_arrays(images)
    denoiser.input_spec.check(clean.shape[1:], f'an image of data "{recipe.data.name}"')
    sigma = images.mean_sigma
    denoised, ms = denoise_timed(lambda part: denoiser.batch(part, sigma), noisy)
    rows = {"original": clean, "noisy": noisy, "denoised": np.clip(denoised, 0, 1)}
    if noisy is clean:
        del rows["noisy"]
    figures = {**_image_figures(recipe, rows), "ms": ms, **_label_figures(rows, labels, classifiers, ceiling)}
    shown = shown_indices(labels, len(clean))
    codes = rate = figures["latent_accuracy"] = None
    if not denoiser.checkpoint.networks["denoiser"].has_skips:
        figures["latent_accuracy"] = latent_accuracy(denoiser, recipe, noisy, labels, seed)
        rate = compression(denoiser, recipe, noisy, clean, seed)
        codes = denoiser.encode(noisy[shown])
    pictures = {name: row[shown] for name, row in rows.items()}
    names = class_names(recipe)
    captions = _captions(pictures, names, None if labels is None else labels[shown], classifiers)
    evaluation = Evaluation(figures, {}, rate, pictures, captions, codes)
    if not baselines:
        return evaluation
    return with_baselines(evaluation, baseline_rows(recipe, [seed], classifiers, progress=progress), names)


def with_baselines(evaluation: Evaluation, rows: Mapping[str, BaselineRow], names: Sequence[str]) -> Evaluation:
    """Return the evaluation with the baselines in its figures, pictures and captions; `names` are the class names."""
    return replace(
        evaluation,
        baselines={name: row.figures for name, row in rows.items()},
        pictures=evaluation.pictures | {name: row.picture for name, row in rows.items()},
        captions=evaluation.captions
        | {name: [_class_name(names, number) for number in row.predicted] for name, row in rows.items()},
    )


def class_names(recipe: Recipe) -> tuple[str, ...]:
    """Return the class names of a recipe's data, or none."""
    return recipe.build("data").describe("test").classes


def _image_figures(recipe: Recipe, rows: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    kinds = {name: getattr(registry.load("metric", name), "kind", "image") for name in recipe.evaluate.metrics}
    metrics = tuple(dict.fromkeys([*(name for name, kind in kinds.items() if kind == "image"), *REQUIRED_METRICS]))
    before = image_means(rows["noisy"], rows["original"], metrics) if "noisy" in rows else dict.fromkeys(metrics)
    after = image_means(rows["denoised"], rows["original"], metrics)
    return {**after, **{f"noisy_{name}": value for name, value in before.items()}}


def _label_figures(
    rows: Mapping[str, np.ndarray],
    labels: np.ndarray | None,
    classifiers: Sequence[nn.Module],
    ceiling: nn.Module | None,
) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for row, name in (("original", "clean"), ("noisy", "noisy"), ("denoised", "denoised")):
        usable = classifiers if row in rows else ()
        figures[f"accuracy_{name}"], figures[f"loss_{name}"] = label_means(usable, rows.get(row, EMPTY), labels)
    usable = [ceiling] if ceiling is not None and "noisy" in rows else []
    figures["accuracy_ceiling"], _ = label_means(usable, rows.get("noisy", EMPTY), labels)
    return figures


def _captions(
    pictures: Mapping[str, np.ndarray],
    names: Sequence[str],
    labels: np.ndarray | None,
    classifiers: Sequence[nn.Module],
) -> dict[str, list[str]]:
    """Return the true class names of the originals, and the first classifier's predictions for the other rows."""
    numbers = {name: predict_classes(classifiers, row) for name, row in pictures.items() if name != "original"}
    if labels is not None:
        numbers = {"original": labels.tolist(), **numbers}
    return {name: [_class_name(names, number) for number in row] for name, row in numbers.items() if row}


def _class_name(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else str(number)
