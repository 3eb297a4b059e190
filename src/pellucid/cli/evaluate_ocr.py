"""evaluate --ocr: what an OCR engine reads before and after denoising."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli.console import Screen
from pellucid.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

DEFAULT = "document"
HEADS = ("", "characters wrong", "words wrong")


def evaluate_reading(
    screen: Screen, model: str, images: Path, texts: Path | None, cleans: Path | None, language: str, limit: int
) -> None:
    """Print the error rates of all pages together, version by version, and give each page's as JSON.

    Raises:
        UsageError: if the texts are not given.
        PellucidError: as `pellucid.evaluate.ocr`.
    """
    if texts is None:
        raise UsageError(f"--ocr {images} needs what the images read: give --text, a folder of .txt files")

    from pellucid.evaluate import ocr
    from pellucid.inference.denoiser import Denoiser

    pages = ocr.matched(images, texts, cleans, limit)
    ocr.program()
    denoiser = Denoiser.load(model)

    def denoise(image: "np.ndarray") -> "np.ndarray":
        return denoiser(image, channel_axis=-1 if image.ndim == 3 else None, has_alpha=False)

    with screen.bar("read") as bar:
        figures = ocr.assess(pages, denoise, language, progress=lambda done, total: bar(done, total))
    _show(screen, figures, model, len(pages))
    screen.give({"model": model, **figures})


def _show(screen: Screen, figures: dict[str, Any], model: str, count: int) -> None:
    versions = list(figures["character_error"])
    rows = [
        (version, *(f"{100 * figures[name][version]:.2f} %" for name in ("character_error", "word_error")))
        for version in versions
    ]
    pages = "1 page" if count == 1 else f"{count:,} pages"
    screen.table(HEADS, rows, f"What Tesseract misreads on {pages}, denoised by {model}")
