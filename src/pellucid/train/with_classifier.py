"""Train a denoiser and the classifier behind it, apart from one another, and keep both as one checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pellucid.checkpoint import combine
from pellucid.recipes.recipe import Recipe
from pellucid.train.distributed import Group, joined
from pellucid.train.loop import Progress, Result, Watch, train


@dataclass(frozen=True)
class Trained:
    """What came of a recipe.

    Attributes:
        denoiser: how the denoiser's run ended.
        classifier: how the classifier's run ended; None where the recipe has none, or Ctrl-C came before it.
        combined: the checkpoint that holds both, or None.
    """

    denoiser: Result
    classifier: Result | None = None
    combined: Path | None = None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it before its time."""
        last = self.classifier or self.denoiser
        return last.stopped == "interrupted"


def train_all(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    progress: Callable[[str, Progress], None] | None = None,
    tensorboard: bool = False,
    watch: Watch | None = None,
) -> Trained:
    """Train a recipe's denoiser into `out` and, where it has a [classifier], that one into `out/classifier`.

    The classifier is trained on clean images, never on what the denoiser makes of them. Both together become
    `out/combined.safetensors`. Started by torchrun, the leading process alone writes it.

    Args:
        recipe: what to train.
        out: the folder of the run.
        resume: whether to continue what stopped there.
        progress: told "denoiser" or "classifier", and how far it is.
        tensorboard: whether to write TensorBoard's files too.
        watch: shown the denoiser after each of its epochs (see `pellucid.train.train`).

    Raises:
        UsageError: if the recipe does not hold together, or `out` holds a run and `resume` is not given.
        PellucidError: if the data is absent, a loss is no longer finite, or a file cannot be written.
    """
    with joined() as group:
        return _train_all(recipe, out, group, resume, progress, tensorboard, watch)


def _train_all(
    recipe: Recipe,
    out: Path,
    group: Group,
    resume: bool,
    progress: Callable[[str, Progress], None] | None,
    tensorboard: bool,
    watch: Watch | None,
) -> Trained:
    def telling(role: str) -> Callable[[Progress], None] | None:
        return None if progress is None else partial(progress, role)

    denoiser = train(recipe, out, resume=resume, progress=telling("denoiser"), tensorboard=tensorboard, watch=watch)
    if recipe.classifier is None or denoiser.stopped == "interrupted":
        return Trained(denoiser)
    reader = recipe.for_classifier(recipe.train.seed)
    told = telling("classifier")
    classifier = train(reader, out / "classifier", resume=resume, progress=told, tensorboard=tensorboard)
    if classifier.stopped == "interrupted":
        return Trained(denoiser, classifier)
    combined = out / "combined.safetensors"
    if group.leads:
        combine(denoiser.best, classifier.best, combined)
    group.wait()
    return Trained(denoiser, classifier, combined)
