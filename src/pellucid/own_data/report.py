"""The pictures and figures of a run: progress.png, which grows while it trains, then report.html and figures.json."""

import json
import math
import time
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pellucid.data.files_json import Entry, FileList
from pellucid.data.folder import convert_channels
from pellucid.errors import PellucidError
from pellucid.image import read_image, to_nchw
from pellucid.metrics.psnr import psnr_from_mse
from pellucid.own_data.evaluate import DENOISED, NOISY, HeldOutEvaluation
from pellucid.recipes.recipe import Recipe
from pellucid.report import before_after
from pellucid.report.plots import png, sheet
from pellucid.utils.atomic_write import atomic_write
from pellucid.utils.json_npz import json_safe

NUM_IMAGES, MAX_SIDE = 4, 176
MIN_INTERVAL = 5.0  # seconds
HEADS = {"psnr": "PSNR, dB", "ssim": "SSIM", "rmse": "RMSE", "noise": "noise, of 255"}
DIGITS = {"psnr": "{:.2f}", "ssim": "{:.4f}", "rmse": "{:.4f}", "noise": "{:.1f}"}
NAMES = {NOISY: "noisy", DENOISED: "denoised", "median": "median filter", "tv": "total variation"}


class ProgressImage:
    """Shows parts of held-out images: noisy, denoised after epochs ever further apart and now, and clean.

    It is an `on_epoch_end` callback of `train`. Training goes on if the picture cannot be written.
    """

    def __init__(self, files: FileList, recipe: Recipe, path: Path) -> None:
        """Choose the parts.

        Args:
            files: the held-out files are shown.
            recipe: its noise model is used if there are only clean images.
            path: where the picture is written.

        Raises:
            PellucidError: if a file cannot be read.
        """
        held_out = [entry for entry in files.entries if entry.split == "validation"]
        entries = held_out[:: max(1, len(held_out) // NUM_IMAGES)][:NUM_IMAGES]
        parts = [_detailed_part(entry, files) for entry in entries]
        side = min(min(part.shape[-2:]) for part in parts)
        planes = torch.from_numpy(np.stack([part[..., :side, :side] for part in parts]))
        self._path = path
        self._noisy, self._reference = planes[:, 0], None if files.kind == "noisy" else planes[:, -1]
        if files.kind == "clean":
            self._noisy, self._sigmas = _add_noise(recipe, self._reference)
        else:
            sigmas = [entry.sigma for entry in entries]
            self._sigmas = None if None in sigmas else torch.tensor(sigmas, dtype=torch.float32)
        self._reference_name = "second take" if files.kind == "captures" else "clean"
        self._rows: dict[int, np.ndarray] = {}
        self._last_redraw = float("-inf")

    def __call__(self, model: Any, epoch: int) -> None:
        """Draw the picture unless that was done less than 5 seconds ago: short epochs should train, not draw."""
        if time.monotonic() - self._last_redraw >= MIN_INTERVAL:
            self.draw(model, epoch)
            self._last_redraw = time.monotonic()

    def draw(self, model: Any, epoch: int) -> None:
        """Denoise the parts by a network in evaluation mode, and write the picture."""
        device = next(model.parameters()).device
        sigmas = None if self._sigmas is None else self._sigmas.to(device)
        with torch.inference_mode():
            denoised = model(self._noisy.to(device), sigmas).float().cpu().numpy()
        self._rows = {number: row for number, row in self._rows.items() if number < epoch} | {epoch: denoised}
        # An earlier epoch stays if it is twice as late as the one before: most is learned early.
        *past, now = sorted(self._rows)
        kept = [number for index, number in enumerate(past) if not index or number >= 2 * past[index - 1]]
        self._rows = {number: self._rows[number] for number in (*kept, now)}
        rows = {"noisy": self._noisy.numpy()} | {f"epoch {number}": row for number, row in self._rows.items()}
        if self._reference is not None:
            rows[self._reference_name] = self._reference.numpy()
        try:
            with atomic_write(self._path) as temporary:
                temporary.write_bytes(png(sheet(rows, self._captions(rows))))
        except PellucidError:
            return

    def _captions(self, rows: dict[str, np.ndarray]) -> dict[str, Sequence[str]]:
        """Return the PSNR for each part, if there are clean ones."""
        if self._reference is None or self._reference_name != "clean":
            return {}
        clean = self._reference.numpy()
        captions = {}
        for name, images in rows.items():
            if name != self._reference_name:
                errors = np.square(np.clip(images, 0, 1) - clean).mean(axis=(1, 2, 3))
                captions[name] = [f"{psnr:.1f} dB" for psnr in psnr_from_mse(np.maximum(errors.astype(float), 1e-12))]
        return captions


def _detailed_part(entry: Entry, files: FileList) -> np.ndarray:
    """Return the part of an image with most structure, (1 or 2, C, h, w): noisy, and its reference."""
    names = [name for name in (entry.noisy, entry.second_capture, entry.clean) if name]
    planes = [_read_planes(Path(name), files) for name in names]
    height, width = planes[0].shape[-2:]
    part_height, part_width = min(MAX_SIDE, height), min(MAX_SIDE, width)
    tops, lefts = (np.linspace(0, margin, 3).astype(int) for margin in (height - part_height, width - part_width))
    windows = [(slice(top, top + part_height), slice(left, left + part_width)) for top in tops for left in lefts]
    # The means of 8x8 blocks hardly hold noise, so that their std measures structure.
    best = max(windows, key=lambda window: _block_means(planes[-1][..., window[0], window[1]]).std())
    return np.stack([part[..., best[0], best[1]] for part in planes])


def _block_means(part: np.ndarray) -> np.ndarray:
    height, width = (length // 8 * 8 for length in part.shape[-2:])
    if not (height and width):
        return part
    return part[:, :height, :width].reshape(len(part), height // 8, 8, width // 8, 8).mean(axis=(2, 4))


def _read_planes(path: Path, files: FileList) -> np.ndarray:
    """Return the first page of a file, (C, H, W) float32 in [0, 1] units."""
    image = read_image(path)
    pixels = image.pixels[0] if image.is_stack else image.pixels
    pixels = pixels if image.channel_axis else pixels[..., None]
    return to_nchw(convert_channels(pixels, files.channels, path), files.data_range)[0]


def _add_noise(recipe: Recipe, clean: Any) -> tuple[Any, Any]:
    """Return clean parts with the recipe's noise, always the same, and its sigmas."""
    from pellucid.noise import corrupt
    from pellucid.utils.seeding import make_generator

    assert recipe.noise
    return corrupt(recipe.build("noise"), clean, make_generator(recipe.train.seed, "progress"), recipe.noise.clip)


def write_report(
    out: Path, recipe: Recipe, evaluation: HeldOutEvaluation, description: Sequence[str], minutes: float
) -> Path:
    """Write report.html and figures.json into the folder of a run, each completely or not at all; return the page.

    Args:
        out: the folder, with progress.png in it.
        recipe: the recipe of the run.
        evaluation: the metrics of the held-out files.
        description: lines about the image folders.
        minutes: how long it trained.

    Raises:
        PellucidError: if a file cannot be written.
    """
    figures = {"recipe": recipe.to_dict(), "minutes": minutes} | evaluation.to_dict()
    title = f"{recipe.name}: before and after"
    footer = f"Trained by {out / 'recipe.toml'} on the files in {recipe.data.options['path']}."
    introduction = _introduction(out, recipe, evaluation, description, minutes)
    page = before_after.render_page(evaluation.pairs, title, footer, introduction)
    for name, text in (("figures.json", json.dumps(json_safe(figures), indent=1) + "\n"), ("report.html", page)):
        with atomic_write(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return out / "report.html"


def table_rows(evaluation: HeldOutEvaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the heads and the rows of the table of mean metrics as text."""
    keys = [key for key in HEADS if key in evaluation.means[NOISY]]
    rows = [
        (NAMES[version], *(format_value(key, metrics[key]) for key in keys))
        for version, metrics in evaluation.means.items()
    ]
    return ("", *(HEADS[key] for key in keys)), rows


def format_value(key: str, value: float) -> str:
    """Return a metric as text; `noise` is a sigma in [0, 1] units that is shown of 255."""
    if not math.isfinite(value):
        return "∞"
    return DIGITS[key].format(255 * value if key == "noise" else value)


def _introduction(
    out: Path, recipe: Recipe, evaluation: HeldOutEvaluation, description: Sequence[str], minutes: float
) -> str:
    """Return the HTML before the pictures: metrics, dataset, training and progress.png."""
    lines = "".join(f"<p>{escape(line[:1].upper() + line[1:])}.</p>" for line in description)
    progress = ""
    if (out / "progress.png").is_file():
        data = b64encode((out / "progress.png").read_bytes()).decode("ascii")
        image = f'<img src="data:image/png;base64,{data}" alt="Parts of held-out images, one row per epoch">'
        progress = f"<details><summary>Progress, one row per epoch</summary>{image}</details>"
    notes = "".join(f"<p>{escape(text)}</p>" for text in (evaluation.note, evaluation.verdict) if text)
    command = f"pellucid denoise IMAGE --model {out / 'best.safetensors'}"
    return (
        f'<div class="introduction"><h2>Results</h2>{_table(evaluation)}{notes}'
        f"<h2>Images</h2>{lines}"
        f"<h2>Training</h2><p>{escape(describe_training(recipe, minutes))}</p>"
        f"<p>To use it: <code>{escape(command)}</code></p>{progress}<h2>Pictures</h2></div>\n"
    )


def describe_training(recipe: Recipe, minutes: float) -> str:
    """Return a sentence about the network and its training."""
    options = recipe.train
    start = f"from {options.start}" if options.start else "from scratch"
    steps = f" of {options.steps} steps" if options.steps else ""
    network = f"{recipe.model.name} with widths {recipe.model.options.get('widths', '')}"
    return (
        f"{network}, {start}, with the objective {recipe.objective.name} and the loss "
        f"{recipe.loss.name if recipe.loss else 'none'}: {options.epochs} epochs{steps} in {minutes:.1f} minutes, on "
        f"patches of {recipe.data.options['patch']} pixels, {options.batch_size} per batch."
    )


def _table(evaluation: HeldOutEvaluation) -> str:
    heads, rows = table_rows(evaluation)
    head = "".join(f'<th scope="col">{escape(text)}</th>' if text else "<td></td>" for text in heads)
    body = "".join(
        f'<tr{" class=ours" if row[0] == NAMES[DENOISED] else ""}><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    caption = f"Means over {evaluation.count} held-out files, as whole images; filters are tuned on training files"
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="Metrics"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
