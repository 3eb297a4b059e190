"""Train on image folders: analyze them, choose and write a recipe, train, evaluate, and report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.checkpoint import load
from pellucid.data.files_json import FileList, read_file_list, write_file_list
from pellucid.errors import UsageError
from pellucid.noise.add_noise import parse_noise_text
from pellucid.own_data.analysis import DatasetAnalysis, DatasetOptions, analyze
from pellucid.own_data.choose_recipe import choose_recipe, load_pretrained
from pellucid.own_data.evaluate import HeldOutEvaluation, evaluate_held_out
from pellucid.own_data.noise_analysis import StageProgress, estimate_sigmas
from pellucid.own_data.report import ProgressImage, write_report
from pellucid.own_data.sources import Sources
from pellucid.recipes.recipe import Recipe, load_recipe
from pellucid.train.distributed import process_group
from pellucid.train.loop import TrainProgress, TrainResult, train
from pellucid.train.pretrained import pretrained_weights
from pellucid.train.run_folder import RunFolder
from pellucid.utils.paths import make_folder

DATASET = "listed"
FILES = "files.json"
DESCRIPTIONS = {
    "pairs": "noisy and clean images",
    "clean": "clean images only",
    "noisy": "noisy images only",
    "captures": "two noisy captures",
}


@dataclass(frozen=True)
class TrainOptions:
    """The user's options for training on image folders.

    Attributes:
        group_by: a regular expression that finds the group in a file's name; "" groups by content.
        validation: the fraction of images to hold out, in (0, 1).
        values: keys of the recipe to change, such as `{"train.minutes": 20, "train.start": "photo", "train.seed": 1}`.
    """

    group_by: str = ""
    validation: float = 0.2
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainPlan:
    """The files to train on and the recipe, before anything is written."""

    analysis: DatasetAnalysis
    files: FileList
    recipe: Recipe

    def write(self, out: Path) -> None:
        """Write the list of files, and the recipe as it is before `train` autotunes it.

        Raises:
            PellucidError: if they cannot be written.
        """
        make_folder(out, "give another --out")
        write_file_list(out / FILES, self.files)
        RunFolder(out).write_recipe(self.recipe.to_toml())


@dataclass(frozen=True)
class TrainOutcome:
    """The result of a training; the other fields are None if it was interrupted, and in all but the main process."""

    result: TrainResult
    evaluation: HeldOutEvaluation | None = None
    report: Path | None = None


def make_plan(sources: Sources, out: Path, options: TrainOptions, progress: StageProgress | None = None) -> TrainPlan:
    """Analyze folders and choose how to train on them; nothing is written.

    Args:
        sources: the folders.
        out: the folder of the run, which need not exist yet.
        options: the user's options.
        progress: called with the stage ("read", "noise" or "noise levels"), the images done and the number of images.

    Raises:
        UsageError: if the folders or the options do not go together, or `out` holds a run.
        PellucidError: if too many files cannot be used, or too few are left.
    """
    sources.run_folder(out)
    if RunFolder(out).last.exists():
        raise UsageError(f"{out} holds a run already: give --resume to continue it, or another --out")
    values = options.values
    pretrained = load_pretrained(str(values["train.start"])) if values.get("train.start") else None
    patch = values.get("data.patch", 0)
    if not isinstance(patch, int) or patch < 0:
        raise UsageError(f"--set data.patch={patch}: give a whole number of pixels")
    channels = (pretrained.channels,) if pretrained else ()
    analysis = analyze(sources, DatasetOptions(options.group_by, options.validation, patch, channels), progress)
    recipe = choose_recipe(analysis, out.resolve().name, str((out / FILES).resolve()), pretrained, values)
    pretrained_weights(recipe)  # refuses another architecture now, before anything is written
    sigmas = None
    if _needs_sigmas(analysis, recipe):
        sigmas = estimate_sigmas(analysis.images, analysis.data_range, progress)
    return TrainPlan(analysis, analysis.file_list(sigmas), recipe)


def resumable_recipe(out: Path, sources: Sources, values: Mapping[str, Any] | None = None) -> Recipe | None:
    """Return the recipe of a run in `out` that can be resumed, or None if there is none.

    Args:
        out: the folder of the run.
        sources: the folders that it was trained on.
        values: keys of the recipe to change, the same as when the run was started: `train` refuses others.

    Raises:
        UsageError: if the run was not trained on these folders.
    """
    folder = RunFolder(out)
    if not folder.last.exists():
        return None
    recipe = load_recipe(folder.recipe)
    files = read_file_list(recipe.data.options.get("path", out / FILES))
    if files.kind != sources.kind:
        raise UsageError(
            f"the run in {out} was trained on {DESCRIPTIONS[files.kind]}, not on {DESCRIPTIONS[sources.kind]}: name "
            "its folders, or another --out"
        )
    paths = [Path(file) for entry in files.entries for file in (entry.noisy, entry.clean, entry.second_capture) if file]
    # The files may be links into other folders, so their own folders are resolved instead.
    known_folders = {folder.resolve() for folder in {parent for path in paths for parent in path.parents}}
    for folder in sources.folders:
        if folder.resolve() not in known_folders:
            raise UsageError(f"the run in {out} was not trained on {folder}: name its folders, or another --out")
    values = dict(values or {})
    if start := values.get("train.start"):
        values["train.start"] = load_pretrained(str(start)).name
    if recipe.noise and sources.noise:
        options = {"clip": recipe.noise.clip, "fresh": recipe.noise.fresh}
        recipe = recipe.with_values({"noise": parse_noise_text(sources.noise) | options})
    return recipe.with_changes(values)


def train_file_list(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    progress: Callable[[TrainProgress], None] | None = None,
    on_file_evaluated: Callable[[int, int], object] | None = None,
    tensorboard: bool = False,
) -> TrainOutcome:
    """Train by a recipe on a list of files, with a progress image; evaluate the held-out files; write a report.

    Args:
        recipe: one with the dataset `listed`.
        out: the folder of the run.
        resume: whether to continue the run in `out`.
        progress: called with the progress of the training.
        on_file_evaluated: called with the held-out files done and their number.
        tensorboard: whether to write TensorBoard's files too.

    Raises:
        UsageError: as `train` does.
        PellucidError: as `train` does, and if a held-out file cannot be read.
    """
    files = read_file_list(recipe.data.options.get("path", ""))
    with process_group() as group:
        image = ProgressImage(files, recipe, out / "progress.png") if group.is_main else None
        result = train(recipe, out, resume=resume, progress=progress, tensorboard=tensorboard, on_epoch_end=image)
        if image is None or result.stopped == "interrupted":
            return TrainOutcome(result)
        best = min(result.history, key=lambda entry: entry["validation_loss"])
        image.draw(load(result.best).networks["denoiser"], best["epoch"])
        evaluation = evaluate_held_out(result.best, result.recipe, files, on_file_evaluated)
        minutes = sum(entry["seconds"] for entry in result.history) / 60
        report = write_report(out, result.recipe, evaluation, result.recipe.origin.assumed, minutes)
        return TrainOutcome(result, evaluation, report)


def _needs_sigmas(analysis: DatasetAnalysis, recipe: Recipe) -> bool:
    """Return whether the network needs noise levels that no noise model gives."""
    is_conditional = bool(recipe.model.options.get("condition")) or recipe.objective.name == "recorrupted"
    return is_conditional and analysis.sources.kind != "clean"
