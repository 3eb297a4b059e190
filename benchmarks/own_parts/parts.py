"""Each part trains on a part of the data and measures on the rest; the table shows the required value beside."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ocr_pages import COUNT, ocr_trial, page_denoiser
from own_parts import sets
from own_parts.training import Options, link_files, train
from pellucid import Denoiser
from pellucid.inference.functional import load_denoiser
from photo_parts import protocol
from photo_parts.tables import Table

Figure = Callable[[np.ndarray, np.ndarray], float]
FORMATS = {"data": "", "figure": "", "noisy": ".4g", "denoised": ".4g", "bar": ""}


def documents(options: Options) -> list[Table]:
    """Stained scans, from pairs, in 20 minutes."""
    training, held_out = sets.documents()
    network = _train_on_pairs(options, "documents", 20, training, [])
    row = _row(options, "stained scans, pairs", "RMSE", "at most .016", Denoiser.load(network), held_out, rmse)
    return [Table("Documents, every third clean page held out", FORMATS, [row])]


def microscopy(options: Options) -> list[Table]:
    """Micrographs, from pairs and from noisy images only, in 15 minutes each; and each image from itself only."""
    training, held_out = sets.microscopy()
    group = ["--group-by", r"^(\d+)_"]
    supervised = _train_on_pairs(options, "microscopy", 15, training, group)
    noisy = link_files([pair.noisy for pair in training], options.work / "data" / "microscopy" / "noisy")
    alone = train(options, "microscopy-noisy", 15, ["--noisy", str(noisy), *group])
    rows = [
        _row(options, title, "PSNR", bar, denoiser, held_out, protocol.psnr)
        for title, bar, denoiser in (
            ("micrographs, pairs", "at least 29.3", Denoiser.load(supervised)),
            ("micrographs, noisy only", "at least 25.2", Denoiser.load(alone)),
            ("micrographs, each by itself", "at least 24.5", load_denoiser("self")),
        )
    ]
    return [Table("Microscopy, every third field held out", FORMATS, rows)]


def photographs(options: Options) -> list[Table]:
    """Gray photographs, one noisy copy of each, from scratch, in 60 minutes."""
    folder = sets.noisy_photographs(25, options.work / "data" / "bsds-25")
    network = Denoiser.load(train(options, "bsds-noisy", 60, ["--noisy", str(folder)]))
    files = protocol.files(protocol.folder("test-photos", "BSD68"), options.limit)
    clean = [protocol.read(path, 1) for path in files]
    noisy = [protocol.noisy(image, 25, index) for index, image in enumerate(clean)]

    def figure(image: np.ndarray, truth: np.ndarray) -> float:
        return protocol.psnr(protocol.quantize(image), truth)

    means = _means(network, list(zip(noisy, clean, strict=True)), figure)
    row = ("BSD68, noisy BSDS only", "PSNR", *means, "at least 28.7")
    return [Table("Gaussian noise of 25, learned without clean images", FORMATS, [row])]


def camera(options: Options) -> list[Table]:
    """The shipped `photo` fine-tuned on camera pairs in 10 minutes."""
    training, held_out = sets.camera()
    network = _train_on_pairs(options, "camera", 10, training, ["--from", "photo"])
    rows = [
        _row(options, title, "PSNR", bar, Denoiser.load(model), held_out, protocol.psnr)
        for title, bar, model in (("photo as shipped", "", "photo"), ("photo fine-tuned", "0.3 dB more", network))
    ]
    return [Table("Camera pairs, every third object held out", FORMATS, rows)]


def pages(options: Options) -> list[Table]:
    """Stained scans again, by a network trained on rendered pages only, with the recipe `document-pages`."""
    _, held_out = sets.documents()
    network = Denoiser.load(train(options, "document-pages", 30, ["document-pages"]))
    row = _row(options, "stained scans, rendered pages only", "RMSE", "at most .05", network, held_out, rmse)
    return [Table("Documents, learned without a scan", FORMATS, [row])]


def shipped(options: Options) -> list[Table]:
    """The shipped `document` on scans, and `jpeg` on JPEG files of quality 10."""
    _, held_out = sets.documents()
    network = Denoiser.load("document")
    rows = [_row(options, "document, stained scans", "RMSE", "at most .020", network, held_out, rmse)]
    files = protocol.files(protocol.folder("test-photos", "CBSD68"), options.limit)
    clean = [protocol.read(path, 1) for path in files]
    coded = [_jpeg(image, 10) for image in clean]
    network = Denoiser.load("jpeg")
    means = _means(network, list(zip(coded, clean, strict=True)), protocol.psnr)
    rows.append(("jpeg, CBSD68 luma at quality 10", "PSNR", *means, "1 dB more"))
    return [Table("Shipped networks", FORMATS, rows)]


def ocr(options: Options) -> list[Table]:
    """Tesseract's errors on pages with stains of kinds that no network was trained on, before and after `document`."""
    figures = ocr_trial(page_denoiser("document"), min(options.limit or COUNT, COUNT))
    rows = []
    for title, name in (("characters", "character_error"), ("words", "word_error")):
        clean, noisy, denoised = (100 * figures[name][version] for version in ("clean", "noisy", "denoised"))
        bar = f"at most {min(noisy / 2, clean + 2):.2f}" if name == "character_error" else ""
        rows.append((f"document, {title} misread, of clean pages {clean:.2f}", "%", noisy, denoised, bar))
    return [Table("Tesseract on rendered pages, stained", FORMATS, rows)]


def rmse(image: np.ndarray, reference: np.ndarray) -> float:
    """Return the root mean square error of one uint8 image, in [0, 1] units."""
    return float(np.sqrt(np.mean((image.astype(np.float64) - reference) ** 2)) / 255)


def _train_on_pairs(
    options: Options, name: str, minutes: float, pairs: Sequence[sets.Pair], arguments: list[str]
) -> Path:
    data = options.work / "data" / name
    noisy = link_files([pair.noisy for pair in pairs], data / "noisy")
    clean = link_files([pair.clean for pair in pairs], data / "clean")
    return train(options, name, minutes, ["--noisy", str(noisy), "--clean", str(clean), *arguments])


def _row(
    options: Options, title: str, name: str, bar: str, denoiser: Denoiser, pairs: Sequence[sets.Pair], figure: Figure
) -> tuple:
    """Return the mean figure of whole images before and after."""
    images = [(sets.read(pair.noisy), sets.read(pair.clean)) for pair in pairs[: options.limit]]
    return (title, name, *_means(denoiser, images, figure), bar)


def _means(denoiser: Denoiser, images: Sequence[tuple[np.ndarray, np.ndarray]], figure: Figure) -> tuple[float, float]:
    """Return the mean figure of noisy images beside their clean ones, before and after."""
    before = [figure(noisy, clean) for noisy, clean in images]
    after = [figure(denoiser(noisy, channel_axis=-1 if noisy.ndim == 3 else None), clean) for noisy, clean in images]
    return float(np.mean(before)), float(np.mean(after))


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    from io import BytesIO

    from PIL import Image

    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as coded:
        return np.asarray(coded)
