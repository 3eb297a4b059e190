"""Collect one recipe's entry of a report from the files of its seeds, baselines and studies."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pellucid.evaluate.baselines import baseline_names, read_rows
from pellucid.evaluate.evaluation import Evaluation, class_names, with_baselines
from pellucid.evaluate.study import value_text
from pellucid.recipes.recipe import Recipe
from pellucid.report.entry import ReportEntry
from pellucid.reproduce.experiment import FIGURES, PICTURES, ROW, Experiment
from pellucid.utils.json_npz import read_arrays, read_json, write_arrays, write_json

REQUIRED_METRICS = (
    "psnr",
    "ssim",
    "train_loss",
    "accuracy_clean",
    "accuracy_noisy",
    "accuracy_denoised",
    "accuracy_ceiling",
    "loss_clean",
    "loss_noisy",
    "loss_denoised",
)


def save_evaluation(folder: Path, evaluation: Evaluation, tables: dict[str, Any]) -> None:
    """Write an evaluation without baselines into a folder, with the recipe tables that it depends on."""
    codes = {} if evaluation.codes is None else {"codes": evaluation.codes}
    write_arrays(folder / PICTURES, {f"row {name}": row for name, row in evaluation.pictures.items()} | codes)
    write_json(folder / FIGURES, {"tables": tables, **evaluation.to_dict(), "captions": evaluation.captions})


def read_evaluation(folder: Path) -> Evaluation:
    """Read what `save_evaluation` wrote."""
    saved, arrays = read_json(folder / FIGURES), read_arrays(folder / PICTURES)
    codes = arrays.pop("codes", None)
    pictures = {name.removeprefix("row "): row for name, row in arrays.items()}
    return Evaluation(saved["figures"], {}, saved["compression"], pictures, saved["captions"], codes)


def collect_entry(experiment: Experiment) -> ReportEntry:
    """Return the entry of a finished experiment, with the pictures, captions and codes of its first seed."""
    recipe, seeds = experiment.recipe, experiment.seeds
    runs = {seed: experiment.denoiser(seed) for seed in seeds}
    evaluations = {seed: read_evaluation(runs[seed].folder) for seed in seeds}
    histories = {seed: runs[seed].history() for seed in seeds}
    outcomes = {seed: runs[seed].outcome() or {} for seed in seeds}
    rows = read_rows(experiment.baselines_file()) if baseline_names(recipe) else {}
    first = with_baselines(
        evaluations[seeds[0]], {name: rows[name] for name in baseline_names(recipe)}, class_names(recipe)
    )
    per_seed = [
        {
            "seed": seed,
            "epochs": len(histories[seed]),
            "stopped": outcomes[seed]["stopped"],
            "train_loss": histories[seed][-1]["train_loss"],
            "validation_loss": min(epoch["validation_loss"] for epoch in histories[seed]),
            **evaluations[seed].figures,
        }
        for seed in seeds
    ]
    first = replace(first, compression=_mean_compression([evaluations[seed].compression for seed in seeds]))
    entry = make_entry(recipe, first, per_seed, max(map(len, histories.values())), experiment.changes)
    quick = False if experiment.quick_changes is None else list(experiment.quick_changes)
    return replace(
        entry,
        result=entry.result | {"quick": quick},
        history={f"seed {seed}": history for seed, history in histories.items()},
        overfitting=next((text for outcome in outcomes.values() if (text := outcome["overfitting"])), None),
        studies=_studies(experiment),
    )


def make_entry(
    recipe: Recipe, first: Evaluation, per_seed: Sequence[Mapping[str, Any]], epochs: int | None, changes: Sequence[str]
) -> ReportEntry:
    """Return an entry without losses and studies.

    Args:
        recipe: the evaluated recipe.
        first: the evaluation of the first seed, with its baselines.
        per_seed: `seed` and the figures of each seed.
        epochs: how many epochs were trained, if known.
        changes: how the evaluation deviates from the recipe.
    """
    result = {
        "recipe": recipe.name,
        "published": dict(recipe.origin.published),
        "measured": summarize_seeds(per_seed) | {"compression": first.compression},
        "baselines": first.baselines,
        "epochs": epochs,
        "quick": False,
        "assumed": list(recipe.origin.assumed),
        "deviations": [*recipe.origin.deviations, *changes],
    }
    return ReportEntry(
        result=result,
        title=recipe.name,
        summary=recipe.summary,
        origin=recipe.to_dict()["origin"],
        pictures=first.pictures,
        captions=first.captions,
        codes=first.codes,
        compression=first.compression,
    )


def summarize_seeds(per_seed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of each figure over the seeds, `spread` with its [minimum, maximum], and `per_seed` itself.

    A figure that one of the seeds lacks is None.
    """
    names = [
        name for name, value in per_seed[0].items() if name not in ("seed", "epochs") and not isinstance(value, str)
    ]
    means: dict[str, Any] = dict.fromkeys(REQUIRED_METRICS)
    spread = {}
    for name in names:
        values = [seed[name] for seed in per_seed]
        complete = None not in values
        means[name] = sum(values) / len(values) if complete else None
        if complete:
            spread[name] = [min(values), max(values)]
    return means | {"spread": spread, "per_seed": [dict(seed) for seed in per_seed]}


def _mean_compression(figures: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Return the figures of the first seed, with PSNR as the mean over the seeds."""
    known = [each for each in figures if each]
    if not known:
        return None
    names = [name for name, value in known[0].items() if name.startswith("psnr") and value is not None]
    return known[0] | {name: sum(each[name] for each in known) / len(known) for name in names}


def _studies(experiment: Experiment) -> list[dict[str, Any]]:
    studies = []
    for study in experiment.recipe.study:
        folders = {value_text(value): experiment.variant(study, value).folder for value in study.values}
        studies.append(
            {
                "title": study.title,
                "vary": study.vary,
                "measure": list(study.measure),
                "epochs": study.epochs,
                "rows": [read_json(folder / ROW)["row"] for folder in folders.values()],
                "pictures": {text: read_arrays(folder / PICTURES)["denoised"] for text, folder in folders.items()},
            }
        )
    return studies
