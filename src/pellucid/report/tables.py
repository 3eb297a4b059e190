"""The tables of a report as plain text, before they become HTML or Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.evaluate.study import value_text
from pellucid.report.entry import ReportEntry, best_baseline
from pellucid.report.formatting import ABSENT, difference_text, figure_name, figure_text, options_text, range_text

SUMMARY = ("accuracy_clean", "accuracy_noisy", "accuracy_denoised", "accuracy_ceiling", "train_loss", "psnr")
MEASURED, PUBLISHED, LEARNED, LINEAR = "measured", "published", "learned", "linear"
TAGS = {LEARNED: "learned", LINEAR: "baseline"}


@dataclass(frozen=True)
class Row:
    """The cells of a row, of which the first is its name; its kind; a tag and a note next to the name."""

    cells: tuple[str, ...]
    kind: str = ""
    tag: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table: its caption, column heads and rows. All columns but the first contain figures."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]


def summary_table(entries: Sequence[ReportEntry]) -> Table:
    """Return the table of all recipes, each with two rows: the measured figures, and below them the published ones."""
    heads = ("Recipe", "", "Clean, %", "Noisy, %", "Denoised, %", "Ceiling, %", "Training loss", "PSNR, dB")
    heads += ("Best baseline", "Its PSNR, dB", "Gain, dB")
    rows = []
    for entry in entries:
        measured, published = entry.result.get("measured", {}), entry.result.get("published", {})
        figures = [figure_text(key, measured.get(key)) for key in SUMMARY]
        baseline = best_baseline(entry.result)
        name, psnr = (baseline[0], baseline[1]["psnr"]) if baseline else (ABSENT, None)
        against = [name, figure_text("psnr", psnr), difference_text(measured.get("psnr"), psnr)]
        tag = "quick" if entry.cuts else ""
        rows.append(Row((entry.name, MEASURED, *figures, *against), MEASURED, tag, "; ".join(entry.cuts)))
        if any(value is not None for value in published.values()):
            figures = [figure_text(key, published.get(key)) for key in SUMMARY]
            rows.append(Row(("", PUBLISHED, *figures, ABSENT, ABSENT, ABSENT), PUBLISHED))
    return Table("All recipes: measured and published figures", heads, tuple(rows))


def comparison_table(entry: ReportEntry) -> Table:
    """Return the table of all figures of a recipe: published, measured, and the range over the seeds."""
    measured, published = entry.result.get("measured", {}), entry.result.get("published", {})
    seeds = measured.get("per_seed") or []
    rows = []
    for key in _ordered([*measured, *published]):
        values = published.get(key), measured.get(key)
        if values == (None, None) or any(isinstance(value, (list, tuple, dict)) for value in values):
            continue
        rows.append(Row((figure_name(key), *(figure_text(key, value) for value in values), range_text(key, seeds))))
    over = f"Over {len(seeds)} seeds" if len(seeds) > 1 else "Over seeds"
    return Table(f"{entry.name}: published and measured", ("", "Published", "Measured", over), tuple(rows))


def seeds_table(entry: ReportEntry) -> Table | None:
    """Return the table of the measured figures of each seed, or None for fewer than two seeds."""
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


def baselines_table(entry: ReportEntry) -> Table | None:
    """Return the table of the network and its baselines by PSNR, the best first, or None without baselines.

    The linear row is always there; if it was not run, it says so.
    """
    baselines = dict(entry.result.get("baselines") or {})
    if not baselines:
        return None
    linear = baselines.setdefault("linear", {"psnr": None, "chosen": "not run here"})
    methods = [(entry.name, LEARNED, {**entry.result.get("measured", {}), "chosen": None})]
    methods += [(name, LINEAR if name == "linear" else "", figures) for name, figures in baselines.items()]
    methods.sort(key=lambda one: _descending(one[2].get("psnr")))
    keys = [
        key
        for key in ("psnr", "ssim", "accuracy_denoised", "ms")
        if any(one[2].get(key) is not None for one in methods)
    ]
    rows = []
    for name, kind, figures in methods:
        cells = [figure_text(key, figures.get(key)) for key in keys]
        over = ABSENT if kind == LINEAR else difference_text(figures.get("psnr"), linear.get("psnr"))
        tag, note = TAGS.get(kind, ""), options_text(figures.get("chosen"))
        rows.append(Row((name, *cells[:1], over, *cells[1:]), kind, tag, note))
    heads = [{"accuracy_denoised": "Accuracy, %", "ms": "ms per image"}.get(key, figure_name(key)) for key in keys]
    heads.insert(1, "Over linear, dB")
    return Table(f"{entry.name} and its baselines on the same noisy images", ("Method", *heads), tuple(rows))


def compression_table(entry: ReportEntry) -> Table | None:
    """Return the table of the code's rate and PSNR as a compressed image, or None if it was not measured."""
    figures = {key: value for key, value in (entry.compression or {}).items() if not isinstance(value, (list, dict))}
    rows = tuple(Row((figure_name(key), figure_text(key, value))) for key, value in figures.items())
    return Table(f"{entry.name}: the code as a compressed image", ("", "Measured"), rows) if rows else None


def study_table(study: dict[str, Any]) -> Table:
    """Return the table of a study, one row per value."""
    keys = measured_keys(study)
    rows = tuple(
        Row((value_text(row["value"]), *(figure_text(key, row.get(key)) for key in keys))) for row in study["rows"]
    )
    return Table(study["title"], (study["vary"], *(figure_name(key) for key in keys)), rows)


def plotted_keys(study: dict[str, Any]) -> list[str]:
    """Return the figures to plot: those that the study's `measure` names and any value has, or else all."""
    names = _named_figures(study)
    known = measured_keys(study)
    return [key for key in names if key in known] or known


def measured_keys(study: dict[str, Any]) -> list[str]:
    """Return the figures that any value of a study has, those that its `measure` names first."""
    names = _named_figures(study)
    found = dict.fromkeys([*names, *(key for row in study["rows"] for key in row if key != "value")])
    return [key for key in found if any(_is_number(row.get(key)) for row in study["rows"])]


def _named_figures(study: dict[str, Any]) -> list[str]:
    measure = study.get("measure") or []
    return [measure] if isinstance(measure, str) else list(measure)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _ordered(keys: Sequence[str]) -> list[str]:
    """Return each key once: the known ones in the order of `figure_order`, then the others."""
    from_names = list(figure_order())
    unique = [key for key in dict.fromkeys(keys) if key not in ("per_seed", "seed")]
    return sorted(unique, key=lambda key: from_names.index(key) if key in from_names else len(from_names))


def figure_order() -> tuple[str, ...]:
    """Return the order of figures in tables and columns."""
    first = (*SUMMARY[:4], "loss_clean", "loss_noisy", "loss_denoised", "train_loss", "validation_loss")
    return (*first, "psnr", "noisy_psnr", "ssim", "noisy_ssim", "mse", "noisy_mse", "sharpness", "noisy_sharpness")


def _descending(value: float | None) -> float:
    return float("inf") if value is None or value != value else -value
