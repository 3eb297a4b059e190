"""The report of a training on one's own images: one page, with pictures under a line to drag, that fetches nothing."""

import json
import math
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from pellucid.own_data.evaluate import DENOISED, NOISY, Measured
from pellucid.recipes.recipe import Recipe
from pellucid.report import before_after
from pellucid.utils.atomic_write import atomic_write

HEADS = {"psnr": "PSNR, dB", "ssim": "SSIM", "rmse": "RMSE", "noise": "noise, white 255"}
DIGITS = {"psnr": "{:.2f}", "ssim": "{:.4f}", "rmse": "{:.4f}", "noise": "{:.1f}"}
NAMES = {NOISY: "as it was", DENOISED: "denoised", "median": "median filter", "tv": "total variation"}


def rows(measured: Measured) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the heads and the rows of the table of figures, as texts."""
    keys = [key for key in HEADS if key in measured.means[NOISY]]
    found = [
        (NAMES[version], *(shown(key, figures[key]) for key in keys)) for version, figures in measured.means.items()
    ]
    return ("", *(HEADS[key] for key in keys)), found


def shown(key: str, value: float) -> str:
    """Return a figure as a text."""
    if not math.isfinite(value):
        return "∞"
    return DIGITS[key].format(255 * value if key == "noise" else value)


def write_report(out: Path, recipe: Recipe, measured: Measured, found: Sequence[str], minutes: float) -> Path:
    """Write report.html and figures.json into a run's folder, each whole or not at all, and return the page.

    Args:
        out: the folder, with the growing picture in it.
        recipe: what was trained.
        measured: what it gained.
        found: what was found in the folders, a line each.
        minutes: how long it trained.

    Raises:
        PellucidError: if a file cannot be written.
    """
    figures = {
        "recipe": recipe.to_dict(),
        "minutes": minutes,
        "files": measured.files,
        "held_out": measured.held_out,
        "means": measured.means,
        "each": measured.each,
        "remark": measured.remark,
    }
    title = f"{recipe.name}: before and after"
    foot = f"Trained by {out / 'recipe.toml'} on the files in {recipe.data.options['path']}."
    page = before_after.page(measured.pairs, title, foot, lead(out, recipe, measured, found, minutes))
    for name, text in (("figures.json", json.dumps(finite(figures), indent=1) + "\n"), ("report.html", page)):
        with atomic_write(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return out / "report.html"


def lead(out: Path, recipe: Recipe, measured: Measured, found: Sequence[str], minutes: float) -> str:
    """Return what stands ahead of the pictures: figures, findings, how it was trained, the growing picture."""
    paragraphs = "".join(f"<p>{escape(line[:1].upper() + line[1:])}.</p>" for line in found)
    grown = ""
    if (out / "progress.png").is_file():
        data = b64encode((out / "progress.png").read_bytes()).decode("ascii")
        image = f'<img src="data:image/png;base64,{data}" alt="Parts of held-out images, epoch beneath epoch">'
        grown = f"<details><summary>How it grew, epoch beneath epoch</summary>{image}</details>"
    remark = "".join(f"<p>{escape(text)}</p>" for text in (measured.remark, measured.verdict) if text)
    command = f"pellucid denoise IMAGE --model {out / 'best.safetensors'}"
    return (
        f'<div class="lead"><h2>What was gained</h2>{_table(measured)}{remark}'
        f"<h2>What was found</h2>{paragraphs}"
        f"<h2>How it was trained</h2><p>{escape(trained(recipe, minutes))}</p>"
        f"<p>To use it: <code>{escape(command)}</code></p>{grown}<h2>Pictures</h2></div>\n"
    )


def trained(recipe: Recipe, minutes: float) -> str:
    """Say how a network was trained, in a sentence or two."""
    options = recipe.train
    start = f"from {options.start}" if options.start else "from scratch"
    steps = f" of {options.steps} steps" if options.steps else ""
    network = f"{recipe.model.name} with widths {recipe.model.options.get('widths', '')}"
    return (
        f"{network}, {start}, by the objective {recipe.objective.name} and the loss "
        f"{recipe.loss.name if recipe.loss else 'none'}: {options.epochs} epochs{steps} in {minutes:.1f} minutes, on "
        f"patches of {recipe.data.options['patch']} pixels, {options.batch_size} a batch."
    )


def finite(value: Any) -> Any:
    """Return a value with all numbers that JSON does not know, such as the PSNR of identical images, as None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(measured: Measured) -> str:
    heads, cells = rows(measured)
    head = "".join(f'<th scope="col">{escape(text)}</th>' if text else "<td></td>" for text in heads)
    body = "".join(
        f'<tr{" class=ours" if row[0] == NAMES[DENOISED] else ""}><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in cells
    )
    count = f"{measured.files}" if measured.files == measured.held_out else f"{measured.files} of {measured.held_out}"
    caption = f"Means over {count} held-out files, whole; filters are tuned on training files"
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="Figures"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
