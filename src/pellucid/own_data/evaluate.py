"""What a network gained on the held-out files, whole, beside what classical filters make of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.classical.tuning import Tuned, tune
from pellucid.data.file_list_types import Entry, FileList
from pellucid.errors import PellucidError
from pellucid.evaluate.compare import compare
from pellucid.image import ImageFile, read_image
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.frames import Frames
from pellucid.recipes.recipe import Recipe
from pellucid.report import before_after

RIVALS = ("median", "tv")
MOST_VALUES, LEAST_FILES = 24_000_000, 3
MOST_FOR_RIVALS = 10_000_000
TUNED_ON, TUNED_SIDE = 16, 128
PICTURES = 8
NOISY, DENOISED = "noisy", "denoised"


@dataclass(frozen=True)
class Measured:
    """Figures of the held-out files.

    Attributes:
        files: how many were measured, of `held_out`.
        held_out: how many there are.
        means: for `noisy`, `denoised` and each classical filter, the mean over the files of each figure: `psnr` (dB),
            `ssim`, `rmse` ([0, 1] units), or where there is no truth the estimated `noise`.
        each: the same for every file, by its name.
        remark: what the figures rest on, where it is not the clean images.
        pairs: what the page shows.
    """

    files: int
    held_out: int
    means: dict[str, dict[str, float]]
    each: dict[str, dict[str, dict[str, float]]]
    remark: str
    pairs: tuple[before_after.Pair, ...] = field(repr=False)

    @property
    def verdict(self) -> str:
        """What there is to say where the network gained less than a filter does, or nothing."""
        psnr = {name: figures["psnr"] for name, figures in self.means.items() if "psnr" in figures}
        if not psnr or psnr[DENOISED] >= max(psnr.values()):
            return ""
        if psnr[DENOISED] <= psnr[NOISY]:
            return "The network gains nothing yet: give it more --minutes or more images, and look at the pictures."
        return "A filter is still better than the network: give it more --minutes or more images."


REMARKS = {
    "pairs": "",
    "clean": "The noise of the held-out files is drawn by the recipe.",
    "takes": (
        "There are no clean images: the error is estimated from the other take, whose own noise is taken off, as half "
        "of what the two differ by."
    ),
    "noisy": (
        "There are no clean images, so nobody knows the error: what is told is how much noise a network that reads its "
        "level finds before and after. Little noise left says nothing of details lost: look at the pictures."
    ),
}


def measure(
    model: Path, recipe: Recipe, files: FileList, progress: Callable[[int, int], object] | None = None
) -> Measured:
    """Denoise the held-out files as `pellucid denoise` does, and measure what was gained.

    Of very many, some are taken, the same ones every time. The median and total variation are tuned on training files;
    they are left out where SciPy or scikit-image is missing, or the files are large.

    Raises:
        PellucidError: if the network or a file cannot be read.
    """
    denoiser = Denoiser.load(model)
    held_out = [entry for entry in files.entries if entry.part == "validation"]
    chosen, values = _chosen(held_out)
    rivals = _rivals(recipe, files) if files.kind in ("pairs", "clean") and values <= MOST_FOR_RIVALS else {}
    each, pairs = {}, []
    for number, entry in enumerate(chosen):
        held = _Held.read(entry, files, recipe)
        denoised = denoiser(
            held.noisy, channel_axis=held.axis, data_range=files.white, has_alpha=False, name=str(held.path)
        )
        each[str(held.path)] = figures = _figures(held, denoised, files, rivals)
        if len(pairs) < PICTURES:
            pairs.append(
                before_after.pair(held.path.name, _facts(figures), held.frames(held.noisy), held.frames(denoised))
            )
        if progress:
            progress(number + 1, len(chosen))
    return Measured(len(chosen), len(held_out), _means(each), each, REMARKS[files.kind], tuple(pairs))


@dataclass(frozen=True)
class _Held:
    """A held-out image as its file holds it, and what it is compared with."""

    path: Path
    noisy: np.ndarray
    other: np.ndarray | None
    axis: int | None
    white: float

    @classmethod
    def read(cls, entry: Entry, files: FileList, recipe: Recipe) -> "_Held":
        """Read the files of an entry; clean ones alone get the recipe's noise, always the same."""
        other = entry.clean or entry.second
        second = read_image(other) if other else None
        if entry.noisy:
            first = read_image(entry.noisy)
            noisy = first.pixels
        else:
            assert second
            first, noisy = second, _corrupted(second, files, recipe)
        return cls(first.path, noisy, second.pixels if second else None, first.channel_axis, files.white)

    def frames(self, pixels: np.ndarray) -> Frames:
        """See an array of the image's layout as frames."""
        return Frames(pixels, self.axis, self.white, has_alpha=False, name=str(self.path))


def _corrupted(clean: ImageFile, files: FileList, recipe: Recipe) -> np.ndarray:
    from pellucid.noise.add_noise import add_noise

    assert recipe.noise
    return add_noise(
        clean.pixels,
        recipe.build("noise"),
        channel_axis=clean.channel_axis,
        seed=recipe.train.seed,
        name=clean.path.name,
        clip=recipe.noise.clip,
        data_range=files.white,
    )


def _figures(
    held: _Held, denoised: np.ndarray, files: FileList, rivals: dict[str, Tuned]
) -> dict[str, dict[str, float]]:
    if held.other is None:
        from pellucid.inference.noise_estimation import estimate

        return {name: {"noise": estimate(held.frames(image))} for name, image in _versions(held, denoised).items()}
    other = held.frames(held.other)
    if files.kind == "takes":
        # Both takes have the noise of the other: half of the square of what they differ by.
        noise = compare(held.frames(held.noisy), other).rmse ** 2 / 2
        errors = {
            name: max(compare(held.frames(image), other).rmse ** 2 - noise, 1e-12)
            for name, image in _versions(held, denoised).items()
        }
        return {name: {"psnr": -10 * float(np.log10(error)), "rmse": error**0.5} for name, error in errors.items()}
    figures = {name: _compared(held.frames(image), other) for name, image in _versions(held, denoised).items()}
    for name, rival in rivals.items():
        noisy = held.frames(held.noisy)
        pages = [rival(noisy.read(page, slice(None), slice(None))) for page in range(noisy.shape[0])]
        figures[name] = _compared(Frames(np.concatenate(pages), 1, 1.0, has_alpha=False), other)
    return figures


def _versions(held: _Held, denoised: np.ndarray) -> dict[str, np.ndarray]:
    return {NOISY: held.noisy, DENOISED: denoised}


def _compared(image: Frames, clean: Frames) -> dict[str, float]:
    found = compare(image, clean)
    figures = {"psnr": found.psnr, "rmse": found.rmse}
    return figures if found.ssim is None else figures | {"ssim": found.ssim}


def _means(each: dict[str, dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    first = next(iter(each.values()))
    return {
        version: {key: float(np.mean([figures[version][key] for figures in each.values()])) for key in first[version]}
        for version in first
    }


def _facts(figures: dict[str, dict[str, float]]) -> str:
    before, after = figures[NOISY], figures[DENOISED]
    if "noise" in before:
        return f"estimated noise {255 * before['noise']:.1f}, then {255 * after['noise']:.1f}, white being 255"
    return f"{before['psnr']:.2f} dB, then {after['psnr']:.2f} dB"


def _chosen(entries: Sequence[Entry]) -> tuple[list[Entry], int]:
    """Return entries, spread over all, until their files hold about 24 million values, at least three; and how many."""
    chosen, values = [], 0
    for index in np.random.default_rng(0).permutation(len(entries)):
        size = read_image(entries[index].clean or entries[index].noisy or "").pixels.size
        if len(chosen) >= LEAST_FILES and values + size > MOST_VALUES:
            break
        chosen.append(int(index))
        values += size
    return [entries[index] for index in sorted(chosen)], values


def _rivals(recipe: Recipe, files: FileList) -> dict[str, Tuned]:
    """Return the filters, tuned on the middles of some training files; those whose library is missing are left out."""
    entries = [entry for entry in files.entries if entry.part == "train"]
    index = np.unique(np.linspace(0, len(entries) - 1, min(len(entries), TUNED_ON)).astype(int))
    pairs: list[Any] = []
    for held in (_Held.read(entries[place], files, recipe) for place in index):
        assert held.other is not None
        pairs.append([_middle(held.frames(pixels)) for pixels in (held.noisy, held.other)])
    side = [min(part.shape[axis] for pair in pairs for part in pair) for axis in (-2, -1)]
    count = max(pair[0].shape[1] for pair in pairs)
    same = [pair for pair in pairs if pair[0].shape[1] == count]
    noisy, clean = (np.concatenate([pair[part][..., : side[0], : side[1]] for pair in same]) for part in (0, 1))
    tuned = {}
    for name in RIVALS:
        try:
            tuned[name] = tune(name, noisy, clean, images=TUNED_ON // 2, require_interior=False)
        except PellucidError:
            continue
    return tuned


def _middle(frames: Frames) -> np.ndarray:
    _, _, height, width = frames.shape
    top, left = max(0, height - TUNED_SIDE) // 2, max(0, width - TUNED_SIDE) // 2
    return frames.read(0, slice(top, top + TUNED_SIDE), slice(left, left + TUNED_SIDE))
