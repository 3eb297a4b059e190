"""What an OCR engine reads, Debian's Tesseract, before and after denoising, against the true text."""

import io
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data.folder import eight_bits
from pellucid.errors import PellucidError, UsageError
from pellucid.image import list_images, read_image
from pellucid.metrics.character_error import CharacterError
from pellucid.metrics.edits import plain
from pellucid.metrics.word_error import WordError

PROGRAM = "tesseract"
SECONDS = 180.0
METRICS = {"character_error": CharacterError(), "word_error": WordError()}
VERSIONS = ("clean", "noisy", "denoised")

Denoise = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Page:
    """A page whose text is known.

    Attributes:
        name: what to call it.
        noisy: its image, (H, W) or (H, W, 3).
        text: what it reads.
        clean: the clean image, or None.
    """

    name: str
    noisy: np.ndarray
    text: str
    clean: np.ndarray | None = None


@dataclass(frozen=True)
class Files:
    """The files of a page: its image, its text, and its clean image or None; `name` is the image's in its folder."""

    name: str
    noisy: Path
    text: Path
    clean: Path | None = None

    def page(self) -> Page:
        """Read the files.

        Raises:
            PellucidError: if one cannot be read, the text is empty or not UTF-8, or an image has pages.
        """
        try:
            text = self.text.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise PellucidError(f"cannot read the text {self.text}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise PellucidError(f"the text {self.text} is not UTF-8: convert it") from None
        if not plain(text):
            raise PellucidError(f"the text {self.text} is empty: write into it what {self.noisy} reads")
        images = (None if path is None else read_image(path, max_frames=1).pixels for path in (self.noisy, self.clean))
        noisy, clean = images
        assert noisy is not None
        return Page(self.name, noisy, text, clean)


def program() -> str:
    """Return where Tesseract is.

    Raises:
        PellucidError: if it is not installed, naming the package.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise PellucidError(
            f"{PROGRAM} is not installed: install Debian's package tesseract-ocr, or put it on the PATH"
        )
    return found


def read_text(
    image: np.ndarray, language: str = "eng", layout: int = 3, seconds: float = SECONDS, name: str = "the image"
) -> str:
    """Return what Tesseract reads, on one thread, so that it is the same on every run.

    Args:
        image: (H, W) or (H, W, 3); integers or floats, which are mapped to 8 bits.
        language: Tesseract's name of it, such as `eng` or `deu`; several are joined by `+`.
        layout: Tesseract's page segmentation mode: 3 finds columns, 6 takes one block of text, 7 one line.
        seconds: after which to give up.
        name: what to call the image in an error.

    Raises:
        PellucidError: if Tesseract or its language is not installed, fails, or takes too long.
    """
    from PIL import Image

    stream = io.BytesIO()
    pixels = eight_bits(image)
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
        raise PellucidError(f"{PROGRAM} does not run ({error.strerror}): install tesseract-ocr anew") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace")
        if ".traineddata" in said:
            raise PellucidError(
                f"{PROGRAM} has no language {language}: install tesseract-ocr-{language}, or choose another"
            )
        raise PellucidError(f"{PROGRAM} failed on {name} ({' '.join(said.split())[-200:] or done.returncode})")
    return done.stdout.decode("utf-8", "replace")


def matched(images: Path, texts: Path, cleans: Path | None = None, limit: int = 0) -> tuple[Files, ...]:
    """Return the files of all pages: each image with the text, and the clean image, of the same stem.

    Args:
        images: a folder with all below it, or one file.
        texts: a folder with .txt files, or one file for one image.
        cleans: a folder with images, one file for one image, or None.
        limit: take the first so many images; 0 takes all.

    Raises:
        PellucidError: if there are no images, or one has no text or no clean image, by name.
    """
    if images.is_file():
        return (Files(images.name, images, _partner(images, Path(images.name), texts, "text"), _clean(images, cleans)),)
    found = []
    for path in list_images(images, recursive=True)[: limit or None]:
        name = path.relative_to(images)
        clean = None if cleans is None else _partner(path, name, cleans, "clean image")
        found.append(Files(name.as_posix(), path, _partner(path, name, texts, "text"), clean))
    return tuple(found)


def assess(
    pages: Sequence[Files] | Sequence[Page],
    denoise: Denoise | None,
    language: str = "eng",
    layout: int = 3,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Any]:
    """Read every page noisy, denoised and, where it is given, clean, and count the errors.

    Args:
        pages: whose text is known.
        denoise: takes an image, and returns it denoised; None leaves that version out.
        language: as in `read_text`.
        layout: as in `read_text`.
        progress: told how many readings are done, and how many there are.

    Returns:
        Figures for JSON: `character_error` and `word_error` of all pages together, each a table by version (`clean`
        only where all pages have one), and the same of each page under `pages`.

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
        page = entry.page() if isinstance(entry, Files) else entry
        record: dict[str, Any] = {"name": page.name, "characters": len(plain(page.text))}
        record["words"] = len(page.text.split())
        for version in versions:
            image = denoise(page.noisy) if denoise and version == "denoised" else getattr(page, version)
            read = read_text(image, language, layout, name=page.name)
            record[version] = {name: float(metric([read], [page.text])[0]) for name, metric in METRICS.items()}
            done += 1
            if progress:
                progress(done, len(pages) * len(versions))
        records.append(record)
    totals = {name: {version: _total(records, name, version) for version in versions} for name in METRICS}
    return {"language": language, **totals, "pages": records}


def _total(records: Sequence[dict[str, Any]], metric: str, version: str) -> float:
    """Return all pages' edits relative to their length: the mean, weighted by the references' lengths."""
    lengths = [record["characters" if metric == "character_error" else "words"] for record in records]
    if not sum(lengths):
        raise UsageError("the pages have no text: give what they read")
    return float(np.average([record[version][metric] for record in records], weights=lengths))


def _clean(image: Path, cleans: Path | None) -> Path | None:
    return None if cleans is None else _partner(image, Path(image.name), cleans, "clean image")


def _partner(image: Path, name: Path, place: Path, what: str) -> Path:
    """Return the file that goes with an image, which is called `name` in its folder."""
    if place.is_file():
        return place
    if not place.is_dir():
        raise PellucidError(f"{place} does not exist: name the folder of the {what}s")
    if what == "text":
        found = [path for path in ((place / name).with_suffix(".txt"),) if path.is_file()]
    else:
        beside = (place / name).parent
        found = [path for path in sorted(beside.glob(f"{name.stem}.*")) if path.is_file()] if beside.is_dir() else []
    if not found:
        wanted = (place / name).with_suffix(".txt") if what == "text" else (place / name).with_suffix(".*")
        raise PellucidError(f"{image} has no {what}: looked for {wanted}")
    return found[0]
