"""Images denoised one after the other, with what is told and shown of them: what denoise and demo have in common."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli.console import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from pellucid.image import ImageFile
    from pellucid.image.folders import Failure, Task
    from pellucid.inference.denoiser import Denoiser
    from pellucid.inference.image_file import DenoisedImage
    from pellucid.report.before_after import Pair

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
        from pellucid.inference.image_file import denoise_image

        cleaned = denoise_image(image, self._denoiser, self._level, self._strength, self._stretch, tell)
        _, _, height, width = cleaned.before.shape
        record = {"file": str(task.source), "out": str(task.target), "width": width, "height": height}
        record |= {"sigma": None if cleaned.sigma is None else WHITE * cleaned.sigma, "seconds": cleaned.seconds}
        self._done[task.source] = record
        if self._has_page:
            self._show(image, task, cleaned)
        return cleaned.pixels

    def finish(self, failures: "Sequence[Failure]") -> "tuple[list[dict[str, Any]], list[Pair]]":
        """Return what is told, and what is shown, of the images that did not fail."""
        for failure in failures:
            self._done.pop(failure.source, None)
            self._pairs.pop(failure.source, None)
        return list(self._done.values()), list(self._pairs.values())

    def _show(self, image: "ImageFile", task: "Task", cleaned: "DenoisedImage") -> None:
        from pellucid.report.before_after import MOST_PAIRS, pair

        if len(self._pairs) < MOST_PAIRS:
            told = facts(self._done[task.source])
            self._pairs[task.source] = pair(task.name, told, cleaned.before, cleaned.after, image.icc)


def facts(record: dict[str, Any]) -> str:
    """Say size, noise level and time of an image that `Cleaning` has done."""
    sigma = record["sigma"]
    noise = "" if sigma is None else f" · noise {sigma:.1f} of {WHITE}"
    return f"{record['width']} x {record['height']}{noise} · {format_duration(record['seconds'])}"


def write_page(path: Path, pairs: "Sequence[Pair]", title: str, model: str, more: str = "") -> None:
    """Write the page that shows images before and after; `more` follows the line at its end."""
    from pellucid import __version__
    from pellucid.report.before_after import page
    from pellucid.utils.atomic_write import atomic_write

    foot = f"Denoised by {Path(model).name} with Pellucid {__version__}. {more}".rstrip()
    with atomic_write(path) as temporary:
        temporary.write_text(page(pairs, title, foot), encoding="utf-8")
