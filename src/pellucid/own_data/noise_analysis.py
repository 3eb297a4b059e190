"""The noise of some of the images, and its level in all of them."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.errors import PellucidError, UsageError
from pellucid.image import ImageFile, read_image
from pellucid.inference.contrast import is_stretched
from pellucid.inference.frames import Frames
from pellucid.own_data.noise_statistics import (
    NoiseKind,
    Sample,
    combined,
    from_difference,
    from_flattest,
    in_common,
    quietest,
)
from pellucid.own_data.sources import Sources
from pellucid.own_data.validate_files import LEAST_IN_COMMON, Examined, in_threads, view

Progress = Callable[[str, int, int], object]

LOOKED_AT = 24
NOISIER = 1.3, 0.002  # by which factor, and by how much more, the clean image is to be noisier than the noisy one


@dataclass(frozen=True)
class Look:
    """What some of the images look like.

    Attributes:
        noise: its kind.
        swapped: whether the clean images are noisier than the noisy ones.
        stretched: whether the contrast of noisy images alone was stretched to their own peaks
            (`pellucid.inference.contrast`).
    """

    noise: NoiseKind
    swapped: bool = False
    stretched: bool = False


def noise_of(sources: Sources, used: Sequence[Examined], white: float, progress: Progress | None) -> Look:
    """Look at some images."""
    index = np.unique(np.linspace(0, len(used) - 1, min(len(used), LOOKED_AT)).astype(int))
    looked = _Looked(sources, white, max(1, LOOKED_AT // len(index)))
    samples: list[Sample] = []
    told = []
    for number, (found, flag) in enumerate(in_threads(looked, [used[place] for place in index])):
        samples += found
        told.append(flag)
        if progress:
            progress("noise", number + 1, len(index))
    most = float(np.mean(told)) > 0.5
    if sources.kind != "noisy":
        return Look(combined(samples, "differences"), swapped=sources.kind == "pairs" and most)
    kind = combined(samples, "flattest parts")
    noise = kind if kind.axis in ("rows", "columns") else _estimated(kind, used, index, white)
    return Look(noise, stretched=most)


def _estimated(kind: NoiseKind, used: Sequence[Examined], index: np.ndarray, white: float) -> NoiseKind:
    """Return the kind with the levels that the noise-level network reads, which sees more than the flattest parts.

    It does not know noise along one axis alone; where it is not at hand, the flattest parts have to do.
    """
    from pellucid.inference.noise_estimation import estimate

    levels = []
    for place in index[:: max(1, len(index) // 8)]:
        image = read_image(used[place].item.files[0])
        try:
            page = image.pixels[:1] if image.is_stack else image.pixels
            levels.append(estimate(Frames(page, image.channel_axis, white, has_alpha=False)))
        except (PellucidError, ImportError):
            return kind
    level = float(np.sqrt(np.square(levels).mean()))
    return dataclasses.replace(kind, level=level, least=min(levels), most=max(levels))


def estimated_levels(used: Sequence[Examined], white: float, progress: Progress | None = None) -> list[float | None]:
    """Return the noise level of each noisy image, as it will be estimated when the network is used.

    Raises:
        PellucidError: if the network that estimates it is missing.
    """
    from pellucid.inference.noise_estimation import estimate

    levels: list[float | None] = []
    for number, one in enumerate(used):
        assert one.item.noisy
        image = read_image(one.item.noisy)
        levels.append(estimate(Frames(image.pixels, image.channel_axis, white, has_alpha=False)))
        if progress:
            progress("noise levels", number + 1, len(used))
    return levels


@dataclass(frozen=True)
class _Looked:
    """Looks at the noise of one image."""

    sources: Sources
    white: float
    pages: int

    def __call__(self, one: Examined) -> tuple[list[Sample], bool]:
        """Return what some of its pages tell, and whether the clean one is noisier, or noisy ones are stretched."""
        item = one.item
        images = [read_image(path) for path in item.files]
        pages = np.unique(np.linspace(0, one.pages - 1, min(one.pages, self.pages)).astype(int)).tolist()
        samples, told = [], []
        for page in pages:
            shown = [view(image, self.white, page) for image in images]
            if self.sources.kind == "noisy":
                samples.append(from_flattest(shown[0]))
                told.append(is_stretched(shown[0], 1.0))
                continue
            if self.sources.kind == "clean":
                shown.insert(0, self._corrupted(images[0], shown[0], one))
            samples.append(from_difference(*shown, takes=self.sources.kind == "takes"))
            levels = [quietest(planes) for planes in shown]
            told.append(levels[1] > NOISIER[0] * levels[0] + NOISIER[1])
        return samples, float(np.mean(told)) > 0.5

    def _corrupted(self, image: ImageFile, clean: np.ndarray, one: Examined) -> np.ndarray:
        """Return a clean image (C, H, W) with the noise that was asked for; raises UsageError if nothing is left."""
        from pellucid.noise.add_noise import add_noise, noise_table
        from pellucid.registry import build

        options = noise_table(self.sources.noise)
        noise = build("noise", options.pop("name"), options)
        clip = image.pixels.dtype.kind == "u"
        noisy = add_noise(clean, noise, channel_axis=0, name=one.item.name, clip=clip, data_range=1.0)
        if in_common(noisy, clean) < LEAST_IN_COMMON:
            raise UsageError(
                f"--noise {' '.join(self.sources.noise)} leaves nothing of {image.path}: give weaker noise "
                "(sigma is for white at 255)"
            )
        return noisy
