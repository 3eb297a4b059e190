"""What a reproduction is made of: the networks to train, and where the results of each recipe lie."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pellucid.errors import UsageError
from pellucid.evaluate.baselines import key_of
from pellucid.evaluate.study import value_text, variant
from pellucid.recipes.recipe import TRAINING_TABLES, Evaluate, Origin, Recipe, Study, load_recipe
from pellucid.utils.json_npz import read_json, write_json

FIGURES = "figures.json"
PICTURES = "pictures.npz"
ROW = "row.json"


@dataclass(frozen=True)
class Run:
    """One network to train.

    Attributes:
        label: what it is called to the user.
        recipe: what it is trained by.
        folder: where the run lies.
    """

    label: str
    recipe: Recipe
    folder: Path

    @property
    def best(self) -> Path:
        """Return the path of its checkpoint."""
        return self.folder / "best.safetensors"

    def outcome(self) -> dict[str, Any] | None:
        """Return how the training ended (`stopped`, `overfitting`), or None if it has not.

        Raises:
            UsageError: if the folder holds a run of another recipe.
        """
        ended, begun = self.folder / "trained.json", self.folder / "recipe.toml"
        outcome, found = None, None
        if ended.exists():
            outcome = read_json(ended)
            # Read as a recipe, since a version that knows more keys gives those their defaults.
            found = Recipe.from_dict({"name": self.label, "summary": "", **outcome["tables"]}).training_tables()
        elif begun.exists():
            found = load_recipe(begun).training_tables()
        wanted = self.recipe.training_tables()
        if found is None or found == wanted:
            return outcome
        table = next(name for name in TRAINING_TABLES if found.get(name) != wanted.get(name))
        raise UsageError(
            f"{self.folder} holds a run with another [{table}]: delete that folder to train it anew, or give another "
            "--out"
        )

    def keep_outcome(self, stopped: str, overfitting: str | None) -> None:
        """Note that the training has ended."""
        outcome = {"tables": self.recipe.training_tables(), "stopped": stopped, "overfitting": overfitting}
        write_json(self.folder / "trained.json", outcome)

    def history(self) -> list[dict[str, Any]]:
        """Return one entry per epoch of the ended run."""
        lines = (self.folder / "stats.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]


@dataclass(frozen=True)
class Experiment:
    """One recipe to reproduce.

    Attributes:
        recipe: with everything cut or set for this reproduction.
        cuts: what `--quick` cut, or None without it.
        changes: what else was set, in words.
        out: the folder of the whole reproduction.
        threads: how many each training may use; 0 leaves it to the recipe.
    """

    recipe: Recipe
    cuts: tuple[str, ...] | None
    changes: tuple[str, ...]
    out: Path
    threads: int = 0

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the seeds; each one trains a denoiser and its classifiers, and draws the noise of its test images."""
        return self.recipe.evaluate.seeds

    def denoiser(self, seed: int) -> Run:
        """Return the run of the denoiser."""
        recipe = self._limited(self.recipe.with_values({"train.seed": seed}))
        return Run(f"{recipe.name}, seed {seed}", recipe, self.out / recipe.name / f"seed-{seed}")

    def classifier(self, seed: int, *, on_noise: bool = False) -> Run | None:
        """Return the run of the classifier, or of the ceiling; recipes with the same tables share it.

        It is trained on one thread in fp32, so that every reproduction reads with the same eyes, to the bit.
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

    def rivals_file(self) -> Path:
        """Return where the rivals' rows lie; recipes with the same tables share them."""
        return self.out / "rivals" / f"{key_of(self.recipe, self.seeds)}.json"

    def evaluation_tables(self, seed: int) -> dict[str, Any]:
        """Return the tables that the figures of a seed depend on."""
        tables = self.recipe.to_dict()
        measured_by = {name: tables.get(name) for name in ("data", "classifier")}
        return {**self.denoiser(seed).recipe.training_tables(), **measured_by, "metrics": tables["evaluate"]["metrics"]}

    def _limited(self, recipe: Recipe) -> Recipe:
        if not self.threads or recipe.train.threads:
            return recipe
        return replace(recipe, train=replace(recipe.train, threads=self.threads))


def is_kept(path: Path, tables: dict[str, Any]) -> bool:
    """Return whether figures lie at `path` that depend on the same tables."""
    return path.exists() and read_json(path)["tables"] == tables


def _digest(tables: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(tables, sort_keys=True).encode(), digest_size=4).hexdigest()
