"""Evaluate one checkpoint with several seeds of noise and its baselines, as an entry of a report."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pellucid.evaluate.baselines import baseline_rows
from pellucid.evaluate.evaluation import class_names, evaluate, with_baselines
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe
from pellucid.report.entry import ReportEntry
from pellucid.reproduce.collect import make_entry


def evaluate_checkpoint(
    path: Path,
    recipe: Recipe | None = None,
    *,
    seeds: Sequence[int] | None = None,
    baselines: Sequence[str] | None = None,
    limit: int = 0,
    progress: Callable[[float], None] = lambda fraction: None,
) -> ReportEntry:
    """Evaluate a checkpoint on the test images of a recipe, with the recipe's noise.

    Args:
        path: the checkpoint; accuracies are measured if it contains a classifier too.
        recipe: names data, noise, metrics and baselines; by default the checkpoint's own.
        seeds: the seeds of the test images' noise; by default the seed of the training. The baselines use the first.
        baselines: the names of the baselines to run; by default the recipe's.
        limit: the maximum number of test images; 0 means as many as in the recipe.
        progress: called with the fraction that is done.

    Returns:
        An entry without losses and studies, with the pictures and codes of the first seed.

    Raises:
        UsageError: if the images do not fit the denoiser, or a baseline is unknown.
        PellucidError: if the checkpoint or the data cannot be read.
    """
    denoiser = Denoiser.load(path)
    recipe = recipe or denoiser.checkpoint.recipe
    values: dict[str, Any] = {} if baselines is None else {"evaluate.baselines": list(baselines)}
    if limit:
        values["data.test_images"] = min(limit, recipe.data.test_images or limit)
    recipe = recipe.with_values(values)
    seeds = tuple(seeds) if seeds else (recipe.train.seed,)
    steps = len(seeds) + len(recipe.evaluate.baselines)
    evaluations = []
    for number, seed in enumerate(seeds):
        evaluations.append(evaluate(denoiser, recipe, seed=seed, baselines=False))
        progress((number + 1) / steps)
    classifier = denoiser.checkpoint.networks.get("classifier")
    rows = baseline_rows(
        recipe,
        seeds,
        [] if classifier is None else [classifier],
        progress=lambda fraction: progress((len(seeds) + fraction * len(recipe.evaluate.baselines)) / steps),
    )
    first = with_baselines(evaluations[0], rows, class_names(recipe))
    per_seed = [{"seed": seed, **each.figures} for seed, each in zip(seeds, evaluations, strict=True)]
    epochs = denoiser.checkpoint.metrics.get("epochs")
    changes = [f"measured on the first {limit} test images"] if limit else []
    return make_entry(recipe, first, per_seed, None if epochs is None else int(epochs), changes)
