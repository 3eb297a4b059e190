"""Train on one's own folders: look, choose, write down what was chosen, train, measure, report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.checkpoint import load
from pellucid.data.file_list import FileList, read_file_list, write_file_list
from pellucid.errors import PellucidError, UsageError
from pellucid.noise.add_noise import parse_noise_text
from pellucid.own_data.analysis import Findings, Wishes, look
from pellucid.own_data.choose_recipe import choose, start_from
from pellucid.own_data.evaluate import Measured, measure
from pellucid.own_data.noise_analysis import Progress, estimated_levels
from pellucid.own_data.progress_image import Growing
from pellucid.own_data.report import write_report
from pellucid.own_data.sources import Sources
from pellucid.recipes.recipe import Recipe, load_recipe
from pellucid.train.distributed import process_group
from pellucid.train.loop import TrainProgress as Position
from pellucid.train.loop import TrainResult, train
from pellucid.train.pretrained import pretrained_weights
from pellucid.utils.atomic_write import atomic_write, reason_of

DATA = "listed"
FILES, RECIPE, LAST = "files.json", "recipe.toml", "last.safetensors"
KINDS = {
    "pairs": "noisy and clean images",
    "clean": "clean images alone",
    "noisy": "noisy images alone",
    "takes": "two noisy takes",
}


@dataclass(frozen=True)
class Options:
    """What the user asks of a training on folders.

    Attributes:
        group_by: a regular expression for the group in a file's name; "" groups by content.
        validation: the share of images to hold out.
        values: keys of the recipe to change, such as `{"train.minutes": 20, "train.start": "photo", "train.seed": 1}`.
    """

    group_by: str = ""
    validation: float = 0.2
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What to train on and how, before anything is written."""

    findings: Findings
    files: FileList
    recipe: Recipe

    def write(self, out: Path) -> None:
        """Write the list of files, and the recipe as it is before `train` settles it.

        Raises:
            PellucidError: if they cannot be written.
        """
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PellucidError(f"cannot make the folder {out}: {reason_of(error)}") from error
        write_file_list(out / FILES, self.files)
        with atomic_write(out / RECIPE) as temporary:
            temporary.write_text(self.recipe.to_toml(), encoding="utf-8")


@dataclass(frozen=True)
class Outcome:
    """How a training ended; `measured` and `report` are None where it was interrupted, and in processes that follow."""

    result: TrainResult
    measured: Measured | None = None
    report: Path | None = None


def plan(sources: Sources, out: Path, options: Options, progress: Progress | None = None) -> Plan:
    """Look at folders and choose how to train on them; nothing is written.

    Args:
        sources: the folders.
        out: where the run will be.
        options: what the user asks.
        progress: told what is being done, how far it is, and how much there is.

    Raises:
        UsageError: if the folders or the options do not go together, or `out` holds a run.
        PellucidError: if too much cannot be used, or too little is left.
    """
    sources.run_folder(out)
    if (out / LAST).exists():
        raise UsageError(f"{out} holds a run already: give --resume to continue it, or another --out")
    values = options.values
    start = start_from(str(values["train.start"])) if values.get("train.start") else None
    patch = values.get("data.patch", 0)
    if not isinstance(patch, int) or patch < 0:
        raise UsageError(f"--set data.patch={patch}: give a whole number of pixels")
    wishes = Wishes(options.group_by, options.validation, patch, (start.channels,) if start else ())
    findings = look(sources, wishes, progress)
    recipe = choose(findings, out.resolve().name, str((out / FILES).resolve()), start, values)
    pretrained_weights(recipe)  # a network of another shape is refused here, not when files are written
    levels = estimated_levels(findings.used, findings.white, progress) if _needs_levels(findings, recipe) else None
    return Plan(findings, findings.file_list(levels), recipe)


def begun(out: Path, sources: Sources, values: Mapping[str, Any] | None = None) -> Recipe | None:
    """Return the recipe of a run in `out` that can be resumed, or None if there is none.

    Args:
        out: the folder of the run.
        sources: what it was trained on.
        values: keys of the recipe to change, as when the run was started: `train` refuses to resume with others.

    Raises:
        UsageError: if the run was not trained on these folders.
    """
    if not (out / LAST).exists():
        return None
    recipe = load_recipe(out / RECIPE)
    files = read_file_list(recipe.data.options.get("path", out / FILES))
    if files.kind != sources.kind:
        raise UsageError(
            f"the run in {out} was trained on {KINDS[files.kind]}, not on {KINDS[sources.kind]}: name its folders, or "
            "another --out"
        )
    listed = [
        Path(file) for entry in files.entries for file in (entry.noisy, entry.clean, entry.second_capture) if file
    ]
    around = {parent for path in listed for parent in path.parents}
    # Files may be links to others elsewhere: it is their folders that count.
    known = {folder.resolve() for folder in around}
    for folder in sources.folders:
        if folder.resolve() not in known:
            raise UsageError(f"the run in {out} was not trained on {folder}: name its folders, or another --out")
    values = dict(values or {})
    if start := values.get("train.start"):
        values["train.start"] = start_from(str(start)).name
    if recipe.noise and sources.noise:
        drawn = {"clip": recipe.noise.clip, "fresh": recipe.noise.fresh}
        recipe = recipe.with_values({"noise": parse_noise_text(sources.noise) | drawn})
    return recipe.with_changes(values)


def train_listed(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    progress: Callable[[Position], None] | None = None,
    measuring: Callable[[int, int], object] | None = None,
    tensorboard: bool = False,
) -> Outcome:
    """Train by a recipe on a list of files, drawing a picture that grows; measure the held-out files; write a report.

    Args:
        recipe: its data set is `listed`.
        out: the folder of the run.
        resume: whether to continue what stopped there.
        progress: told how far the training is.
        measuring: told the held-out files measured, and how many there are.
        tensorboard: whether to write TensorBoard's files too.

    Raises:
        UsageError: as `train`.
        PellucidError: as `train`, and if a held-out file cannot be read.
    """
    files = read_file_list(recipe.data.options.get("path", ""))
    with process_group() as group:
        growing = Growing(files, recipe, out / "progress.png") if group.is_main else None
        result = train(recipe, out, resume=resume, progress=progress, tensorboard=tensorboard, on_epoch_end=growing)
        if growing is None or result.stopped == "interrupted":
            return Outcome(result)
        best = min(result.history, key=lambda entry: entry["validation_loss"])
        growing.draw(load(result.best).networks["denoiser"], best["epoch"])
        measured = measure(result.best, result.recipe, files, measuring)
        minutes = sum(entry["seconds"] for entry in result.history) / 60
        report = write_report(out, result.recipe, measured, result.recipe.origin.assumed, minutes)
        return Outcome(result, measured, report)


def _needs_levels(findings: Findings, recipe: Recipe) -> bool:
    """Return whether the network is told noise levels that no noise model knows."""
    is_told = bool(recipe.model.options.get("condition")) or recipe.objective.name == "recorrupted"
    return is_told and findings.sources.kind != "clean"
