"""The report as one HTML page: pictures and style inside, no scripts, nothing fetched. Well-formed XML as well."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from pellucid.report.drawings import Drawing, Drawings, StudyDrawings
from pellucid.report.entry import Entry
from pellucid.report.formatting import curves_verdict, epochs_text, origin_text
from pellucid.report.plots import GAP
from pellucid.report.tables import (
    MEASURED,
    PUBLISHED,
    Row,
    Table,
    comparison_table,
    compression_table,
    rivals_table,
    seeds_table,
    study_table,
    summary_table,
)

# The browser itself refuses whatever a name might smuggle in.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(entries: Sequence[Entry], drawings: Sequence[Drawings], folders: Sequence[str], title: str) -> str:
    """Return the page. `folders` name the entries' sections, so that an address can point at one."""
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    sections = (_section(*parts) for parts in zip(entries, drawings, folders, strict=True))
    summary = (
        f'<div class="wide" tabindex="0" role="region" aria-label="All recipes">{_summary(entries, folders)}</div>'
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<meta http-equiv="Content-Security-Policy" content="{POLICY}" />
<title>{_text(title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<p class="mark">Pellucid</p>
<h1>{_text(title)}</h1>
{_opening(entries, drawings)}
</header>
<main>
<section id="summary">
<h2>Summary</h2>
<p>{_text(_summary_words(entries))}</p>
{summary}
</section>
{"".join(sections)}</main>
</body>
</html>
"""


def _gain(entry: Entry) -> float:
    """Return the PSNR that denoising adds, 0 where it was not measured."""
    measured = entry.result["measured"]
    return (measured.get("psnr") or 0.0) - (measured.get("noisy_psnr") or measured.get("psnr") or 0.0)


def _opening(entries: Sequence[Entry], drawings: Sequence[Drawings]) -> str:
    """Show, before any figure, what it is about: noisy images over the same denoised, of the recipe that gains most."""
    pairs = sorted(zip(entries, drawings, strict=True), key=lambda pair: _gain(pair[0]), reverse=True)
    for entry, drawn in pairs:
        if {"noisy", "denoised"} <= set(drawn.strips):
            noisy, denoised = (_image(drawn.strips[name]) for name in ("noisy", "denoised"))
            words = f"<figcaption>Noisy, and denoised by {_text(entry.name)}.</figcaption>"
            style = f"--small:{_smaller(drawn.strips['noisy']):.4f}"
            return f'<figure class="opening wide" style="{style}">{noisy}{denoised}{words}</figure>'
    return ""


def _summary_words(entries: Sequence[Entry]) -> str:
    recipes = "one recipe" if len(entries) == 1 else f"{len(entries)} recipes"
    quick = sum(bool(entry.cuts) for entry in entries)
    cut = {0: "", len(entries): " All are quick runs: their figures are not final."}
    return (
        f"What was measured for {recipes}, on test images that no network has seen, and beneath it what was published. "
        "Accuracy is that of a classifier on the images clean, noisy and denoised; the ceiling is the same classifier "
        "trained on the noise itself. The gain is over the best rival, each tuned and corrected in gain and offset."
        + cut.get(quick, f" Of these {quick} are quick runs: their figures are not final.")
    )


def _summary(entries: Sequence[Entry], folders: Sequence[str]) -> str:
    """Return the table over all recipes; a narrow screen turns it on its side, one card a recipe."""
    table, links = summary_table(entries), iter(folders)
    groups: list[list[str]] = []
    for row in table.rows:
        cells = "".join(
            f'<td data-head="{_text(head)}">{_text(cell)}</td>'
            for head, cell in zip(table.heads[1:], row.cells[1:], strict=True)
        )
        if row.kind == MEASURED:
            badge = f' <span class="badge">{row.tag}</span> <small>{_text(row.note)}</small>' if row.tag else ""
            groups.append([f'<a href="#{_text(next(links))}">{_text(row.cells[0])}</a>{badge}'])
        groups[-1].append(f"{cells}</tr>")
    bodies = "".join(_group(*group) for group in groups)
    return f'<table class="summary"><caption>{_text(table.caption)}</caption>{_heads(table)}{bodies}</table>'


def _group(name: str, measured: str, published: str = "") -> str:
    """Return the rows of one recipe in the summary; those of one that published nothing are but one."""
    head = f'<th scope="rowgroup" rowspan="{2 if published else 1}">{name}</th>'
    below = f'<tr class="{PUBLISHED}">{published}' if published else ""
    return f'<tbody><tr class="{MEASURED}">{head}{measured}{below}</tbody>'


def _section(entry: Entry, drawn: Drawings, folder: str) -> str:
    origin = origin_text(entry.origin)
    epochs = (
        f"Recipe <code>{_text(entry.name)}</code>; epochs trained: {_text(epochs_text(entry.result.get('epochs')))}"
    )
    quick = f'<p class="cut"><span class="badge">quick</span> {_text("; ".join(entry.cuts))}</p>' if entry.cuts else ""
    comparison, rivals, seeds = comparison_table(entry), rivals_table(entry), seeds_table(entry)
    parts = [
        f'<section class="recipe" id="{_text(folder)}">',
        f"<h2>{_text(entry.title)}</h2>",
        f'<p class="lead">{_text(entry.summary)}</p>' if entry.summary else "",
        f'<p class="origin">{f"After <cite>{_text(origin)}</cite>. " if origin else ""}{epochs}.</p>',
        quick,
        '<div class="pair">',
        f"<div>{_table(comparison)}{_folded('Seed by seed', seeds)}</div>" if comparison.rows else "",
        _curves(entry, drawn),
        "</div>",
        _pictures(entry, drawn),
        f"<h3>Against its rivals</h3>{_table(rivals)}" if rivals else "",
        _code(entry, drawn),
    ]
    parts += [_study(study, pictures) for study, pictures in zip(entry.studies, drawn.studies, strict=True)]
    parts += [_notes(entry), "</section>\n"]
    return "\n".join(part for part in parts if part)


def _curves(entry: Entry, drawn: Drawings) -> str:
    if drawn.curves is None:
        return ""
    return _figure(drawn.curves, curves_verdict(entry), "warn" if entry.overfitting else "")


def _pictures(entry: Entry, drawn: Drawings) -> str:
    if not drawn.strips:
        return ""
    rows = {name: (strip, _captions(entry, name)) for name, strip in drawn.strips.items()}
    note = ""
    if any(any(entry.misread(name)) for name in drawn.strips):
        note = '<p class="note">Beneath each image, what the classifier reads in it; <b class="misread">misread</b> '
        note += "where that is not its class.</p>"
    return f"<h3>Pictures</h3>{_rows(rows)}{note}"


def _captions(entry: Entry, name: str) -> str:
    """Return the captions of a row, misread ones marked."""
    spans = (
        f'<span class="misread">{_text(text)}</span>' if wrong else f"<span>{_text(text)}</span>"
        for text, wrong in zip(entry.captions.get(name, ()), entry.misread(name), strict=False)
    )
    return "".join(spans)


def _code(entry: Entry, drawn: Drawings) -> str:
    table = compression_table(entry)
    if not drawn.codes and table is None:
        return ""
    rows = _rows({name: (strip, "") for name, strip in drawn.codes.items()}) if drawn.codes else ""
    note = '<p class="note">Each code as a picture: black is the least value of all codes, cream the greatest.</p>'
    return f"<h3>The code</h3>{rows}{note if drawn.codes else ''}{_table(table) if table else ''}"


def _study(study: Mapping, drawn: StudyDrawings) -> str:
    plots = "".join(_figure(plot) for plot in drawn.plots)
    strips = _rows({name: (strip, "") for name, strip in drawn.strips.items()}) if drawn.strips else ""
    close_ups = "".join(_figure(drawing, caption) for caption, drawing in drawn.close_ups.items())
    if close_ups:
        note = "The middle of one image, enlarged. White noise scores 1, a pattern of every other pixel far more."
        close_ups = f'<div class="close">{close_ups}</div><p class="note">{note}</p>'
    plots = f'<div class="plots">{plots}</div>' if plots else ""
    return f"<h3>{_text(study['title'])}</h3>{_table(study_table(dict(study)))}{plots}{close_ups}{strips}"


def _notes(entry: Entry) -> str:
    lists = []
    for heading, key in (("Assumed", "assumed"), ("Deviations", "deviations")):
        if notes := entry.result.get(key):
            items = "".join(f"<li>{_text(str(note))}</li>" for note in notes)
            lists.append(f"<div><h3>{heading}</h3><ul>{items}</ul></div>")
    return f'<div class="pair notes">{"".join(lists)}</div>' if lists else ""


def _folded(heading: str, table: Table | None) -> str:
    return f"<details><summary>{_text(heading)}</summary>{_table(table)}</details>" if table else ""


def _table(table: Table) -> str:
    rows = "".join(_row(row) for row in table.rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{_text(table.caption)}"><table>'
        f"<caption>{_text(table.caption)}</caption>{_heads(table)}<tbody>{rows}</tbody></table></div>"
    )


def _heads(table: Table) -> str:
    # A head that is only there for the eye's order would be announced as an empty one.
    heads = (f'<th scope="col">{_text(head)}</th>' if head else "<td></td>" for head in table.heads)
    return f"<thead><tr>{''.join(heads)}</tr></thead>"


def _row(row: Row) -> str:
    tag = f' <span class="tag">{_text(row.tag)}</span>' if row.tag else ""
    note = f" <small>{_text(row.note)}</small>" if row.note else ""
    cells = "".join(f"<td>{_text(cell)}</td>" for cell in row.cells[1:])
    kind = f' class="{row.kind}"' if row.kind else ""
    return f'<tr{kind}><th scope="row">{_text(row.cells[0])}{tag}{note}</th>{cells}</tr>'


def _rows(strips: Mapping[str, tuple[Drawing, str]]) -> str:
    """Return strips of images beneath each other, each with its name and its captions (HTML), the columns in line."""
    cell = max(strip.width_of_one for strip, _ in strips.values())
    alike = len({strip.times for strip, _ in strips.values()}) == 1
    rows = []
    for name, (strip, captions) in strips.items():
        texts = f'<div class="texts">{captions}</div>' if captions else ""
        rows.append(f'<div class="row"><p class="name">{_text(name)}</p><div>{_image(strip)}{texts}</div></div>')
    # A narrow screen shows images smaller, again by a whole factor, if there is one that keeps all rows in line.
    small = _smaller(next(iter(strips.values()))[0]) if alike else 1
    style = f"--cell:{cell};--gap:{GAP};--small:{small:.4f}"
    return (
        f'<div class="rows wide" tabindex="0" role="region" aria-label="Pictures" style="{style}">{"".join(rows)}</div>'
    )


def _smaller(strip: Drawing) -> float:
    return max(1, strip.times * 2 // 3) / strip.times


def _image(strip: Drawing) -> str:
    return f'<img class="strip" style="--w:{strip.width}" src="{_data(strip.content)}" alt="{_text(strip.words)}" />'


def _figure(drawing: Drawing, caption: str = "", kind: str = "") -> str:
    words = f"<figcaption>{_text(caption)}</figcaption>" if caption else ""
    image = (
        f'<img width="{drawing.width}" height="{drawing.height}" src="{_data(drawing.content)}" '
        f'alt="{_text(drawing.words)}" />'
    )
    if drawing.dark:
        dark = f'<source media="(prefers-color-scheme: dark)" srcset="{_data(drawing.dark)}" />'
        image = f"<picture>{dark}{image}</picture>"
    return f'<figure class="{kind}">{image}{words}</figure>' if kind else f"<figure>{image}{words}</figure>"


def _data(content: bytes) -> str:
    return f"data:image/png;base64,{b64encode(content).decode()}"


def _text(text: str) -> str:
    """Return text safe inside an element or a quoted attribute; control characters, which XML refuses, are dropped."""
    return escape("".join(letter for letter in text if letter >= " " or letter in "\n\t"))
