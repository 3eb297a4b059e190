"""The networks that a reproduction trains, and where it stores the results of each recipe."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pellucid.errors import OldFormat, UsageError
from pellucid.evaluate.baselines import cache_key
from pellucid.evaluate.study import value_text, variant
from pellucid.recipes.recipe import FORMAT, TRAINING_TABLES, Evaluate, Origin, Recipe, Study, load_recipe
from pellucid.train.run_folder import RunFolder
from pellucid.utils.json_npz import read_json, write_json

FIGURES = "figures.json"
PICTURES = "pictures.npz"
ROW = "row.json"


@dataclass(frozen=True)
class Run:
    """One network to train.

    Attributes:
        label: its name for the user.
        recipe: the recipe that trains it.
        folder: the folder of the run.
    """

    label: str
    recipe: Recipe
    folder: Path

    @property
    def best(self) -> Path:
        """Return the path of its checkpoint."""
        return RunFolder(self.folder).best

    def outcome(self) -> dict[str, Any] | None:
        """Return how the training ended (`stopped`, `overfitting`), or None if it has not ended.

        Raises:
            UsageError: if the folder has a run of another recipe.
        """
        ended, saved = self.folder / "trained.json", RunFolder(self.folder).recipe
        outcome, tables = None, None
        if ended.exists():
            outcome = read_json(ended)
            if outcome.get("format", 1) == 1:
                raise OldFormat(self.folder, "run folder")
            # Parsed as a recipe, so that keys that are newer than the file have their defaults.
            tables = Recipe.from_dict({"name": self.label, "summary": "", **outcome["tables"]}).training_tables()
        elif saved.exists():
            tables = load_recipe(saved).training_tables()
        expected = self.recipe.training_tables()
        if tables is None or tables == expected:
            return outcome
        table = next(name for name in TRAINING_TABLES if tables.get(name) != expected.get(name))
        raise UsageError(
            f"{self.folder} has a run with another [{table}]: delete that folder to train it again, or give "
            "another --out"
        )

    def save_outcome(self, stopped: str, overfitting: str | None) -> None:
        """Write that the training has ended, and how."""
        outcome = {"stopped": stopped, "overfitting": overfitting}
        tables = self.recipe.training_tables()
        write_json(self.folder / "trained.json", {"format": FORMAT, "tables": tables, **outcome})

    def history(self) -> list[dict[str, Any]]:
        """Return one entry per epoch of the run."""
        return RunFolder(self.folder).read_stats()


@dataclass(frozen=True)
class Experiment:
    """One recipe to reproduce.

    Attributes:
        recipe: with all changes for this reproduction.
        quick_changes: the changes of `--quick`, or None without it.
        changes: the other changes, as texts.
        out: the folder of the whole reproduction.
        threads: how many each training may use; 0 means as many as the recipe says.
    """

    recipe: Recipe
    quick_changes: tuple[str, ...] | None
    changes: tuple[str, ...]
    out: Path
    threads: int = 0

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the seeds. Each has its own denoiser, classifiers, and noise of the test images."""
        return self.recipe.evaluate.seeds

    def denoiser(self, seed: int) -> Run:
        """Return the run of the denoiser."""
        recipe = self._limited(self.recipe.with_values({"train.seed": seed}))
        return Run(f"{recipe.name}, seed {seed}", recipe, self.out / recipe.name / f"seed-{seed}")

    def classifier(self, seed: int, *, on_noise: bool = False) -> Run | None:
        """Return the run of the classifier, or of the one that is trained on noisy images (the accuracy ceiling).

        Recipes with the same tables share it. It is trained on one thread in fp32, so that it is the same to the bit in
        every reproduction.
        """
        if self.recipe.classifier is None or (on_noise and self.recipe.noise is None):
            return None
        recipe = replace(
            self.recipe.for_classifier(seed, on_noise=on_noise),
            name="ceiling" if on_noise else "classifier",
            summary="The classifier, trained on noisy images"
            if on_noise
            else "The classifier, trained on clean images",
            origin=Origin(),
            study=(),
            evaluate=Evaluate(),
        )
        recipe = replace(recipe, train=replace(recipe.train, threads=1, precision="fp32"))
        tables = recipe.training_tables()
        del tables["train"]["seed"]
        folder = self.out / "classifiers" / f"{recipe.data.name}-{_digest(tables)}"
        return Run(f"{folder.name} ({recipe.name}), seed {seed}", recipe, folder / f"seed-{seed}")

    def variant(self, study: Study, value: Any) -> Run:
        """Return the run of one value of a study."""
        recipe = self._limited(variant(self.recipe, study, value))
        text = value_text(value)
        name = "".join(letter if letter.isalnum() else "-" for letter in f"{study.vary}-{text}")
        return Run(f"{recipe.name}, {study.vary} {text}", recipe, self.out / recipe.name / "study" / name)

    def baselines_file(self) -> Path:
        """Return the file of the baselines' rows; recipes with the same tables share it."""
        return self.out / "baselines" / f"{cache_key(self.recipe, self.seeds)}.json"

    def evaluation_tables(self, seed: int) -> dict[str, Any]:
        """Return the tables that the figures of a seed depend on."""
        tables = self.recipe.to_dict()
        evaluation_only = {name: tables.get(name) for name in ("data", "classifier")}
        return {
            **self.denoiser(seed).recipe.training_tables(),
            **evaluation_only,
            "metrics": tables["evaluate"]["metrics"],
        }

    def _limited(self, recipe: Recipe) -> Recipe:
        if not self.threads or recipe.train.threads:
            return recipe
        return replace(recipe, train=replace(recipe.train, threads=self.threads))


def is_saved(path: Path, tables: dict[str, Any]) -> bool:
    """Return whether the file at `path` has figures for the same tables."""
    return path.exists() and read_json(path)["tables"] == tables


def _digest(tables: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(tables, sort_keys=True).encode(), digest_size=4).hexdigest()
