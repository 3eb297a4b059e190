"""Measure a network on the held-out files, as whole images, beside classical filters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.classical.tuning import TunedBaseline, tune
from pellucid.data.files_json import Entry, FileList
from pellucid.errors import PellucidError
from pellucid.evaluate.compare import compare
from pellucid.image import ImageFile, image_size, read_image
from pellucid.inference.denoiser import DenoiseOptions, Denoiser
from pellucid.inference.frames import Frames
from pellucid.metrics.psnr import psnr_from_mse
from pellucid.recipes.recipe import Recipe
from pellucid.report import before_after

BASELINES = ("median", "tv")
MAX_VALUES, MIN_FILES = 24_000_000, 3
MAX_BASELINE_VALUES = 10_000_000
NUM_TUNING_IMAGES, TUNING_SIDE = 16, 128
NUM_PICTURES = 8
NOISY, DENOISED = "noisy", "denoised"
Metrics = dict[str, dict[str, float]]
NOTES = {
    "pairs": "",
    "clean": "The noise of the held-out files is made by the recipe's noise model.",
    "captures": (
        "There are no clean images: the error is estimated from the second capture. Half of the squared difference of "
        "the two captures is its noise, which is subtracted."
    ),
    "noisy": (
        "There are no clean images, so nobody knows the error: the numbers are the noise levels that the noise-level "
        "network estimates before and after. Little remaining noise says nothing about lost details: look at the "
        "pictures."
    ),
}


@dataclass(frozen=True)
class HeldOutEvaluation:
    """Metrics of the held-out files.

    Attributes:
        files: the number of files that were measured, of `held_out`.
        held_out: the number of held-out files.
        means: for `noisy`, `denoised` and each classical filter, the mean over the files of each metric: `psnr` (dB),
            `ssim`, `rmse` ([0, 1] units), or without clean images the estimated `noise` (sigma in [0, 1] units).
        per_file: the same for every file, by its path.
        note: how the metrics were estimated where there are no clean images, else empty.
        pairs: images before and after for the report.
    """

    files: int
    held_out: int
    means: Metrics
    per_file: dict[str, Metrics]
    note: str
    pairs: tuple[before_after.ImagePair, ...] = field(repr=False)

    @property
    def count(self) -> str:
        """The number of files that were measured, as text: `8`, or `8 of 40`."""
        return f"{self.files}" if self.files == self.held_out else f"{self.files} of {self.held_out}"

    @property
    def verdict(self) -> str:
        """An advice if the network is not better than every filter, else an empty text."""
        psnr = {name: metrics["psnr"] for name, metrics in self.means.items() if "psnr" in metrics}
        if not psnr or psnr[DENOISED] >= max(psnr.values()):
            return ""
        if psnr[DENOISED] <= psnr[NOISY]:
            return "The network gains nothing yet: give it more --minutes or more images, and look at the pictures."
        return "A filter is still better than the network: give it more --minutes or more images."

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures, for JSON files."""
        names = ("files", "held_out", "means", "per_file", "note")
        return {name: getattr(self, name) for name in names}


def evaluate_held_out(
    model: Path, recipe: Recipe, files: FileList, progress: Callable[[int, int], object] | None = None
) -> HeldOutEvaluation:
    """Denoise the held-out files as `pellucid denoise` does, and compare them before and after.

    If there are very many files, a random part is measured, always the same one. The median and total variation filters
    are tuned on training files, and skipped if SciPy or scikit-image is missing or the files are large.

    Args:
        model: the checkpoint of the network.
        recipe: that of its training.
        files: the files it was trained on and those held out.
        progress: called with the files done and the number of files.

    Raises:
        PellucidError: if the network or a file cannot be read.
    """
    denoiser = Denoiser.load(model)
    held_out = [entry for entry in files.entries if entry.split == "validation"]
    chosen, num_values = _choose_entries(held_out)
    has_clean = files.kind in ("pairs", "clean")
    baselines = _tune_baselines(recipe, files) if has_clean and num_values <= MAX_BASELINE_VALUES else {}
    per_file, pairs = {}, []
    for number, entry in enumerate(chosen):
        image = _HeldOutImage.read(entry, files, recipe)
        name = str(image.path)
        options = DenoiseOptions(channel_axis=image.axis, data_range=files.data_range, has_alpha=False, name=name)
        denoised, sigma = denoiser(image.noisy, return_sigma=True, **options)
        versions = {NOISY: image.frames(image.noisy), DENOISED: image.frames(denoised)}
        per_file[name] = metrics = _measure(image, versions, sigma, files, baselines)
        if len(pairs) < NUM_PICTURES:
            pairs.append(
                before_after.make_pair(image.path.name, _describe(metrics), versions[NOISY], versions[DENOISED])
            )
        if progress:
            progress(number + 1, len(chosen))
    return HeldOutEvaluation(len(chosen), len(held_out), _means(per_file), per_file, NOTES[files.kind], tuple(pairs))


@dataclass(frozen=True)
class _HeldOutImage:
    """A held-out image in the layout of its file, and its reference: the clean image or another capture."""

    path: Path
    noisy: np.ndarray
    reference: np.ndarray | None
    axis: int | None
    data_range: float

    @classmethod
    def read(cls, entry: Entry, files: FileList, recipe: Recipe) -> "_HeldOutImage":
        """Read the files of an entry; clean images alone get the recipe's noise, always the same."""
        path = entry.clean or entry.second_capture
        reference = read_image(path) if path else None
        if entry.noisy:
            file = read_image(entry.noisy)
            noisy = file.pixels
        else:
            assert reference
            file, noisy = reference, _add_noise(reference, files, recipe)
        pixels = reference.pixels if reference else None
        return cls(file.path, noisy, pixels, file.channel_axis, files.data_range)

    def frames(self, pixels: np.ndarray) -> Frames:
        """Return an array of the image's layout as frames."""
        return Frames(pixels, self.axis, self.data_range, has_alpha=False, name=str(self.path))


def _add_noise(clean: ImageFile, files: FileList, recipe: Recipe) -> np.ndarray:
    from pellucid.noise.add_noise import add_noise

    assert recipe.noise
    return add_noise(
        clean.pixels,
        recipe.build("noise"),
        channel_axis=clean.channel_axis,
        seed=recipe.train.seed,
        name=clean.path.name,
        clip=recipe.noise.clip,
        data_range=files.data_range,
    )


def _measure(
    image: _HeldOutImage,
    versions: dict[str, Frames],
    sigma: float | None,
    files: FileList,
    baselines: dict[str, TunedBaseline],
) -> Metrics:
    """Return the metrics of one file, for each version of it and each baseline; `sigma` is its estimate if known."""
    if image.reference is None:
        from pellucid.inference.noise_estimation import estimate_sigma

        noise = estimate_sigma(versions[NOISY]) if sigma is None else sigma
        return {NOISY: {"noise": noise}, DENOISED: {"noise": estimate_sigma(versions[DENOISED])}}
    reference = image.frames(image.reference)
    if files.kind == "captures":
        # Both captures have noise of the same variance: half of their mean squared difference.
        variance = compare(versions[NOISY], reference).rmse ** 2 / 2
        errors = {
            name: max(compare(frames, reference).rmse ** 2 - variance, 1e-12) for name, frames in versions.items()
        }
        return {
            name: {"psnr": float(psnr_from_mse(np.array(error))), "rmse": error**0.5} for name, error in errors.items()
        }
    noisy = versions[NOISY]
    for name, baseline in baselines.items():
        pages = [baseline(noisy.read(page, slice(None), slice(None))) for page in range(noisy.shape[0])]
        versions = versions | {name: Frames(np.concatenate(pages), 1, 1.0, has_alpha=False)}
    return {name: _compare(frames, reference) for name, frames in versions.items()}


def _compare(image: Frames, clean: Frames) -> dict[str, float]:
    comparison = compare(image, clean)
    metrics = {"psnr": comparison.psnr, "rmse": comparison.rmse}
    return metrics if comparison.ssim is None else metrics | {"ssim": comparison.ssim}


def _means(per_file: dict[str, Metrics]) -> Metrics:
    first = next(iter(per_file.values()))
    return {
        version: {key: float(np.mean([metrics[version][key] for metrics in per_file.values()])) for key in keys}
        for version, keys in first.items()
    }


def _describe(metrics: Metrics) -> str:
    before, after = metrics[NOISY], metrics[DENOISED]
    if "noise" in before:
        return f"estimated noise {255 * before['noise']:.1f}, then {255 * after['noise']:.1f} (of 255)"
    return f"{before['psnr']:.2f} dB, then {after['psnr']:.2f} dB"


def _choose_entries(entries: Sequence[Entry]) -> tuple[list[Entry], int]:
    """Choose random entries until their files hold about 24 million values, at least three; return them and the sum."""
    chosen, num_values = [], 0
    for index in np.random.default_rng(0).permutation(len(entries)):
        size = image_size(entries[index].clean or entries[index].noisy or "").num_values
        if len(chosen) >= MIN_FILES and num_values + size > MAX_VALUES:
            break
        chosen.append(int(index))
        num_values += size
    return [entries[index] for index in sorted(chosen)], num_values


def _tune_baselines(recipe: Recipe, files: FileList) -> dict[str, TunedBaseline]:
    """Return the filters, tuned on the centers of some training files, without those whose library is missing."""
    entries = [entry for entry in files.entries if entry.split == "train"]
    index = np.unique(np.linspace(0, len(entries) - 1, min(len(entries), NUM_TUNING_IMAGES)).astype(int))
    pairs: list[Any] = []
    for image in (_HeldOutImage.read(entries[place], files, recipe) for place in index):
        assert image.reference is not None
        pairs.append([_center(image.frames(pixels)) for pixels in (image.noisy, image.reference)])
    height, width = (min(part.shape[axis] for pair in pairs for part in pair) for axis in (-2, -1))
    channels = max(pair[0].shape[1] for pair in pairs)
    pairs = [pair for pair in pairs if pair[0].shape[1] == channels]
    noisy, clean = (np.concatenate([pair[part][..., :height, :width] for pair in pairs]) for part in (0, 1))
    tuned = {}
    for name in BASELINES:
        try:
            tuned[name] = tune(name, noisy, clean, images=NUM_TUNING_IMAGES // 2, require_interior=False)
        except PellucidError:
            continue
    return tuned


def _center(frames: Frames) -> np.ndarray:
    """Return the center of the first page, (1, C, H, W) of at most 128x128 pixels."""
    _, _, height, width = frames.shape
    top, left = max(0, height - TUNING_SIDE) // 2, max(0, width - TUNING_SIDE) // 2
    return frames.read(0, slice(top, top + TUNING_SIDE), slice(left, left + TUNING_SIDE))
