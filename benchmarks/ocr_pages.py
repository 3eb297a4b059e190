"""Rendered pages with known text for OCR, stained by kinds of damage that `document` was never trained on.

.venv/bin/python benchmarks/ocr_pages.py                     # error rates of Tesseract, clean and stained
.venv/bin/python benchmarks/ocr_pages.py --model document    # and denoised
.venv/bin/python benchmarks/ocr_pages.py --out pages/        # the files, for pellucid evaluate --ocr
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from pellucid.data.pages import render_page
from pellucid.errors import PellucidError
from pellucid.evaluate.ocr import Page, evaluate_pages
from pellucid.image import write_image
from pellucid.inference.functional import load_denoiser
from pellucid.noise.document import Document

KINDS = ("water", "foxing", "tape")  # not in the recipe `document`
STRENGTH, SCALE = (0.4, 0.9), (1.0, 2.0)
WIDTH, HEIGHT, SIZE = 1000, 1200, 26  # pixels
COUNT = 30

Denoise = Callable[[np.ndarray], np.ndarray]


def ocr_pages(count: int = COUNT) -> list[Page]:
    """Return pages with their text, gray uint8 (1200, 1000), clean and stained; each depends on its number only."""
    noise = Document(kinds=KINDS, probability=1.0, strength=STRENGTH, scale=SCALE)
    return [_page(number, noise) for number in range(count)]


def ocr_trial(
    denoise: Denoise | None, count: int = COUNT, progress: Callable[[int, int], object] | None = None
) -> dict[str, Any]:
    """Run Tesseract on the pages, clean, noisy and, given a denoiser, denoised; see `evaluate.ocr.evaluate_pages`."""
    return evaluate_pages(ocr_pages(count), denoise, progress=progress)


def page_denoiser(model: str) -> Denoise:
    """Return a function that denoises gray pages by a shipped network or a file."""
    denoiser = load_denoiser(model)
    return lambda image: denoiser(image)


def _page(number: int, noise: Document) -> Page:
    clean, text = render_page(number, WIDTH, HEIGHT, SIZE)
    gray = np.ascontiguousarray(clean[..., 0])
    batch = torch.from_numpy(gray).float().div(255)[None, None]
    noisy, _ = noise(batch, torch.Generator().manual_seed(number))
    stained = noisy[0, 0].clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    return Page(f"{number:02d}", stained, text, gray)


def _write(folder: Path, pages: list[Page]) -> None:
    for part in ("noisy", "clean", "texts"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for page in pages:
        assert page.clean is not None
        write_image(folder / "noisy" / f"{page.name}.png", page.noisy, overwrite=True)
        write_image(folder / "clean" / f"{page.name}.png", page.clean, overwrite=True)
        (folder / "texts" / f"{page.name}.txt").write_text(f"{page.text}\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Print the error rates, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", metavar="NAME", help="denoise by a shipped network or a file; by default by none")
    parser.add_argument("--count", type=int, default=COUNT, metavar="N", help=f"the first N pages (default: {COUNT})")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the pages there, and read nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    try:
        if options.out:
            _write(options.out, ocr_pages(options.count))
            console.print(f"{options.count} pages are in {options.out}")
            return 0
        figures = ocr_trial(page_denoiser(options.model) if options.model else None, options.count)
    except PellucidError as error:
        console.print(f"ocr_pages: {error}")
        return error.exit_status
    for version in figures["character_error"]:
        characters, words = (100 * figures[name][version] for name in ("character_error", "word_error"))
        console.print(f"{version:8}  {characters:6.2f} % of characters wrong  {words:6.2f} % of words")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
