"""The data of a report, and the files that it is written to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ReportEntry:
    """The part of a report on one recipe.

    Attributes:
        result: the figures as in results.json: `recipe`, `published`, `measured` (with `per_seed`, the same figures for
            each seed), `baselines`, `epochs`, `quick` (true, or the changes of a quick run; `cuts` may contain them
            too), `assumed`, `deviations`. Accuracies are in percent, PSNR in dB, losses in nats, `ms` in milliseconds
            per image; figures that were not measured are None.
        title: the heading of the section.
        summary: one sentence about the recipe.
        origin: `title`, `authors` and `year` of the publication that the recipe follows.
        history: the epochs of each run, such as "seed 0": `epoch`, `train_loss`, `validation_loss`.
        overfitting: a sentence about overfitting, or None.
        pictures: rows of up to ten images (10, C, H, W) in [0, 1]: original, noisy, denoised, then baselines by name.
        captions: one short text per image of a row. Those of "original" are the true classes: a different text in
            another row is marked as misclassified.
        codes: the latent codes of the same images, (10, D) or (10, C, h, w), or None.
        studies: `title`, `vary`, `measure`, `rows` (each a `value` and its figures) and `pictures`: images
            (10, C, H, W) by the text of each value.
        compression: the rate and PSNR of the code as a compressed image, or None.
    """

    result: dict[str, Any]
    title: str
    summary: str
    origin: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    overfitting: str | None = None
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    captions: dict[str, list[str]] = field(default_factory=dict)
    codes: np.ndarray | None = None
    studies: list[dict[str, Any]] = field(default_factory=list)
    compression: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.result["recipe"])

    @property
    def cuts(self) -> tuple[str, ...]:
        """The changes of a quick run, a general text if they are not known; empty for a full run."""
        quick = self.result.get("quick")
        if not quick:
            return ()
        named = quick if isinstance(quick, (list, tuple)) else self.result.get("cuts") or ["cut short"]
        return tuple(str(cut).replace("->", "→") for cut in named)

    def is_misclassified(self, row: str) -> list[bool]:
        """Return for each caption of a row whether it differs from the true class."""
        true, predicted = self.captions.get("original", []), self.captions.get(row, [])
        pairs = zip(predicted, true, strict=False)
        return [text != expected for text, expected in pairs] or [False] * len(predicted)


@dataclass(frozen=True)
class Report:
    """The files of a report."""

    html: Path
    markdown: Path
    csv: Path
    json: Path
    pictures: tuple[Path, ...]


def folder_names(entries: Sequence[ReportEntry]) -> list[str]:
    """Return a folder name for each entry: its recipe's name with only safe characters.

    Equal names are numbered.
    """
    names: list[str] = []
    for entry in entries:
        plain = re.sub(r"[^A-Za-z0-9_.+-]+", "-", entry.name).strip(".-") or "recipe"
        name, number = plain, 2
        while name.lower() in {taken.lower() for taken in names}:
            name, number = f"{plain}-{number}", number + 1
        names.append(name)
    return names


def best_baseline(result: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Return the name and figures of the baseline with the highest PSNR, or None if none has a PSNR."""
    known = {name: row for name, row in result.get("baselines", {}).items() if row.get("psnr") is not None}
    return max(known.items(), key=lambda item: item[1]["psnr"]) if known else None
