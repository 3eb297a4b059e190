"""Pellucid as it comes, told nothing: on pairs from real cameras, and on clean photographs, which it must not harm."""

import functools
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from photo_parts import opencv, protocol, tuning
from photo_parts.contenders import CLASSICAL, Contender, ours, tuned_contender
from photo_parts.options import Options
from photo_parts.tables import LeftOut, Table, gathered

# The PSNR that an image counts with at most: one that comes back to the bit would make the mean infinite.
MOST = 60.0
EVERY = 3
OPENCV_DEFAULT = 3.0
Pairs = list[tuple[str, np.ndarray, np.ndarray]]


def camera(options: Options) -> list[Table]:
    """Denoise every third of the camera pairs by name, told nothing."""
    pairs = camera_pairs()
    measured, others = pairs[::EVERY], [pair for place, pair in enumerate(pairs) if place % EVERY]
    makers = [*_told_nothing(options), *(functools.partial(_tuned, rival, others) for rival in ("bilateral", "tv"))]
    taking_part, reasons = gathered(makers)
    measured = measured[: options.limit]
    before = [protocol.psnr(noisy, clean) for _, noisy, clean in measured]
    rows: list[tuple] = [("identity", float(np.mean(before)), None, None, None)]
    for one in taking_part:
        run = one.start(options.threads)
        after = [protocol.psnr(_cleaned(run, noisy), clean) for _, noisy, clean in measured]
        gains = np.subtract(after, before)
        worst = measured[int(gains.argmin())][0]
        rows.append((one.name, float(np.mean(after)), float(gains.mean()), float(gains.min()), worst))
    formats = {"denoiser": "", "PSNR": ".2f", "gain": "+.2f", "least gain": "+.2f", "on": ""}
    notes = [
        f"{len(measured)} of {len(pairs)} pairs, every third by name; the clean one is the mean of many shots; "
        "gains are against the noisy image as it is",
        "the tuned ones were tuned on the other pairs, which show the same scenes",
        *reasons,
    ]
    return [Table("Real camera noise, told nothing: PSNR in dB", formats, rows, notes)]


def harm(options: Options) -> list[Table]:
    """Denoise what is clean already, told nothing."""
    taking_part, reasons = gathered(_told_nothing(options))
    runs = [(one.name, one.start(options.threads)) for one in taking_part]

    def one_set(*parts: str) -> Table:
        images = [protocol.read(path, 3) for path in protocol.files(protocol.folder(*parts), options.limit)]
        rows = [(title, *kept(run, images)) for title, run in runs]
        formats = {"denoiser": "", "PSNR to the input": ".2f", "least": ".2f", "mean brightness, most change": ".4%"}
        notes = [f"an image counts with {MOST:g} dB at most; brightness in percent of full scale", *reasons]
        return Table(f"Clean in, told nothing: {'/'.join(parts)}, {len(images)} images", formats, rows, notes)

    sets = (("test-photos", "CBSD68"), ("camera", "clean"))
    tables, left_out = gathered(functools.partial(one_set, *parts) for parts in sets)
    if not tables:
        raise LeftOut("; ".join(left_out))
    tables[-1].notes += left_out
    return tables


def kept(run: Callable[[np.ndarray, float], np.ndarray], images: list[np.ndarray]) -> tuple[float, float, float]:
    """Return the mean and the least PSNR of outputs to their inputs, and the greatest change of mean brightness."""
    outputs = [_cleaned(run, image) for image in images]
    levels = [min(MOST, protocol.psnr(after, before)) for after, before in zip(outputs, images, strict=True)]
    shifts = [abs(after.mean() - before.mean()) / 255 for after, before in zip(outputs, images, strict=True)]
    return float(np.mean(levels)), min(levels), float(max(shifts))


def camera_pairs() -> Pairs:
    """Return (name, noisy, clean), uint8 (H, W, 3), by name; raises LeftOut if they are not at hand."""
    noisy, clean = (protocol.folder("camera", side) for side in ("noisy", "clean"))
    return [(path.name, protocol.read(path, 3), protocol.read(clean / path.name, 3)) for path in protocol.files(noisy)]


def _told_nothing(options: Options) -> list[Callable[[], Contender]]:
    makers: list[Callable[[], Contender]] = [functools.partial(ours, options, name, True) for name in options.models]
    return [*makers, _opencv_default]


def _opencv_default() -> Contender:
    if not find_spec("cv2"):
        raise LeftOut("fastNlMeansDenoisingColored: OpenCV is not installed")
    start = functools.partial(opencv.nlm, OPENCV_DEFAULT, OPENCV_DEFAULT)
    return Contender("fastNlMeansDenoisingColored (OpenCV), h = 3", start)


def _tuned(rival: str, pairs: Pairs) -> Contender:
    """Return a rival tuned on the middles of camera pairs."""
    chosen = [pairs[place] for place in np.linspace(0, len(pairs) - 1, tuning.CROPS).astype(int)]
    noisy, clean = (
        np.stack([tuning.middle(pair[side], tuning.SIDE) for pair in chosen]).astype(np.float32) / 255
        for side in (1, 2)
    )
    return tuned_contender(f"{CLASSICAL[rival]}, tuned", tuning.tuned_to(rival, noisy, clean))


def _cleaned(run: Callable[[np.ndarray, float], np.ndarray], image: np.ndarray) -> np.ndarray:
    return protocol.finished(run(image.astype(np.float32) / 255, 0.0))
