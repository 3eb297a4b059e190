"""What a report is written from, and what it was written to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Entry:
    """One recipe's part of a report.

    Attributes:
        result: the figures, as they go into results.json: `recipe`, `published`, `measured` (with `per_seed`, a list of
            the same figures a seed), `rivals`, `epochs`, `quick` (true, or a list of what was cut; `cuts` may hold that
            list too), `assumed`, `deviations`. Accuracies are in percent, PSNR in dB, losses in nats, `ms` in
            milliseconds an image; what was not measured is None.
        title: the section's heading.
        summary: one sentence on what the recipe is.
        origin: `title`, `authors` and `year` of the text that it comes from.
        history: for each run, such as "seed 0", its epochs: `epoch`, `train_loss`, `validation_loss`.
        overfitting: what the curves say, in words, or None.
        pictures: rows of up to ten images (10, C, H, W) in [0, 1]: original, noisy, denoised, then rivals by name.
        captions: for a row one short text an image. Those of "original" are the true classes: where another row's text
            differs, it is marked as misread.
        codes: the latent codes of the images shown, (10, D) or (10, C, h, w), or None.
        studies: `title`, `vary`, `measure`, `rows` (each a `value` and its figures) and `pictures`: for the text of
            each value the images (10, C, H, W) that it gives.
        compression: the code as a compressed image: its rate and PSNR, or None.
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
        """What a quick run cut; one general text where it cut something unnamed, nothing for a full run."""
        quick = self.result.get("quick")
        if not quick:
            return ()
        named = quick if isinstance(quick, (list, tuple)) else self.result.get("cuts") or ["cut short"]
        return tuple(str(cut).replace("->", "→") for cut in named)

    def misread(self, row: str) -> list[bool]:
        """Return for each caption of a row whether it differs from the true class."""
        true, read = self.captions.get("original", []), self.captions.get(row, [])
        return [seen != wanted for seen, wanted in zip(read, true, strict=False)] or [False] * len(read)


@dataclass(frozen=True)
class Report:
    """The files of a report."""

    html: Path
    markdown: Path
    csv: Path
    json: Path
    pictures: tuple[Path, ...]


def folder_names(entries: Sequence[Entry]) -> list[str]:
    """Return a folder name for each entry: its recipe's name without what a file system or an address would read.

    Names that come out alike are numbered.
    """
    names: list[str] = []
    for entry in entries:
        plain = re.sub(r"[^A-Za-z0-9_.+-]+", "-", entry.name).strip(".-") or "recipe"
        name, number = plain, 2
        while name.lower() in {taken.lower() for taken in names}:
            name, number = f"{plain}-{number}", number + 1
        names.append(name)
    return names


def best_rival(result: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Return the name and figures of the rival with the highest PSNR, or None where none has a PSNR."""
    known = {name: row for name, row in result.get("rivals", {}).items() if row.get("psnr") is not None}
    return max(known.items(), key=lambda item: item[1]["psnr"]) if known else None
