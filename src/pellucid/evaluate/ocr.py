"""Measure how many errors the OCR engine Tesseract makes before and after denoising."""

import io
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data.folder import to_uint8
from pellucid.errors import PellucidError, UsageError
from pellucid.image import list_images, read_image
from pellucid.metrics.character_error import CharacterError, normalize_text
from pellucid.metrics.word_error import WordError
from pellucid.utils.progress import Progress

PROGRAM = "tesseract"
TIMEOUT_SECONDS = 180.0
METRICS = {"character_error": CharacterError(), "word_error": WordError()}
VERSIONS = ("clean", "noisy", "denoised")

Denoise = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Page:
    """A page with a known text.

    Attributes:
        name: its name in results and errors.
        noisy: the noisy image, (H, W) or (H, W, 3).
        text: the true text.
        clean: the clean image, or None.
    """

    name: str
    noisy: np.ndarray
    text: str
    clean: np.ndarray | None = None


@dataclass(frozen=True)
class PageFiles:
    """The files of a page: its image, its text, and its clean image or None; `name` is relative to its folder."""

    name: str
    noisy: Path
    text: Path
    clean: Path | None = None

    def page(self) -> Page:
        """Read the files.

        Raises:
            PellucidError: if one cannot be read, the text is empty or not UTF-8, or an image has several pages.
        """
        try:
            text = self.text.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise PellucidError(f"cannot read the text {self.text}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise PellucidError(f"the text {self.text} is not UTF-8: convert it") from None
        if not normalize_text(text):
            raise PellucidError(f"the text {self.text} is empty: write the text of {self.noisy} into it")
        images = (None if path is None else read_image(path, max_frames=1).pixels for path in (self.noisy, self.clean))
        noisy, clean = images
        assert noisy is not None
        return Page(self.name, noisy, text, clean)


def program() -> str:
    """Return the path of Tesseract.

    Raises:
        PellucidError: if it is not installed, with the name of the package.
    """
    path = shutil.which(PROGRAM)
    if path is None:
        raise PellucidError(
            f"{PROGRAM} is not installed: install Debian's package tesseract-ocr, or put it on the PATH"
        )
    return path


def read_text(
    image: np.ndarray, language: str = "eng", layout: int = 3, seconds: float = TIMEOUT_SECONDS, name: str = "the image"
) -> str:
    """Return the text that Tesseract reads, on one thread, so that every run gives the same.

    Args:
        image: (H, W) or (H, W, 3); integers or floats, which are mapped to 8 bits.
        language: Tesseract's code of the language, such as `eng` or `deu`; several are joined by `+`.
        layout: Tesseract's page segmentation mode: 3 finds columns, 6 assumes one block of text, 7 one line.
        seconds: the timeout.
        name: the name of the image in errors.

    Raises:
        PellucidError: if Tesseract or its language is not installed, fails, or takes too long.
    """
    from PIL import Image

    stream = io.BytesIO()
    pixels = to_uint8(image)
    Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).save(stream, "PNG", compress_level=1)
    command = [program(), "stdin", "stdout", "-l", language, "--psm", str(layout)]
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        done = subprocess.run(
            command, input=stream.getvalue(), capture_output=True, env=environment, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise PellucidError(f"{PROGRAM} took more than {seconds:g} s on {name}: crop or shrink it") from None
    except OSError as error:
        raise PellucidError(f"{PROGRAM} does not run ({error.strerror}): install tesseract-ocr again") from error
    if done.returncode:
        message = done.stderr.decode("utf-8", "replace")
        if ".traineddata" in message:
            raise PellucidError(
                f"{PROGRAM} has no language {language}: install tesseract-ocr-{language}, or choose another"
            )
        raise PellucidError(f"{PROGRAM} failed on {name} ({' '.join(message.split())[-200:] or done.returncode})")
    return done.stdout.decode("utf-8", "replace")


def match_files(images: Path, texts: Path, clean_images: Path | None = None, limit: int = 0) -> tuple[PageFiles, ...]:
    """Return the files of all pages: each image with the text, and the clean image, of the same name.

    Args:
        images: a folder, searched recursively, or one file.
        texts: a folder with .txt files, or one file for one image.
        clean_images: a folder with images, one file for one image, or None.
        limit: use only this many images, the first ones; 0 uses all.

    Raises:
        PellucidError: if there are no images, or one has no text or no clean image.
    """
    if images.is_file():
        named = [(images, Path(images.name))]
    else:
        paths = list_images(images, recursive=True)[: limit or None]
        named = [(path, path.relative_to(images)) for path in paths]
    return tuple(
        PageFiles(
            name.as_posix(),
            path,
            _partner(path, name, texts, "text"),
            None if clean_images is None else _partner(path, name, clean_images, "clean image"),
        )
        for path, name in named
    )


def evaluate_pages(
    pages: Sequence[PageFiles] | Sequence[Page],
    denoise: Denoise | None,
    language: str = "eng",
    layout: int = 3,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Read every page noisy, denoised and, if it is known, clean, and count the errors.

    Args:
        pages: pages with known texts.
        denoise: returns an image denoised; None skips that version.
        language: as in `read_text`.
        layout: as in `read_text`.
        progress: called with the number of images read and of all images.

    Returns:
        For JSON: `character_error` and `word_error` of all pages together, each by version (`clean` only if all pages
        have one), and the same for each page in `pages`.

    Raises:
        UsageError: if there are no pages.
        PellucidError: as `read_text` and `Files.page`.
    """
    if not pages:
        raise UsageError("there are no pages to read: give one or more")
    program()
    has_clean = all(entry.clean is not None for entry in pages)
    versions = [name for name, is_there in zip(VERSIONS, (has_clean, True, denoise), strict=True) if is_there]
    done, records = 0, []
    for entry in pages:
        page = entry.page() if isinstance(entry, PageFiles) else entry
        record: dict[str, Any] = {"name": page.name, "characters": len(normalize_text(page.text))}
        record["words"] = len(page.text.split())
        for version in versions:
            image = denoise(page.noisy) if denoise and version == "denoised" else getattr(page, version)
            text = read_text(image, language, layout, name=page.name)
            record[version] = {name: float(metric([text], [page.text])[0]) for name, metric in METRICS.items()}
            done += 1
            if progress:
                progress(done, len(pages) * len(versions))
        records.append(record)
    totals = {name: {version: _total(records, name, version) for version in versions} for name in METRICS}
    return {"language": language, **totals, "pages": records}


def _total(records: Sequence[dict[str, Any]], metric: str, version: str) -> float:
    """Return the error rate of all pages: the mean, weighted by the lengths of the texts."""
    lengths = [record["characters" if metric == "character_error" else "words"] for record in records]
    if not sum(lengths):
        raise UsageError("the pages have no text: give their true text")
    return float(np.average([record[version][metric] for record in records], weights=lengths))


def _partner(image: Path, name: Path, partners: Path, kind: str) -> Path:
    """Return the text or the clean image of an image, which has the path `name` in its folder."""
    if partners.is_file():
        return partners
    if not partners.is_dir():
        raise PellucidError(f"{partners} does not exist: name the folder of the {kind}s")
    pattern = (partners / name).with_suffix(".txt" if kind == "text" else ".*")
    candidates = [pattern] if kind == "text" else sorted(pattern.parent.glob(f"{name.stem}.*"))
    for path in candidates:
        if path.is_file():
            return path
    raise PellucidError(f"{image} has no {kind}: looked for {pattern}")
