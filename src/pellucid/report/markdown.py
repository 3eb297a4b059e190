"""The report as Markdown, its pictures beside it."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from pellucid.report.drawings import Drawing, Drawings
from pellucid.report.entry import Entry
from pellucid.report.formatting import curves_verdict, epochs_text, origin_text
from pellucid.report.tables import (
    LEARNED,
    Table,
    comparison_table,
    compression_table,
    rivals_table,
    study_table,
    summary_table,
)


def markdown(entries: Sequence[Entry], drawings: Sequence[Drawings], folders: Sequence[str], title: str) -> str:
    """Return the report as a Markdown document; pictures are named by their path from it."""
    parts = [f"# {escaped(title)}", _table(summary_table(entries))]
    for entry, drawn, folder in zip(entries, drawings, folders, strict=True):
        parts += _section(entry, drawn, folder)
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Return text on one line in which Markdown and HTML read nothing but the text itself."""
    return re.sub(r"([\\`*_{}\[\]<>|#&~!])", r"\\\1", " ".join(text.replace("\0", "").split()))


def _section(entry: Entry, drawn: Drawings, folder: str) -> list[str]:
    parts = [f"## {escaped(entry.title)}", escaped(entry.summary)]
    if origin := origin_text(entry.origin):
        parts.append(f"After {escaped(origin)}.")
    parts.append(f"Recipe {escaped(entry.name)}; epochs trained: {epochs_text(entry.result.get('epochs'))}.")
    if entry.cuts:
        parts.append(f"**Quick run**, cut short: {escaped('; '.join(entry.cuts))}.")
    tables = [comparison_table(entry), rivals_table(entry), compression_table(entry)]
    parts += [_table(table) for table in tables if table and table.rows]
    in_studies = {drawing.file for study in drawn.studies for drawing in study.files}
    for drawing in drawn.files:
        if drawing.file not in in_studies:
            parts.append(_picture(drawing, folder))
        if drawing is drawn.curves:
            parts.append(escaped(curves_verdict(entry)))
    for study, pictures in zip(entry.studies, drawn.studies, strict=True):
        parts += [f"### {escaped(study['title'])}", _table(study_table(study))]
        parts += [_picture(drawing, folder) for drawing in pictures.files]
    for heading, key in (("Assumed", "assumed"), ("Deviations", "deviations")):
        if notes := entry.result.get(key):
            parts += [f"### {heading}", "\n".join(f"- {escaped(str(note))}" for note in notes)]
    return parts


def _table(table: Table) -> str:
    heads = " | ".join(escaped(head) for head in table.heads)
    lines = [f"| {heads} |", "| --- |" + " ---: |" * (len(table.heads) - 1)]
    for row in table.rows:
        remarks = ": ".join(part for part in (row.tag, row.note) if part)
        first = escaped(row.cells[0]) + (f" ({escaped(remarks)})" if remarks else "")
        cells = [first, *(escaped(cell) for cell in row.cells[1:])]
        if row.kind == LEARNED:
            cells = [f"**{cell}**" for cell in cells]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _picture(drawing: Drawing, folder: str) -> str:
    return f"![{escaped(drawing.words)}]({quote(folder)}/{quote(drawing.file)})"
