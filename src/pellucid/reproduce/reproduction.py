"""Reproduce recipes: train every seed, measure it beside the rivals, and write what was published beside it."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pellucid import checkpoint, registry
from pellucid.errors import PellucidError, UsageError
from pellucid.evaluate.baselines import has_rows, rival_rows, row_names
from pellucid.evaluate.evaluation import evaluate
from pellucid.evaluate.study import study_row
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe, load_recipe
from pellucid.report.write import write_report
from pellucid.reproduce.collect import entry_of, keep_evaluation
from pellucid.reproduce.experiment import FIGURES, PICTURES, ROW, Experiment, Run, is_kept
from pellucid.reproduce.scheduler import Job, JobsProgress, run_jobs
from pellucid.train.loop import train
from pellucid.utils.json_npz import write_arrays, write_json
from pellucid.utils.system import cores

TITLE = "Denoising autoencoders: published and measured"
Tell = Callable[[float], None]
FLOPS_A_SECOND = 3e10
SECONDS_AN_IMAGE = 1e-5
EVALUATE_SECONDS = 10.0
START_SECONDS = 2.0
RIVAL_SECONDS = 15.0


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
    """Train, measure and report recipes, several at once; what is done already in `out` is kept.

    Each seed trains a denoiser and its classifiers and draws the noise of the test images. Into `out` go
    NAME/seed-N/ (the run, its figures and combined.safetensors: denoiser and classifier in one), classifiers/ and
    rivals/, which recipes share, results.json and the report.

    Args:
        names: shipped recipes by name, or recipe files.
        out: the folder for all of it.
        quick: whether each recipe's `[quick]` table cuts it short.
        seeds: the seeds to take instead of each recipe's own.
        values: keys to set in every recipe, such as `{"train.epochs": 3}`; they win over `quick`.
        workers: how many trainings run at once, each on one thread; by default as many as there are cores and jobs.
            One worker trains on as many threads as the recipe's probe finds best.
        progress: told how far all is.

    Returns:
        One entry a recipe: `recipe`, `published`, `measured` (means over the seeds, `per_seed`, `spread` as least and
        greatest), `rivals`, `epochs`, `quick` (False, or what was cut), `assumed` and `deviations`.

    Raises:
        UsageError: for an unknown recipe, key or value, or if `out` holds runs of other recipes.
        PellucidError: naming what failed, after the report of all else is written.
        KeyboardInterrupt: after Ctrl-C, which leaves every run such that the same call continues it.
    """
    out = Path(out)
    experiments = [_experiment(name, out, quick, seeds, values or {}) for name in names]
    if len({experiment.recipe.name for experiment in experiments}) < len(experiments):
        raise UsageError("two of the recipes have the same name: give each its own")
    experiments, failures = _with_data(experiments)
    count = max(1, min(workers or cores(), len(_pending(experiments))))
    if count > 1:
        experiments = [replace(experiment, threads=1) for experiment in experiments]
    out.mkdir(parents=True, exist_ok=True)
    failures |= run_jobs(_pending(experiments), count, progress)
    entries = [entry_of(experiment) for experiment in experiments if not _pending([experiment])]
    results = [entry.result for entry in entries]
    if entries:
        write_report(entries, out, TITLE)
    if failures:
        raise PellucidError("; ".join(f"{name}: {reason}" for name, reason in failures.items()))
    return results


def _experiment(
    name: str | Path, out: Path, quick: bool, seeds: Sequence[int] | None, values: Mapping[str, Any]
) -> Experiment:
    """Read a recipe, cut it and set what was asked for; all of it is checked here, before anything runs."""
    recipe = load_recipe(name)
    asked = dict(values) | ({"evaluate.seeds": list(seeds)} if seeds is not None else {})
    recipe = replace(recipe, quick={key: value for key, value in recipe.quick.items() if key not in asked})
    cuts = recipe.quick_changes() if quick else None
    recipe = (recipe.with_quick_values() if quick else recipe).with_changes(asked)
    recipe.check()
    return Experiment(recipe, cuts, tuple(f"set for this run: {key} = {value}" for key, value in asked.items()), out)


def _with_data(experiments: Sequence[Experiment]) -> tuple[list[Experiment], dict[str, str]]:
    """Return the experiments whose data is there, and why the others' is not."""
    found, failures = [], {}
    for experiment in experiments:
        try:
            _data_shape(experiment.recipe)
            found.append(experiment)
        except PellucidError as error:
            failures[experiment.recipe.name] = str(error)
    return found, failures


def _pending(experiments: Sequence[Experiment]) -> list[Job]:
    """Return the jobs whose results are not there yet, none before one that it needs; shared ones stand once."""
    jobs: dict[str, Job] = {}
    for experiment in experiments:
        for job in _jobs_of(experiment):
            jobs.setdefault(job.name, replace(job, needs=tuple(name for name in job.needs if name in jobs)))
    return list(jobs.values())


def _jobs_of(experiment: Experiment) -> Iterator[Job]:
    recipe = experiment.recipe
    readers = []
    for seed in experiment.seeds:
        denoiser = experiment.denoiser(seed)
        reader, ceiling = experiment.classifier(seed), experiment.classifier(seed, on_noise=True)
        runs = [run for run in (denoiser, reader, ceiling) if run]
        yield from (_training(run) for run in runs if run.outcome() is None)
        if not is_kept(denoiser.folder / FIGURES, experiment.evaluation_tables(seed)):
            needs = tuple(run.label for run in runs)
            yield Job(f"figures of {denoiser.label}", _evaluate, (experiment, seed), needs, EVALUATE_SECONDS)
        readers += [reader.label] if reader else []
    if row_names(recipe) and not has_rows(recipe, experiment.rivals_file()):
        cost = RIVAL_SECONDS * len(row_names(recipe))
        yield Job(f"rivals {experiment.rivals_file().stem}", _run_rivals, (experiment,), tuple(readers), cost)
    for study in recipe.study:
        for value in study.values:
            run = experiment.variant(study, value)
            if not is_kept(run.folder / ROW, run.recipe.training_tables()):
                yield replace(_training(run), call=_run_variant, arguments=(run, value))


def _training(run: Run) -> Job:
    """Return the job of training a run; its cost is reckoned from the floating-point operations of an image."""
    count, *shape = _data_shape(run.recipe)
    count = min(count, run.recipe.data.train_images or count)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run.recipe.build("model")(torch.zeros(1, *shape))
    seconds = 3 * counter.get_total_flops() / FLOPS_A_SECOND + SECONDS_AN_IMAGE
    return Job(run.label, _train, (run,), cost=START_SECONDS + run.recipe.train.epochs * count * seconds)


def _data_shape(recipe: Recipe) -> tuple[int, ...]:
    """Return the shape (N, C, H, W) of a recipe's training images."""
    return _read_shape(recipe.data.name, json.dumps(recipe.data.options))


@functools.cache
def _read_shape(name: str, options: str) -> tuple[int, ...]:
    # The options come as JSON, since a table cannot be remembered by.
    return registry.build("data", name, json.loads(options)).load("train").images.shape


def _train(run: Run, tell: Tell) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    result = train(run.recipe, run.folder, resume=True, progress=lambda now: tell(now.step / now.total_steps))
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    run.keep_outcome(result.stopped, result.overfitting)


def _evaluate(experiment: Experiment, seed: int, tell: Tell) -> None:
    denoiser, reader = experiment.denoiser(seed), experiment.classifier(seed)
    ceiling = experiment.classifier(seed, on_noise=True)
    evaluation = evaluate(
        denoiser.best,
        experiment.recipe,
        seed=seed,
        classifiers=[_classifier(reader)] if reader else [],
        ceiling=_classifier(ceiling) if ceiling else None,
        rivals=False,
    )
    if reader:
        checkpoint.combine(denoiser.best, reader.best, denoiser.folder / "combined.safetensors")
    keep_evaluation(denoiser.folder, evaluation, experiment.evaluation_tables(seed))


def _run_rivals(experiment: Experiment, tell: Tell) -> None:
    readers = [run for run in map(experiment.classifier, experiment.seeds) if run]
    folder = experiment.rivals_file().parent
    networks = [_classifier(run) for run in readers]
    rival_rows(experiment.recipe, experiment.seeds, networks, folder=folder, progress=tell)


def _run_variant(run: Run, value: Any, tell: Tell) -> None:
    _train(run, tell)
    row, ten = study_row(Denoiser.load(run.best), run.recipe, value)
    write_arrays(run.folder / PICTURES, {"denoised": ten})
    write_json(run.folder / ROW, {"tables": run.recipe.training_tables(), "row": row})


def _classifier(run: Run) -> Any:
    return checkpoint.load(run.best).networks["classifier"]
