"""The folder of a training run: the names of its files, and how the small ones are written."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.errors import UsageError
from pellucid.utils.atomic_write import atomic_write

EpochEntry = dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """The files that a run writes into `path`."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe, with the autotuned values."""
        return self.path / "recipe.toml"

    @property
    def best(self) -> Path:
        """The checkpoint of the epoch with the lowest validation loss."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """The training state, from which the run resumes."""
        return self.path / "last.safetensors"

    @property
    def stats(self) -> Path:
        """One line of JSON for each epoch."""
        return self.path / "stats.jsonl"

    @property
    def combined(self) -> Path:
        """The checkpoint of a denoiser and its classifier."""
        return self.path / "combined.safetensors"

    @property
    def classifier(self) -> "RunFolder":
        """The run of the classifier."""
        return RunFolder(self.path / "classifier")

    def write_recipe(self, text: str) -> None:
        """Write the recipe, a TOML document."""
        with atomic_write(self.recipe) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_stats(self, history: Sequence[EpochEntry]) -> None:
        """Write one line for each epoch."""
        with atomic_write(self.stats) as temporary:
            temporary.write_text("".join(json.dumps(entry) + "\n" for entry in history), encoding="utf-8")

    def read_stats(self) -> list[EpochEntry]:
        """Return the entry of each epoch, none where the file is absent."""
        if not self.stats.exists():
            return []
        return [json.loads(line) for line in self.stats.read_text(encoding="utf-8").splitlines()]

    @contextmanager
    def epoch_logger(self, tensorboard: bool) -> Iterator[Callable[[EpochEntry], None]]:
        """Yield a function that logs the entry of an epoch for TensorBoard, or does nothing.

        Raises:
            UsageError: if TensorBoard is asked for and not installed.
        """
        if not tensorboard:
            yield lambda entry: None
            return
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise UsageError("TensorBoard is not installed: pip install 'pellucid[tensorboard]'") from error
        with SummaryWriter(str(self.path / "tensorboard")) as writer:

            def log_epoch(entry: EpochEntry) -> None:
                for name in ("train_loss", "validation_loss", "lr", "samples_per_second"):
                    writer.add_scalar(name, entry[name], entry["epoch"])

            yield log_epoch
