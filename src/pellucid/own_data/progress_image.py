"""The before/after picture that grows while a network trains: parts of held-out images, epoch beneath epoch."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pellucid.data.file_list_types import Entry, FileList
from pellucid.data.folder import with_channels
from pellucid.errors import PellucidError
from pellucid.image import read_image, to_nchw
from pellucid.recipes.recipe import Recipe
from pellucid.report.plots import png, sheet
from pellucid.utils.atomic_write import atomic_write

SHOWN, SIDE = 4, 176
CANDIDATES = 9
SECONDS = 5.0


class Growing:
    """Draws noisy parts, what the network made of them after epochs ever further apart and now, and the clean ones.

    It is called as `train` calls its `watch`. A picture that cannot be written does not end the training.
    """

    def __init__(self, files: FileList, recipe: Recipe, path: Path) -> None:
        """Choose what is shown; raises PellucidError if a file cannot be read."""
        entries = [entry for entry in files.entries if entry.part == "validation"][:: _step(files)][:SHOWN]
        parts = [_part(entry, files) for entry in entries]
        side = min(min(part.shape[-2:]) for part in parts)
        shown = torch.from_numpy(np.stack([part[..., :side, :side] for part in parts]))
        self._path = path
        self._noisy, self._clean = shown[:, 0], None if files.kind == "noisy" else shown[:, -1]
        if files.kind == "clean":
            self._noisy, self._levels = _corrupted(recipe, self._clean)
        else:
            known = [entry.level for entry in entries]
            self._levels = None if None in known else torch.tensor(known, dtype=torch.float32)
        self._truth = "second take" if files.kind == "takes" else "clean"
        self._rows: dict[int, np.ndarray] = {}
        self._drawn = float("-inf")

    def __call__(self, model: Any, epoch: int) -> None:
        """Draw the picture, unless it was drawn just now: short epochs are to train, not to draw."""
        if time.monotonic() - self._drawn >= SECONDS:
            self.draw(model, epoch)
            self._drawn = time.monotonic()

    def draw(self, model: Any, epoch: int) -> None:
        """Denoise the parts by a network in evaluation mode, and write the picture anew."""
        with torch.inference_mode():
            denoised = model(self._noisy, self._levels).float().numpy()
        self._rows = {number: row for number, row in self._rows.items() if number < epoch} | {epoch: denoised}
        # Of those before, the ones that are twice as late as the one before stay: most is learnt early.
        *past, now = sorted(self._rows)
        kept = [number for place, number in enumerate(past) if not place or number >= 2 * past[place - 1]]
        self._rows = {number: self._rows[number] for number in (*kept, now)}
        rows = {"noisy": self._noisy.numpy()} | {f"epoch {number}": row for number, row in self._rows.items()}
        if self._clean is not None:
            rows[self._truth] = self._clean.numpy()
        try:
            with atomic_write(self._path) as temporary:
                temporary.write_bytes(png(sheet(rows, self._captions(rows))))
        except PellucidError:
            return

    def _captions(self, rows: dict[str, np.ndarray]) -> dict[str, Sequence[str]]:
        """Return the PSNR under each part, where there is a clean one."""
        if self._clean is None or self._truth != "clean":
            return {}
        clean = self._clean.numpy()
        captions = {}
        for name, images in rows.items():
            if name != self._truth:
                errors = np.square(np.clip(images, 0, 1) - clean).mean(axis=(1, 2, 3))
                captions[name] = [f"{-10 * np.log10(max(float(error), 1e-12)):.1f} dB" for error in errors]
        return captions


def _step(files: FileList) -> int:
    return max(1, sum(entry.part == "validation" for entry in files.entries) // SHOWN)


def _part(entry: Entry, files: FileList) -> np.ndarray:
    """Return the liveliest part of an image, (1 or 2, C, h, w): the noisy one, and what it is compared with."""
    names = [name for name in (entry.noisy, entry.second, entry.clean) if name]
    planes = [_planes(Path(name), files) for name in names]
    height, width = planes[0].shape[-2:]
    tall, wide = min(SIDE, height), min(SIDE, width)
    tops, lefts = (np.linspace(0, room, 3).astype(int) for room in (height - tall, width - wide))
    places = [(slice(top, top + tall), slice(left, left + wide)) for top in tops for left in lefts]
    # Means over 8x8 pixels tell structure from noise.
    best = max(places, key=lambda place: _coarse(planes[-1][..., place[0], place[1]]).std())
    return np.stack([part[..., best[0], best[1]] for part in planes])


def _coarse(part: np.ndarray) -> np.ndarray:
    height, width = (length // 8 * 8 for length in part.shape[-2:])
    if not (height and width):
        return part
    return part[:, :height, :width].reshape(len(part), height // 8, 8, width // 8, 8).mean(axis=(2, 4))


def _planes(path: Path, files: FileList) -> np.ndarray:
    """Return the first page of a file, (C, H, W) float32 with white at 1."""
    image = read_image(path)
    pixels = image.pixels[0] if image.is_stack else image.pixels
    pixels = pixels if image.channel_axis else pixels[..., None]
    return to_nchw(with_channels(pixels, files.channels, path), files.white)[0]


def _corrupted(recipe: Recipe, clean: Any) -> tuple[Any, Any]:
    """Return clean parts with the recipe's noise, always the same, and its levels."""
    from pellucid.noise import corrupt
    from pellucid.utils.seeding import make_generator

    assert recipe.noise
    return corrupt(recipe.build("noise"), clean, make_generator(recipe.train.seed, "progress"), recipe.noise.clip)
