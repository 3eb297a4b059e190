"""The tables of a report as plain text, before they become HTML or Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.evaluate.study import value_text
from pellucid.report.entry import Entry, best_rival
from pellucid.report.formatting import ABSENT, difference_text, figure_name, figure_text, options_text, spread_text

SUMMARY = ("accuracy_clean", "accuracy_noisy", "accuracy_denoised", "accuracy_ceiling", "train_loss", "psnr")
MEASURED, PUBLISHED, LEARNED, LINEAR = "measured", "published", "learned", "linear"
TAGS = {LEARNED: "learned", LINEAR: "baseline"}


@dataclass(frozen=True)
class Row:
    """The cells of a row, the first of which names it; what kind it is of; a tag and a quiet note to the name."""

    cells: tuple[str, ...]
    kind: str = ""
    tag: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table: what it shows, its column heads, its rows. All columns but the first hold figures."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]


def summary_table(entries: Sequence[Entry]) -> Table:
    """Return all recipes, each in two rows: what was measured, beneath it what was published."""
    heads = ("Recipe", "", "Clean, %", "Noisy, %", "Denoised, %", "Ceiling, %", "Training loss", "PSNR, dB")
    heads += ("Best rival", "Its PSNR, dB", "Gain, dB")
    rows = []
    for entry in entries:
        measured, published = entry.result.get("measured", {}), entry.result.get("published", {})
        figures = [figure_text(key, measured.get(key)) for key in SUMMARY]
        rival = best_rival(entry.result)
        name, psnr = (rival[0], rival[1]["psnr"]) if rival else (ABSENT, None)
        against = [name, figure_text("psnr", psnr), difference_text(measured.get("psnr"), psnr)]
        tag = "quick" if entry.cuts else ""
        rows.append(Row((entry.name, MEASURED, *figures, *against), MEASURED, tag, "; ".join(entry.cuts)))
        if any(value is not None for value in published.values()):
            figures = [figure_text(key, published.get(key)) for key in SUMMARY]
            rows.append(Row(("", PUBLISHED, *figures, ABSENT, ABSENT, ABSENT), PUBLISHED))
    return Table("All recipes: what was measured and what was published", heads, tuple(rows))


def comparison_table(entry: Entry) -> Table:
    """Return every figure of a recipe: published, measured, and how far the seeds lie apart."""
    measured, published = entry.result.get("measured", {}), entry.result.get("published", {})
    seeds = measured.get("per_seed") or []
    rows = []
    for key in _ordered([*measured, *published]):
        values = published.get(key), measured.get(key)
        if values == (None, None) or any(isinstance(value, (list, tuple, dict)) for value in values):
            continue
        rows.append(Row((figure_name(key), *(figure_text(key, value) for value in values), spread_text(key, seeds))))
    over = f"Over {len(seeds)} seeds" if len(seeds) > 1 else "Over seeds"
    return Table(f"{entry.name}: published and measured", ("", "Published", "Measured", over), tuple(rows))


def seeds_table(entry: Entry) -> Table | None:
    """Return the measured figures seed by seed, or None for fewer than two seeds."""
    seeds = entry.result.get("measured", {}).get("per_seed") or []
    if len(seeds) < 2:
        return None
    known = [key for seed in seeds for key, value in seed.items() if isinstance(value, (int, float)) and key != "seed"]
    names = [str(seed.get("seed", number)) for number, seed in enumerate(seeds)]
    rows = [
        Row((figure_name(key), *(figure_text(key, seed.get(key)) for seed in seeds)))
        for key in _ordered([key for key in known if key != "epochs"])
    ]
    return Table(f"{entry.name}: seed by seed", ("", *(f"Seed {name}" for name in names)), tuple(rows))


def rivals_table(entry: Entry) -> Table | None:
    """Return the learned network and its rivals by PSNR, the best first, or None where there are no rivals.

    The linear row is always there; where it was not run, it says so.
    """
    rivals = dict(entry.result.get("rivals") or {})
    if not rivals:
        return None
    linear = rivals.setdefault("linear", {"psnr": None, "chosen": "not run here"})
    contestants = [(entry.name, LEARNED, {**entry.result.get("measured", {}), "chosen": None})]
    contestants += [(name, LINEAR if name == "linear" else "", figures) for name, figures in rivals.items()]
    contestants.sort(key=lambda one: _descending(one[2].get("psnr")))
    keys = [
        key
        for key in ("psnr", "ssim", "accuracy_denoised", "ms")
        if any(one[2].get(key) is not None for one in contestants)
    ]
    rows = []
    for name, kind, figures in contestants:
        cells = [figure_text(key, figures.get(key)) for key in keys]
        over = ABSENT if kind == LINEAR else difference_text(figures.get("psnr"), linear.get("psnr"))
        tag, note = TAGS.get(kind, ""), options_text(figures.get("chosen"))
        rows.append(Row((name, *cells[:1], over, *cells[1:]), kind, tag, note))
    heads = [{"accuracy_denoised": "Accuracy, %", "ms": "ms an image"}.get(key, figure_name(key)) for key in keys]
    heads.insert(1, "Over linear, dB")
    return Table(f"{entry.name} and its rivals on the same noisy images", ("Method", *heads), tuple(rows))


def compression_table(entry: Entry) -> Table | None:
    """Return the code's rate and quality as a compressed image, or None where it was not measured."""
    figures = {key: value for key, value in (entry.compression or {}).items() if not isinstance(value, (list, dict))}
    rows = tuple(Row((figure_name(key), figure_text(key, value))) for key, value in figures.items())
    return Table(f"{entry.name}: the code as a compressed image", ("", "Measured"), rows) if rows else None


def study_table(study: dict[str, Any]) -> Table:
    """Return the figures of a study, one row a value."""
    keys = measured_keys(study)
    rows = tuple(
        Row((value_text(row["value"]), *(figure_text(key, row.get(key)) for key in keys))) for row in study["rows"]
    )
    return Table(study["title"], (study["vary"], *(figure_name(key) for key in keys)), rows)


def plotted_keys(study: dict[str, Any]) -> list[str]:
    """Return which figures a study is about: those that its `measure` names and any value has, or else all."""
    wanted = _wanted(study)
    known = measured_keys(study)
    return [key for key in wanted if key in known] or known


def measured_keys(study: dict[str, Any]) -> list[str]:
    """Return which figures a study has, those that it is about first; one that is missing everywhere is left out."""
    wanted = _wanted(study)
    found = dict.fromkeys([*wanted, *(key for row in study["rows"] for key in row if key != "value")])
    return [key for key in found if any(_is_number(row.get(key)) for row in study["rows"])]


def _wanted(study: dict[str, Any]) -> list[str]:
    measure = study.get("measure") or []
    return [measure] if isinstance(measure, str) else list(measure)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _ordered(keys: Sequence[str]) -> list[str]:
    """Return the keys once each: those with a name in the order of the names, then the others as they come."""
    from_names = list(figure_order())
    unique = [key for key in dict.fromkeys(keys) if key not in ("per_seed", "seed")]
    return sorted(unique, key=lambda key: from_names.index(key) if key in from_names else len(from_names))


def figure_order() -> tuple[str, ...]:
    """Return the order in which figures stand in tables and columns."""
    first = (*SUMMARY[:4], "loss_clean", "loss_noisy", "loss_denoised", "train_loss", "validation_loss")
    return (*first, "psnr", "noisy_psnr", "ssim", "noisy_ssim", "mse", "noisy_mse", "sharpness", "noisy_sharpness")


def _descending(value: float | None) -> float:
    return float("inf") if value is None or value != value else -value
