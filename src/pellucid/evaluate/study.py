"""Studies: one key of a recipe is varied and everything else stays the same, to show its effect."""

import json
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.evaluate.latents import compression
from pellucid.evaluate.measure import as_arrays, image_means, shown_indices
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe, Study
from pellucid.train.batches import test_set

METRICS = ("psnr", "checkerboard", "sharpness")


def value_text(value: Any) -> str:
    """Return a value of a study as text: `64`, `nearest`, or `512, 64` for a list."""
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)


def variant(recipe: Recipe, study: Study, value: Any) -> Recipe:
    """Return the recipe for one value of a study, with the study's epochs and the first seed of the evaluation."""
    changed = {study.vary: value, "train.epochs": study.epochs, "train.seed": recipe.evaluate.seeds[0]}
    return replace(recipe, study=(), quick={}).with_changes(changed)


def study_row(denoiser: Denoiser, recipe: Recipe, value: Any) -> tuple[dict[str, Any], np.ndarray]:
    """Evaluate one variant on the test images.

    Args:
        denoiser: the trained variant.
        recipe: the variant's recipe; the noise depends on its `train.seed`.
        value: the varied value.

    Returns:
        A row with `value`, `psnr` in dB, `checkerboard`, `sharpness`, and for a network without skips `bits_per_pixel`
        of its code at 8 bits per value and `compressed_psnr` of the clean images decoded from it (else None); and ten
        denoised images, (10, C, H, W).
    """
    images = test_set(recipe, recipe.train.seed)
    noisy, clean, labels = as_arrays(images)
    denoised = np.clip(denoiser.batch(noisy, images.mean_sigma), 0, 1)
    rate = quality = None
    if not denoiser.checkpoint.networks["denoiser"].has_skips:
        figures = compression(denoiser, recipe, noisy, clean, recipe.train.seed)
        rate, quality = figures["bits_per_pixel"], figures["psnr_clean"]
    row = {"value": value, **image_means(denoised, clean, METRICS), "bits_per_pixel": rate, "compressed_psnr": quality}
    return row, denoised[shown_indices(labels, len(clean))]
