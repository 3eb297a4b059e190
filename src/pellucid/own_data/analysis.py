"""Analyze image folders before training: usable files, noise, held-out images; and describe them as text."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from pellucid.data.files_json import Entry, FileList, Split
from pellucid.errors import PellucidError, UsageError
from pellucid.image.arrays import MAX_12_BIT
from pellucid.own_data.noise_analysis import NoiseAnalysis, NoiseStatistics, StageProgress, analyze_noise
from pellucid.own_data.sources import Sources, choose_held_out, group_names, match_files
from pellucid.own_data.validate_files import ImageInfo, SkippedFile, inspect_all, limit_total_size

PATCH_SIZES = (128, 96, 64, 48, 32, 24, 16)
MIN_SIDE_RATIO = 4 / 3
SMALL_FRACTION = 0.05  # of the images may be smaller than the patch
MAX_SKIPPED_FRACTION = 0.1
NOUNS = {"pairs": "pair", "clean": "clean image", "noisy": "noisy image", "captures": "pair of noisy captures"}
DEPTHS = {"uint8": "8 bits", "uint16": "16 bits", "float32": "floating point"}
AXES = {
    "none": "independent from pixel to pixel",
    "rows": "correlated from left to right",
    "columns": "correlated from top to bottom",
    "both": "correlated from pixel to pixel in all directions",
}
MAX_LISTED = 5
MIN_SHIFT = 0.02


@dataclass(frozen=True)
class DatasetOptions:
    """The user's options for the data.

    Attributes:
        group_by: a regular expression, see `sources.group_names`.
        validation: the fraction of images to hold out, in (0, 1).
        patch: the side of training patches in pixels; 0 to choose one that fits the images.
        channels: those that the pretrained network accepts; () for any.

    Raises:
        UsageError: if `validation` is out of range.
    """

    group_by: str = ""
    validation: float = 0.2
    patch: int = 0
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check the fraction; raises UsageError."""
        if not 0 < self.validation < 1:
            raise UsageError(f"--validation {self.validation} is no fraction: give a number from 0 to 1, such as 0.2")


@dataclass(frozen=True)
class DatasetAnalysis:
    """The result of analyzing image folders.

    Attributes:
        sources: the folders.
        images: those that can be used.
        skipped: the files that cannot be used.
        unmatched: the files without a partner of their name.
        num_unread: for a huge folder, the number of images that were not read.
        channels: of the training images; gray images among color ones are repeated.
        dtype: of all images.
        data_range: the value that becomes 1.
        patch: the side of training patches in pixels.
        noise_analysis: the noise of some of the images.
        groups: the group of each of `images`.
        validation_groups: the groups that are held out.
    """

    sources: Sources
    images: tuple[ImageInfo, ...]
    skipped: tuple[SkippedFile, ...]
    unmatched: tuple[Path, ...]
    num_unread: int
    channels: int
    dtype: str
    data_range: float
    patch: int
    noise_analysis: NoiseAnalysis
    groups: tuple[str, ...]
    validation_groups: frozenset[str]

    @property
    def noise(self) -> NoiseStatistics:
        """The level and the kind of the noise."""
        return self.noise_analysis.statistics

    @property
    def training_images(self) -> tuple[ImageInfo, ...]:
        """Those of `images` that are trained on."""
        grouped = zip(self.images, self.groups, strict=True)
        return tuple(image for image, group in grouped if "train" in self._splits(group))

    @property
    def num_training_pixels(self) -> int:
        """The number of pixels of all training images."""
        return sum(image.pages * image.height * image.width for image in self.training_images)

    @property
    def num_positions(self) -> int:
        """The number of positions that a patch can have in the training images."""
        trimmed = self.patch - 1
        return sum((image.height - trimmed) * (image.width - trimmed) * image.pages for image in self.training_images)

    @cached_property
    def has_one_group(self) -> bool:
        """Whether all images are of one group, so that the held-out images are also trained on."""
        return len(set(self.groups)) == 1

    def file_list(self, sigmas: Sequence[float] | None = None) -> FileList:
        """Return the list of files to train on, with the noise level of each ([0, 1] units) if it is known."""
        entries = []
        for number, (image, group) in enumerate(zip(self.images, self.groups, strict=True)):
            item = image.item
            noisy, clean, second_capture = (
                str(path.absolute()) if path else None for path in (item.noisy, item.clean, item.second_capture)
            )
            sigma = sigmas[number] if sigmas else None
            entries += [Entry(noisy, clean, second_capture, group, split, sigma) for split in self._splits(group)]
        skipped = tuple((str(file.file), file.reason) for file in self.skipped)
        return FileList(self.sources.kind, self.channels, self.dtype, self.data_range, tuple(entries), skipped)

    def _splits(self, group: str) -> tuple[Split, ...]:
        if self.has_one_group:
            return ("train", "validation")
        return ("validation",) if group in self.validation_groups else ("train",)


def analyze(sources: Sources, options: DatasetOptions, progress: StageProgress | None = None) -> DatasetAnalysis:
    """Read the folders and find out what they hold; nothing is written.

    Args:
        sources: the folders.
        options: the user's options.
        progress: called with the stage ("read" or "noise"), the images done and the number of images.

    Raises:
        UsageError: if the folders do not match each other, or an option does not fit them.
        PellucidError: if too many files cannot be used, or too few are left.
    """
    items, unmatched = match_files(sources)
    chosen = limit_total_size(items)
    images, skipped = inspect_all(chosen, progress and partial(progress, "read"))
    images, other_formats, channels, dtype = _majority_format(images)
    channels = _network_channels(channels, options.channels)
    patch = options.patch or _choose_patch(images)
    images, too_small = _skip_too_small(images, patch)
    skipped = (*skipped, *other_formats, *too_small)
    _check_skipped(skipped, len(chosen))
    data_range = _choose_data_range(images, dtype)
    groups = group_names([image.item.name for image in images], [image.digest for image in images], options.group_by)
    return DatasetAnalysis(
        sources=sources,
        images=images,
        skipped=skipped,
        unmatched=unmatched,
        num_unread=len(items) - len(chosen),
        channels=channels,
        dtype=dtype,
        data_range=data_range,
        patch=patch,
        validation_groups=_choose_validation(sources, groups, options.validation),
        noise_analysis=analyze_noise(sources, images, data_range, progress),
        groups=groups,
    )


def describe_dataset(analysis: DatasetAnalysis) -> list[str]:
    """Return three lines: what the folders hold, its noise, and the held-out images."""
    images, kind = analysis.images, analysis.sources.kind
    folders = " and ".join(str(folder) for folder in analysis.sources.folders)
    pages = sum(image.pages for image in images)
    parts = [
        f"{len(images):,} {NOUNS[kind]}{'' if len(images) == 1 else 's'} in {folders}",
        *([f"{pages:,} pages in all"] if pages > len(images) else []),
        format_sizes([(image.width, image.height) for image in images]),
        {1: "gray", 3: "color"}.get(analysis.channels, f"{analysis.channels} channels"),
        f"{DEPTHS[analysis.dtype]}, white at {analysis.data_range:g}",
    ]
    noise = describe_noise(analysis.noise) + (" (estimated from noisy images only)" if kind == "noisy" else "")
    return [", ".join(parts), noise, describe_held_out(analysis)]


def list_warnings(analysis: DatasetAnalysis) -> list[str]:
    """Return what the user may want to change, a line each."""
    lines = []
    if analysis.noise_analysis.swapped:
        noisy, clean = analysis.sources.folders
        lines.append(f"the images in {clean} are noisier than those in {noisy}: are --noisy and --clean swapped?")
    if skipped := analysis.skipped:
        total = len(analysis.images) + len(skipped)
        lines.append(f"{len(analysis.images):,} of {total:,} used, {len(skipped):,} skipped:")
        lines += [f"  {file.reason}" for file in skipped[:MAX_LISTED]]
        if len(skipped) > MAX_LISTED:
            lines.append(f"  and {len(skipped) - MAX_LISTED:,} more, in files.json")
    if analysis.unmatched:
        first, *others = analysis.unmatched
        and_others = f" and {len(others):,} others" if others else ""
        lines.append(f"{first}{and_others} not matched: no file in the other folder has that name")
    if analysis.num_unread:
        lines.append(f"{analysis.num_unread:,} more images were not read: those chosen at random are enough")
    if analysis.channels > 1 and (num_gray := sum(image.channels == 1 for image in analysis.images)):
        lines.append(f"{num_gray:,} gray images are repeated in {analysis.channels} channels")
    if analysis.noise_analysis.stretched:
        lines.append("their contrast was stretched to the peaks of their noise: denoised images are stretched too")
    if analysis.has_one_group:
        lines.append(
            "all images are of one group: the held-out ones are also trained on, so their metrics are too good"
        )
    return lines


def format_sizes(sizes: Sequence[tuple[int, int]]) -> str:
    """Return `512x512`, or `180x180 to 1200x900` by area; sizes are (width, height)."""
    unique = sorted(set(sizes), key=lambda size: (size[0] * size[1], size))
    texts = [f"{width}x{height}" for width, height in unique]
    return " and ".join(texts) if len(texts) < 3 else f"{texts[0]} to {texts[-1]}"


def describe_noise(noise: NoiseStatistics) -> str:
    """Return the level and the kind of the noise as text, levels of 255."""
    parts = [f"noise of {_format_sigma_255(noise.sigma)} (of 255)"]
    if noise.max_sigma > 1.2 * noise.min_sigma:
        low, high = (_format_sigma_255(sigma) for sigma in (noise.min_sigma, noise.max_sigma))
        parts[0] += f", {low} to {high} from image to image"
    if abs(noise.mean_shift) > MIN_SHIFT:
        direction = "brighter" if noise.mean_shift > 0 else "darker"
        parts.append(f"{_format_sigma_255(abs(noise.mean_shift))} {direction} than the clean images")
    if noise.impulse_fraction:
        parts.append(f"{noise.impulse_fraction:.1%} of the pixels are black or white dots")
    length = max(noise.correlation_length)
    pixels = f" (over {length} pixel{'' if length == 1 else 's'})" if noise.axis != "none" else ""
    parts.append(AXES[noise.axis] + pixels)
    dark, bright = _format_sigma_255(noise.sigma_dark), _format_sigma_255(noise.sigma_bright)
    dependence = f"{dark} where it is dark and {bright} where it is bright"
    return ", ".join([*parts, dependence if noise.is_signal_dependent else "the same in dark and bright"])


def describe_held_out(analysis: DatasetAnalysis) -> str:
    """Return how many images are held out, in how many groups."""
    counts = Counter(analysis.groups)
    num_images, num_groups = sum(counts[group] for group in analysis.validation_groups), len(analysis.validation_groups)
    groups = f", {num_groups} of {len(counts)} groups" if len(counts) < len(analysis.images) else ""
    return f"{num_images:,} of {len(analysis.images):,} images are held out{groups}; all metrics are measured on them"


def _majority_format(
    images: Sequence[ImageInfo],
) -> tuple[tuple[ImageInfo, ...], tuple[SkippedFile, ...], int, str]:
    """Return the images with the most common depth and channels, the others, and the channels and depth.

    Gray images among color ones stay, since gray can be repeated in three channels without loss.
    """
    if not images:
        return (), (), 1, "uint8"
    dtype = Counter(image.dtype for image in images).most_common(1)[0][0]
    channels = Counter(image.channels for image in images if image.dtype == dtype).most_common(1)[0][0]
    kept, others = [], []
    for image in images:
        path = image.item.files[0]
        if image.dtype != dtype:
            problem = f"holds {image.dtype} samples, most others {dtype}: convert it"
        elif image.channels != channels and (image.channels, channels) != (1, 3):
            problem = f"has {image.channels} channel(s), most others {channels}: convert it"
        else:
            kept.append(image)
            continue
        others.append(SkippedFile(path, f"{path} {problem}, or train on such files separately"))
    return tuple(kept), tuple(others), channels, dtype


def _network_channels(channels: int, accepted: tuple[int, ...]) -> int:
    """Return the network's channels; a color network also accepts gray images, repeated in three channels."""
    if not accepted or channels in accepted:
        return channels
    if channels == 1 and 3 in accepted:
        return 3
    raise UsageError(
        f"--from names a network of {accepted[0]} channels, the images have {channels}: leave --from out to train from "
        "scratch"
    )


def _choose_patch(images: Sequence[ImageInfo]) -> int:
    """Return the largest patch that has many positions in all but a few images, or else one that fits them."""
    sides = np.array([min(image.height, image.width) for image in images])
    for ratio in (MIN_SIDE_RATIO, 1.0):
        for patch in PATCH_SIZES:
            if len(sides) and (sides < ratio * patch).mean() <= SMALL_FRACTION:
                return patch
    return PATCH_SIZES[-1]


def _skip_too_small(images: Sequence[ImageInfo], patch: int) -> tuple[tuple[ImageInfo, ...], tuple[SkippedFile, ...]]:
    """Return the images that a patch fits into, and the files of the others."""
    kept = tuple(image for image in images if min(image.height, image.width) >= patch)
    small = [(image.item.files[0], image) for image in images if min(image.height, image.width) < patch]
    return kept, tuple(
        SkippedFile(path, f"{path} is {image.width}x{image.height}, smaller than the patch of {patch}: remove it")
        for path, image in small
    )


def _check_skipped(skipped: Sequence[SkippedFile], count: int) -> None:
    """Raise PellucidError if more than one file and a tenth of all cannot be used, or no image is left."""
    if len(skipped) > max(1, MAX_SKIPPED_FRACTION * count) or len(skipped) == count:
        raise PellucidError(
            f"{len(skipped):,} of {count:,} images cannot be used, too many to skip; the first: {skipped[0].reason}"
        )


def _choose_data_range(images: Sequence[ImageInfo], dtype: str) -> float:
    """Return the value that becomes 1: the bound of the dtype, or a round number above the largest value.

    For 16-bit images that stay far below the bound (raw counts of a camera) it is the next power of two less one, for
    floats far from [0, 1] the next number of two digits.
    """
    maximum = max(image.maximum for image in images)
    if dtype == "uint8":
        return 255.0
    if dtype == "uint16":
        bound = MAX_12_BIT if maximum <= MAX_12_BIT else 65_535
        return float(bound if maximum > bound / 4 else 2 ** math.ceil(math.log2(maximum + 1)) - 1)
    if maximum > 0.25 and np.median([image.median for image in images]) <= 2 and maximum <= 16:
        return 1.0
    magnitude = max(maximum, -min(image.minimum for image in images))
    bound = next((float(bound) for bound in (255, MAX_12_BIT, 65_535) if bound / 4 < magnitude <= bound), None)
    step = 10.0 ** (math.floor(math.log10(magnitude)) - 1)
    return bound or float(f"{math.ceil(magnitude / step) * step:.3g}")


def _choose_validation(sources: Sources, groups: Sequence[str], fraction: float) -> frozenset[str]:
    sizes = Counter(groups)
    if len(sizes) > 1:
        return choose_held_out(sizes, fraction)
    if sources.kind == "noisy":
        return frozenset(sizes)
    content = "one image" if len(groups) == 1 else f"{len(groups)} images of one group, such as scans of one page"
    raise PellucidError(
        f"{sources.folders[-1]} holds {content}, which leaves nothing to hold out: add others, or denoise a single "
        "image with pellucid denoise"
    )


def _format_sigma_255(sigma: float) -> str:
    return f"{255 * sigma:.3g}"
