"""Reproduce recipes: train and evaluate every seed and the baselines, and compare with the published figures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pellucid import checkpoint
from pellucid.errors import PellucidError, UsageError
from pellucid.evaluate.baselines import baseline_names, baseline_rows, has_rows
from pellucid.evaluate.evaluation import evaluate
from pellucid.evaluate.study import study_row
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import load_recipe
from pellucid.report.write import write_report
from pellucid.reproduce.collect import collect_entry, save_evaluation
from pellucid.reproduce.experiment import FIGURES, PICTURES, ROW, Experiment, Run, is_saved
from pellucid.reproduce.scheduler import Job, JobsProgress, ReportProgress, run_jobs
from pellucid.train.loop import train
from pellucid.train.run_folder import RunFolder
from pellucid.utils.json_npz import write_arrays, write_json
from pellucid.utils.paths import make_folder
from pellucid.utils.system import num_cores

TITLE = "Denoising autoencoders: published and measured"
FLOPS_PER_SECOND = 3e10
SECONDS_PER_IMAGE = 1e-5
USUAL_NUM_IMAGES = 5000  # where the dataset does not say it without being loaded
EVALUATE_SECONDS = 10.0
START_SECONDS = 2.0
BASELINE_SECONDS = 15.0


def reproduce(
    names: Sequence[str | Path],
    out: Path,
    *,
    quick: bool = False,
    seeds: Sequence[int] | None = None,
    values: Mapping[str, Any] | None = None,
    workers: int | None = None,
    progress: Callable[[JobsProgress], None] = lambda progress: None,
) -> list[dict[str, Any]]:
    """Train, evaluate and report recipes, several at the same time; results that are already in `out` are kept.

    Each seed has its own denoiser, classifiers, and noise of the test images. `out` gets NAME/seed-N/ (the run, its
    figures and combined.safetensors: denoiser and classifier in one file), classifiers/ and baselines/, which recipes
    share, results.json and the report.

    Args:
        names: shipped recipes by name, or recipe files.
        out: the folder for all results.
        quick: whether to use each recipe's `[quick]` table.
        seeds: the seeds to use instead of each recipe's own.
        values: keys to set in every recipe, such as `{"train.epochs": 3}`; they override `quick`.
        workers: how many trainings run at the same time, each on one thread; by default as many as there are cores and
            jobs. A single worker uses the number of threads that autotuning finds best.
        progress: called whenever something changes.

    Returns:
        One entry per recipe: `recipe`, `published`, `measured` (means over the seeds, `per_seed`, `spread` as
        minimum and maximum), `baselines`, `epochs`, `quick` (False, or the changes), `assumed` and `deviations`.

    Raises:
        UsageError: for an unknown recipe, key or value, or if `out` contains runs of other recipes.
        PellucidError: naming the jobs that failed, after the report of all others is written.
        KeyboardInterrupt: after Ctrl-C; the same call then continues every run.
    """
    out = Path(out)
    experiments = [_experiment(name, out, quick, seeds, values or {}) for name in names]
    if len({experiment.recipe.name for experiment in experiments}) < len(experiments):
        raise UsageError("two of the recipes have the same name: give each its own")
    experiments, failures = _with_data(experiments)
    count = max(1, min(workers or num_cores(), len(_pending(experiments))))
    if count > 1:
        experiments = [replace(experiment, threads=1) for experiment in experiments]
    make_folder(out, "give another --out")
    failures |= run_jobs(_pending(experiments), count, progress)
    entries = [collect_entry(experiment) for experiment in experiments if not _pending([experiment])]
    results = [entry.result for entry in entries]
    if entries:
        write_report(entries, out, TITLE)
    if failures:
        raise PellucidError("; ".join(f"{name}: {reason}" for name, reason in failures.items()))
    return results


def _experiment(
    name: str | Path, out: Path, quick: bool, seeds: Sequence[int] | None, values: Mapping[str, Any]
) -> Experiment:
    """Read a recipe and apply all changes; everything is checked here, before anything runs."""
    recipe = load_recipe(name)
    changes = dict(values) | ({"evaluate.seeds": list(seeds)} if seeds is not None else {})
    recipe = replace(recipe, quick={key: value for key, value in recipe.quick.items() if key not in changes})
    quick_changes = recipe.quick_changes() if quick else None
    recipe = (recipe.with_quick_values() if quick else recipe).with_changes(changes)
    recipe.check()
    return Experiment(
        recipe, quick_changes, tuple(f"set for this run: {key} = {value}" for key, value in changes.items()), out
    )


def _with_data(experiments: Sequence[Experiment]) -> tuple[list[Experiment], dict[str, str]]:
    """Return the experiments that have their data, and the errors of the others."""
    usable, failures = [], {}
    for experiment in experiments:
        try:
            experiment.recipe.build("data").describe("train")
            usable.append(experiment)
        except PellucidError as error:
            failures[experiment.recipe.name] = str(error)
    return usable, failures


def _pending(experiments: Sequence[Experiment]) -> list[Job]:
    """Return the jobs without a result yet, each one once even if several experiments share it."""
    jobs: dict[str, Job] = {}
    for experiment in experiments:
        for job in _jobs_of(experiment):
            jobs.setdefault(job.name, job)
    return [replace(job, depends_on=tuple(name for name in job.depends_on if name in jobs)) for job in jobs.values()]


def _jobs_of(experiment: Experiment) -> Iterator[Job]:
    recipe = experiment.recipe
    classifiers = []
    for seed in experiment.seeds:
        denoiser = experiment.denoiser(seed)
        classifier, ceiling = experiment.classifier(seed), experiment.classifier(seed, on_noise=True)
        runs = [run for run in (denoiser, classifier, ceiling) if run]
        yield from (_training(run) for run in runs if run.outcome() is None)
        if not is_saved(denoiser.folder / FIGURES, experiment.evaluation_tables(seed)):
            labels = tuple(run.label for run in runs)
            yield Job(f"figures of {denoiser.label}", _evaluate, (experiment, seed), labels, EVALUATE_SECONDS)
        classifiers += [classifier.label] if classifier else []
    if baseline_names(recipe) and not has_rows(recipe, experiment.baselines_file()):
        cost = BASELINE_SECONDS * len(baseline_names(recipe))
        yield Job(
            f"baselines {experiment.baselines_file().stem}", _run_baselines, (experiment,), tuple(classifiers), cost
        )
    for study in recipe.study:
        for value in study.values:
            run = experiment.variant(study, value)
            if not is_saved(run.folder / ROW, run.recipe.training_tables()):
                yield replace(_training(run), call=_run_variant, arguments=(run, value))


def _training(run: Run) -> Job:
    """Return the job that trains a run; its cost is estimated from the floating-point operations per image."""
    info = run.recipe.build("data").describe("train")
    count = info.num_images or USUAL_NUM_IMAGES
    count = min(count, run.recipe.data.train_images or count)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run.recipe.build("model")(torch.zeros(1, info.channels, info.height, info.width))
    seconds = 3 * counter.get_total_flops() / FLOPS_PER_SECOND + SECONDS_PER_IMAGE
    return Job(run.label, _train, (run,), cost=START_SECONDS + run.recipe.train.epochs * count * seconds)


def _train(run: Run, report_progress: ReportProgress) -> None:
    result = train(
        run.recipe, run.folder, resume=True, progress=lambda now: report_progress(now.step / now.total_steps)
    )
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    run.save_outcome(result.stopped, result.overfitting)


def _evaluate(experiment: Experiment, seed: int, report_progress: ReportProgress) -> None:
    denoiser, classifier = experiment.denoiser(seed), experiment.classifier(seed)
    ceiling = experiment.classifier(seed, on_noise=True)
    evaluation = evaluate(
        denoiser.best,
        experiment.recipe,
        seed=seed,
        classifiers=[_classifier(classifier)] if classifier else [],
        ceiling=_classifier(ceiling) if ceiling else None,
        baselines=False,
    )
    if classifier:
        checkpoint.combine(denoiser.best, classifier.best, RunFolder(denoiser.folder).combined)
    save_evaluation(denoiser.folder, evaluation, experiment.evaluation_tables(seed))


def _run_baselines(experiment: Experiment, report_progress: ReportProgress) -> None:
    runs = [run for run in map(experiment.classifier, experiment.seeds) if run]
    folder = experiment.baselines_file().parent
    networks = [_classifier(run) for run in runs]
    baseline_rows(experiment.recipe, experiment.seeds, networks, folder=folder, progress=report_progress)


def _run_variant(run: Run, value: Any, report_progress: ReportProgress) -> None:
    _train(run, report_progress)
    row, images = study_row(Denoiser.load(run.best), run.recipe, value)
    write_arrays(run.folder / PICTURES, {"denoised": images})
    write_json(run.folder / ROW, {"tables": run.recipe.training_tables(), "row": row})


def _classifier(run: Run) -> Any:
    return checkpoint.load(run.best).networks["classifier"]
