"""Images denoised one after the other, with what is told and shown of them: what denoise and demo have in common."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli.console import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from pellucid.denoiser import Denoiser
    from pellucid.frames import Frames
    from pellucid.image import ImageFile
    from pellucid.image.folders import Failure, Task
    from pellucid.slider import Pair

WHITE = 255


class Cleaning:
    """Denoises one image after the other, and keeps what is told and shown of them."""

    def __init__(
        self,
        denoiser: "Denoiser",
        level: float | None,
        strength: float,
        has_page: bool,
        stretch: bool | None = None,
    ) -> None:
        """Take the level in [0, 1] units, or None to have it estimated, and whether there will be a page."""
        self._denoiser, self._level, self._strength, self._has_page = denoiser, level, strength, has_page
        self._stretch = stretch
        self._done: dict[Path, dict[str, Any]] = {}
        self._pairs: dict[Path, Pair] = {}

    def __call__(self, image: "ImageFile", task: "Task", tell: "Callable[[int, int], None]") -> "np.ndarray":
        """Denoise an image."""
        from pellucid import noise_level

        started = time.monotonic()
        before, level = frames_of(image, self._denoiser.input_spec.white_of(image.pixels)), self._level
        if level is None and self._denoiser.conditional and self._strength:
            tell(0, 1)
            level = noise_level.estimate(before, self._denoiser.threads)
        options = {"channel_axis": -1, "data_range": before.white, "has_alpha": False, "stretch": self._stretch}
        denoised = self._denoiser(
            _with_channels(image), level, strength=self._strength, progress=tell, name=str(image.path), **options
        )
        _, _, height, width = before.shape
        record = {"file": str(task.source), "out": str(task.target), "width": width, "height": height}
        record |= {"sigma": None if level is None else WHITE * level, "seconds": time.monotonic() - started}
        self._done[task.source] = record
        if self._has_page:
            self._show(image, task, before, denoised)
        return denoised.reshape(image.pixels.shape)

    def finish(self, failures: "Sequence[Failure]") -> "tuple[list[dict[str, Any]], list[Pair]]":
        """Return what is told, and what is shown, of the images that did not fail."""
        for failure in failures:
            self._done.pop(failure.source, None)
            self._pairs.pop(failure.source, None)
        return list(self._done.values()), list(self._pairs.values())

    def _show(self, image: "ImageFile", task: "Task", before: "Frames", denoised: "np.ndarray") -> None:
        from pellucid.frames import Frames
        from pellucid.slider import MOST_PAIRS, pair

        if len(self._pairs) < MOST_PAIRS:
            after = Frames(denoised, -1, before.white, has_alpha=False)
            self._pairs[task.source] = pair(task.name, facts(self._done[task.source]), before, after, image.icc)


def frames_of(image: "ImageFile", white: float | None = None) -> "Frames":
    """Return a file's pages and channels for reading in parts; `white` as in `pellucid.frames.Frames`."""
    from pellucid.frames import Frames

    return Frames(_with_channels(image), -1, white, has_alpha=False, name=str(image.path))


def facts(record: dict[str, Any]) -> str:
    """Say size, noise level and time of an image that `Cleaning` has done."""
    sigma = record["sigma"]
    noise = "" if sigma is None else f" · noise {sigma:.1f} of {WHITE}"
    return f"{record['width']} x {record['height']}{noise} · {duration(record['seconds'])}"


def write_page(path: Path, pairs: "Sequence[Pair]", title: str, model: str, more: str = "") -> None:
    """Write the page that shows images before and after; `more` follows the line at its end."""
    from pellucid import __version__
    from pellucid.image import atomic_write
    from pellucid.slider import page

    foot = f"Denoised by {Path(model).name} with Pellucid {__version__}. {more}".rstrip()
    with atomic_write(path) as temporary:
        temporary.write_text(page(pairs, title, foot), encoding="utf-8")


def _with_channels(image: "ImageFile") -> "np.ndarray":
    """Return the pixels with the channels as their last axis, also where there is one."""
    return image.pixels[..., None] if image.channel_axis is None else image.pixels
