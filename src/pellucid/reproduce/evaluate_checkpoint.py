"""Measure one checkpoint over several draws of noise, beside its rivals, as an entry of a report."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pellucid.evaluate.baselines import rival_rows
from pellucid.evaluate.evaluation import class_names, evaluate, with_rivals
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe
from pellucid.report.entry import Entry
from pellucid.reproduce.collect import measured


def assess(
    path: Path,
    recipe: Recipe | None = None,
    *,
    seeds: Sequence[int] | None = None,
    rivals: Sequence[str] | None = None,
    limit: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Entry:
    """Measure a checkpoint on the test images of a recipe, with the recipe's noise.

    Args:
        path: the checkpoint; accuracies are measured where it holds a classifier too.
        recipe: names data, noise, metrics and rivals; by default the checkpoint's own.
        seeds: each draws the noise of the test images once; by default the seed of the training. The rivals take the
            first.
        rivals: the classical rivals to run; by default the recipe's.
        limit: the most test images to take; 0 means as many as the recipe does.
        progress: told the share that is done.

    Returns:
        An entry without losses and studies; pictures and codes are those of the first seed.

    Raises:
        UsageError: if the images do not fit the denoiser, or a rival is unknown.
        PellucidError: if the checkpoint or the data cannot be read.
    """
    denoiser = Denoiser.load(path)
    recipe = recipe or denoiser.checkpoint.recipe
    changes: dict[str, Any] = {} if rivals is None else {"evaluate.baselines": list(rivals)}
    if limit:
        changes["data.test_images"] = min(limit, recipe.data.test_images or limit)
    recipe = recipe.with_values(changes)
    seeds = tuple(seeds) if seeds else (recipe.train.seed,)
    steps = len(seeds) + len(recipe.evaluate.baselines)
    evaluations = []
    for number, seed in enumerate(seeds):
        evaluations.append(evaluate(denoiser, recipe, seed=seed, rivals=False))
        progress((number + 1) / steps)
    classifier = denoiser.checkpoint.networks.get("classifier")
    rows = rival_rows(
        recipe,
        seeds,
        [] if classifier is None else [classifier],
        progress=lambda share: progress((len(seeds) + share * len(recipe.evaluate.baselines)) / steps),
    )
    first = with_rivals(evaluations[0], rows, class_names(recipe))
    per_seed = [{"seed": seed, **each.figures} for seed, each in zip(seeds, evaluations, strict=True)]
    result = {
        "recipe": recipe.name,
        "published": dict(recipe.origin.published),
        "measured": measured(per_seed) | {"compression": first.compression},
        "rivals": first.rivals,
        "epochs": denoiser.checkpoint.metrics.get("epochs"),
        "quick": False,
        "assumed": list(recipe.origin.assumed),
        "deviations": [*recipe.origin.deviations, *_limits(limit)],
    }
    return Entry(
        result=result,
        title=recipe.name,
        summary=recipe.summary,
        origin=recipe.to_dict()["origin"],
        pictures=first.pictures,
        captions=first.captions,
        codes=first.codes,
        compression=first.compression,
    )


def _limits(limit: int) -> list[str]:
    return [f"measured on the first {limit} test images"] if limit else []
