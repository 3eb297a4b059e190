"""Train a denoiser and a classifier for its images, each by itself, and write both into one checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pellucid.checkpoint import combine
from pellucid.recipes.recipe import Recipe
from pellucid.train.distributed import process_group
from pellucid.train.loop import EpochCallback, TrainProgress, TrainResult, train
from pellucid.train.run_folder import RunFolder


@dataclass(frozen=True)
class TrainedModels:
    """The runs of a recipe.

    Attributes:
        denoiser: how the denoiser's run ended.
        classifier: how the classifier's run ended; None where the recipe has none, or Ctrl-C came before it.
        combined: the checkpoint that holds both, or None.
    """

    denoiser: TrainResult
    classifier: TrainResult | None = None
    combined: Path | None = None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the training early."""
        last = self.classifier or self.denoiser
        return last.stopped == "interrupted"


def train_all(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    progress: Callable[[str, TrainProgress], None] | None = None,
    tensorboard: bool = False,
    on_epoch_end: EpochCallback | None = None,
) -> TrainedModels:
    """Train a recipe's denoiser into `out` and, where it has a [classifier], that one into `out/classifier`.

    The classifier is trained on clean images, never on denoised ones. Both together become `out/combined.safetensors`.
    If torchrun started this process, the main one alone writes it.

    Args:
        recipe: the experiment.
        out: the folder of the run.
        resume: whether to continue the run that is in the folder.
        progress: called with "denoiser" or "classifier" after every step.
        tensorboard: whether to write TensorBoard's files too.
        on_epoch_end: called with the denoiser after each of its epochs (see `pellucid.train.loop.train`).

    Raises:
        UsageError: if the recipe is not consistent, or `out` holds a run and `resume` is False.
        PellucidError: if the data is absent, a loss is no longer finite, or a file cannot be written.
    """
    folder = RunFolder(out)

    def train_one(role: str, recipe: Recipe, folder: RunFolder, callback: EpochCallback | None) -> TrainResult:
        role_progress = partial(progress, role) if progress else None
        options = {"resume": resume, "tensorboard": tensorboard, "on_epoch_end": callback}
        return train(recipe, folder.path, progress=role_progress, **options)

    with process_group() as group:
        denoiser = train_one("denoiser", recipe, folder, on_epoch_end)
        if recipe.classifier is None or denoiser.stopped == "interrupted":
            return TrainedModels(denoiser)
        classifier = train_one("classifier", recipe.for_classifier(recipe.train.seed), folder.classifier, None)
        if classifier.stopped == "interrupted":
            return TrainedModels(denoiser, classifier)
        if group.is_main:
            combine(denoiser.best, classifier.best, folder.combined)
        group.barrier()
        return TrainedModels(denoiser, classifier, folder.combined)
