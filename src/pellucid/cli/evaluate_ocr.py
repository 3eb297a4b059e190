"""pellucid evaluate --ocr: the errors of an OCR engine before and after denoising."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli.console import CommandOutput, pluralize
from pellucid.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

DEFAULT = "document"
HEADS = ("", "characters wrong", "words wrong")


def evaluate_ocr(
    output: CommandOutput, model: str, images: Path, texts: Path | None, cleans: Path | None, language: str, limit: int
) -> None:
    """Print the error rates of all pages together for each version, and write those of each page as JSON.

    Raises:
        UsageError: if there are no texts.
        PellucidError: as `pellucid.evaluate.ocr`.
    """
    if texts is None:
        raise UsageError(f"--ocr {images} needs the texts of the images: give --text, a folder of .txt files")

    from pellucid.evaluate import ocr
    from pellucid.inference.functional import load_denoiser

    pages = ocr.match_files(images, texts, cleans, limit)
    ocr.program()
    denoiser = load_denoiser(model)

    def denoise(image: "np.ndarray") -> "np.ndarray":
        return denoiser(image, channel_axis=-1 if image.ndim == 3 else None, has_alpha=False)

    with output.bar("read") as bar:
        figures = ocr.evaluate_pages(pages, denoise, language, progress=lambda done, total: bar(done, total))
    _print(output, figures, model, len(pages))
    output.write_json({"model": model, **figures})


def _print(output: CommandOutput, figures: dict[str, Any], model: str, count: int) -> None:
    versions = list(figures["character_error"])
    rows = [
        (version, *(f"{100 * figures[name][version]:.2f} %" for name in ("character_error", "word_error")))
        for version in versions
    ]
    output.print_table(HEADS, rows, f"Errors of Tesseract on {pluralize(count, 'page')}, denoised by {model}")
