"""Quality on the common test sets, with Gaussian noise of three levels."""

import functools

import numpy as np
from rich.console import Console
from rich.progress import track

from photo_parts import protocol
from photo_parts.methods import DNCNN_SIGMA, make_methods
from photo_parts.options import Options
from photo_parts.published import PUBLISHED, SIGMAS
from photo_parts.tables import PartSkipped, Table, collect

SETS = {"CBSD68": 3, "BSD68": 1, "Set12": 1}
Scores = dict[str, dict[int, list[float]]]


def quality(options: Options) -> list[Table]:
    """Return one table a set."""
    chosen = options.sets or SETS
    tables, reasons = collect(functools.partial(one_set, options, name, SETS[name]) for name in chosen)
    if not tables:
        raise PartSkipped("; ".join(reasons))
    tables[-1].notes += reasons
    return tables


def one_set(options: Options, name: str, channels: int) -> Table:
    """Measure all methods on one set at all levels."""
    paths = protocol.files(protocol.folder("test-photos", name), options.limit)
    cleans = [protocol.read(path, channels) for path in paths]
    scores: Scores = {}
    reasons: dict[str, None] = {}
    for sigma in SIGMAS:
        taking_part, skipped = collect(make_methods(options, channels, sigma))
        reasons |= dict.fromkeys(skipped)
        runs = [(one.name, one.start(options.threads), one.images) for one in taking_part]
        for index, clean in enumerate(
            track(cleans, f"{name}, sigma {sigma}", console=Console(stderr=True), transient=True)
        ):
            noisy = protocol.noisy(clean, sigma, index)
            for title, run, images in runs:
                if images is None or index < images:
                    denoised = protocol.quantize(run(noisy, sigma / 255))
                    scores.setdefault(title, {}).setdefault(sigma, []).append(protocol.psnr(denoised, clean))
    return table(name, scores, len(cleans), list(reasons))


def table(name: str, scores: Scores, images: int, reasons: list[str]) -> Table:
    """Lay out the mean PSNR over all images, and over those that the slowest method got, with the published."""
    fewest = min(len(values) for by_sigma in scores.values() for values in by_sigma.values())
    spans = [("", images)] + ([(f"first {fewest}: ", fewest)] if fewest < images else [])
    formats = {"denoiser": ""} | {f"{span}{sigma}": ".2f" for span, _ in spans for sigma in SIGMAS}
    rows: list[tuple] = [
        (title, *(_mean(by_sigma.get(sigma, []), count) for _, count in spans for sigma in SIGMAS))
        for title, by_sigma in scores.items()
    ]
    blanks = (None,) * (len(SIGMAS) * (len(spans) - 1))
    rows += [(f"{method} (published)", *figures, *blanks) for method, figures in PUBLISHED[name].items()]
    notes = [protocol.PROTOCOL + "; sigma is given to all but `sigma automatic`"]
    if "DnCNN" in scores:
        notes.append(f"DnCNN: the network trained for sigma {DNCNN_SIGMA}")
    return Table(f"{name}, {images} images: PSNR in dB at sigma 15, 25, 50 of 255", formats, rows, [*notes, *reasons])


def _mean(values: list[float], count: int) -> float | None:
    """Return the mean of the first `count` values, or None if there are fewer."""
    return float(np.mean(values[:count])) if len(values) >= count else None
