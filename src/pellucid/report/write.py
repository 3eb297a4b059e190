"""The report of an evaluation: a page that needs nothing else, Markdown, CSV, JSON, and the pictures as PNG files."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.report.drawings import draw
from pellucid.report.entry import Entry, Report, folder_names
from pellucid.report.html import page
from pellucid.report.markdown import markdown
from pellucid.report.tables import figure_order
from pellucid.utils.atomic_write import atomic_write


def write_report(entries: Sequence[Entry], out: Path, title: str) -> Report:
    """Write report.html, report.md, results.csv, results.json and NAME/*.png into `out`, each whole or not at all.

    Everything is drawn before the first file is written; the page comes last, so that it never shows what is not there.

    Args:
        entries: the recipes, in the order in which they are to stand.
        out: the folder, which is made if it is not there; files of an earlier report are replaced.
        title: the heading of the page.

    Raises:
        PellucidError: if matplotlib is not installed, or a file cannot be written.
    """
    out = Path(out)
    drawings, folders = [draw(entry) for entry in entries], folder_names(entries)
    pictures = {
        out / folder / drawing.file: drawing.content
        for folder, drawn in zip(folders, drawings, strict=True)
        for drawing in drawn.files
    }
    report = Report(out / "report.html", out / "report.md", out / "results.csv", out / "results.json", tuple(pictures))
    texts = {
        report.json: json.dumps(_plain([entry.result for entry in entries]), indent=1, ensure_ascii=False) + "\n",
        report.csv: _csv(entries),
        report.markdown: markdown(entries, drawings, folders, title),
        report.html: page(entries, drawings, folders, title),
    }
    for path, content in (pictures | {path: text.encode() for path, text in texts.items()}).items():
        _make_folder(path.parent)
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    return report


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PellucidError(f"cannot make the folder {path}: {error.strerror}; name another folder") from error


def _csv(entries: Sequence[Entry]) -> str:
    """Return one row for each of a recipe's sources: published, measured, every seed, every rival; full precision."""
    rows = [row for entry in entries for row in _csv_rows(entry)]
    found = dict.fromkeys(key for row in rows for key in row)
    first = ("recipe", "source", "name", "epochs", "quick")
    keys = [key for key in (*first, *figure_order()) if key in found or key in first]
    keys += [key for key in found if key not in keys]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, keys, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _csv_rows(entry: Entry) -> list[dict[str, Any]]:
    measured = entry.result.get("measured", {})
    sources = [("published", "", entry.result.get("published", {})), ("measured", "", measured)]
    for number, seed in enumerate(measured.get("per_seed") or []):
        sources.append(("seed", seed.get("seed", number), seed))
    sources += [("rival", name, figures) for name, figures in (entry.result.get("rivals") or {}).items()]
    common = {"recipe": entry.name, "quick": "; ".join(entry.cuts)}
    return [
        {**_cells(figures), **common, "source": source, "name": name}
        | ({"epochs": _cell(entry.result.get("epochs"))} if source == "measured" else {})
        for source, name, figures in sources
        if figures
    ]


def _cells(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what fits a cell: plain figures, and what was chosen as JSON."""
    return {
        key: _cell(value)
        for key, value in figures.items()
        if key == "chosen" or not (key == "seed" or isinstance(value, (Mapping, list, tuple)))
    }


def _cell(value: Any) -> Any:
    value = _plain(value)
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: arrays become lists, and what is not finite null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
