"""Write the report of an evaluation: a self-contained page, Markdown, CSV, JSON, and the pictures as PNG files."""

import csv
import io
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.report.drawings import Drawing, Drawings, draw
from pellucid.report.entry import Report, ReportEntry, folder_names
from pellucid.report.formatting import curves_verdict, epochs_text, origin_text
from pellucid.report.plots import GAP
from pellucid.report.tables import (
    LEARNED,
    MEASURED,
    Row,
    baselines_table,
    comparison_table,
    compression_table,
    figure_order,
    seeds_table,
    study_table,
    summary_table,
)
from pellucid.utils.atomic_write import atomic_write
from pellucid.utils.json_npz import json_safe
from pellucid.utils.optional_imports import import_optional
from pellucid.utils.paths import make_folder

TEMPLATES = Path(__file__).with_name("templates")


def write_report(entries: Sequence[ReportEntry], out: Path, title: str) -> Report:
    """Write report.html, report.md, results.csv, results.json and NAME/*.png into a folder, each file atomically.

    Everything is rendered before the first file is written. The page is written last, so that it never shows pictures
    that are not there.

    Args:
        entries: the recipes in their order in the report.
        out: the folder, which is made if it does not exist; files of an earlier report are replaced.
        title: the heading of the page.

    Raises:
        PellucidError: if matplotlib or Jinja2 is not installed, or a file cannot be written.
    """
    out = Path(out)
    drawings, folders = [draw(entry) for entry in entries], folder_names(entries)
    pictures = {
        out / folder / drawing.file: drawing.content
        for folder, rendered in zip(folders, drawings, strict=True)
        for drawing in rendered.files
    }
    report = Report(out / "report.html", out / "report.md", out / "results.csv", out / "results.json", tuple(pictures))
    context = _context(entries, drawings, folders, title)
    texts = {
        report.json: json.dumps(json_safe([entry.result for entry in entries]), indent=1, ensure_ascii=False) + "\n",
        report.csv: _csv(entries),
        report.markdown: re.sub(r"\n{3,}", "\n\n", _render("report.md", context)).strip() + "\n",
        report.html: _render("report.html", context),
    }
    for path, content in (pictures | {path: text.encode() for path, text in texts.items()}).items():
        make_folder(path.parent, "name another folder")
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    return report


def _context(
    entries: Sequence[ReportEntry], drawings: Sequence[Drawings], folders: Sequence[str], title: str
) -> dict[str, Any]:
    """Return the variables of both templates."""
    summary = summary_table(entries)
    groups: list[tuple[str, list[Row]]] = []
    for row in summary.rows:
        if row.kind == MEASURED:
            groups.append((folders[len(groups)], []))
        groups[-1][1].append(row)
    return {
        "title": title,
        "style": (TEMPLATES / "style.css").read_text(encoding="utf-8"),
        "summary": summary,
        "summary_groups": groups,
        "opening": _opening(entries, drawings),
        "num_quick": sum(bool(entry.cuts) for entry in entries),
        "sections": [_section(*parts) for parts in zip(entries, drawings, folders, strict=True)],
    }


def _section(entry: ReportEntry, drawings: Drawings, folder: str) -> dict[str, Any]:
    headings = {"Assumed": "assumed", "Deviations": "deviations"}
    return {
        "entry": entry,
        "drawings": drawings,
        "folder": folder,
        "origin": origin_text(entry.origin),
        "epochs": epochs_text(entry.result.get("epochs")),
        "verdict": curves_verdict(entry),
        "comparison": comparison_table(entry),
        "seeds": seeds_table(entry),
        "baselines": baselines_table(entry),
        "compression": compression_table(entry),
        "has_misclassified": any(any(entry.is_misclassified(name)) for name in drawings.strips),
        "studies": [
            {"title": study["title"], "table": study_table(study), "drawings": rendered}
            for study, rendered in zip(entry.studies, drawings.studies, strict=True)
        ],
        "notes": {heading: notes for heading, key in headings.items() if (notes := entry.result.get(key))},
    }


def _opening(entries: Sequence[ReportEntry], drawings: Sequence[Drawings]) -> tuple[str, Drawing, Drawing] | None:
    """Return the name, the noisy and the denoised images of the recipe with the highest gain in PSNR."""

    def gain(entry: ReportEntry) -> float:
        measured = entry.result["measured"]
        return (measured.get("psnr") or 0.0) - (measured.get("noisy_psnr") or measured.get("psnr") or 0.0)

    pairs = sorted(zip(entries, drawings, strict=True), key=lambda pair: gain(pair[0]), reverse=True)
    return next(
        (
            (entry.name, rendered.strips["noisy"], rendered.strips["denoised"])
            for entry, rendered in pairs
            if {"noisy", "denoised"} <= set(rendered.strips)
        ),
        None,
    )


def _render(name: str, context: Mapping[str, Any]) -> str:
    jinja2 = import_optional("jinja2", "train", "the report")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        finalize=_printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "data_url": lambda content: f"data:image/png;base64,{b64encode(content).decode()}",
        "rows_style": _rows_style,
        "markdown": _markdown,
        "markdown_cells": _markdown_cells,
    }
    return environment.get_template(name).render(context)


def _printable(value: Any) -> Any:
    """Return text without control characters, which XML does not allow."""
    if isinstance(value, str):
        return type(value)("".join(letter for letter in value if letter >= " " or letter in "\n\t"))
    return value


def _rows_style(strips: Mapping[str, Drawing]) -> str:
    """Return the CSS variables of rows of images, so that their columns are aligned.

    A narrow screen shows the images smaller, by a whole factor if there is one for all rows.
    """
    cell = max(strip.width_of_one for strip in strips.values())
    factors = {strip.times for strip in strips.values()}
    small = next(iter(strips.values())).small_scale if len(factors) == 1 else 1
    return f"--cell:{cell};--gap:{GAP};--small:{small:.4f}"


def _markdown(text: str) -> str:
    """Return text on one line, escaped for Markdown and HTML."""
    return re.sub(r"([\\`*_{}\[\]<>|#&~!])", r"\\\1", " ".join(text.replace("\0", "").split()))


def _markdown_cells(row: Row) -> list[str]:
    note = ": ".join(part for part in (row.tag, row.note) if part)
    first, *others = (_markdown(cell) for cell in row.cells)
    cells = [first + (f" ({_markdown(note)})" if note else ""), *others]
    return [f"**{cell}**" for cell in cells] if row.kind == LEARNED else cells


def _csv(entries: Sequence[ReportEntry]) -> str:
    """Return a row for each source of a recipe: published, measured, each seed, each baseline; at full precision."""
    rows = [row for entry in entries for row in _csv_rows(entry)]
    known = dict.fromkeys(key for row in rows for key in row)
    first = ("recipe", "source", "name", "epochs", "quick")
    keys = [key for key in (*first, *figure_order()) if key in known or key in first]
    keys += [key for key in known if key not in keys]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, keys, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _csv_rows(entry: ReportEntry) -> list[dict[str, Any]]:
    measured = entry.result.get("measured", {})
    sources = [("published", "", entry.result.get("published", {})), ("measured", "", measured)]
    for number, seed in enumerate(measured.get("per_seed") or []):
        sources.append(("seed", seed.get("seed", number), seed))
    sources += [("baseline", name, figures) for name, figures in (entry.result.get("baselines") or {}).items()]
    common = {"recipe": entry.name, "quick": "; ".join(entry.cuts)}
    return [
        {**_cells(figures), **common, "source": source, "name": name}
        | ({"epochs": _cell(entry.result.get("epochs"))} if source == "measured" else {})
        for source, name, figures in sources
        if figures
    ]


def _cells(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures that fit a cell: plain ones, and the chosen options as JSON."""
    return {
        key: _cell(value)
        for key, value in figures.items()
        if key == "chosen" or not (key == "seed" or isinstance(value, (Mapping, list, tuple)))
    }


def _cell(value: Any) -> Any:
    value = json_safe(value)
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
