"""Blind denoising with default settings: of real camera noise, and of clean photographs, which should not change."""

import functools
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from photo_parts import opencv, protocol, tuning
from photo_parts.methods import CLASSICAL, Method, ours, tuned_method
from photo_parts.options import Options
from photo_parts.tables import PartSkipped, Table, collect

# An unchanged image would make the mean PSNR infinite.
MAX_PSNR = 60.0
EVERY = 3
OPENCV_DEFAULT = 3.0
Pairs = list[tuple[str, np.ndarray, np.ndarray]]


def camera(options: Options) -> list[Table]:
    """Denoise every third of the camera pairs by name, without a given sigma."""
    pairs = camera_pairs()
    measured, others = pairs[::EVERY], [pair for index, pair in enumerate(pairs) if index % EVERY]
    makers = [
        *_blind_methods(options),
        *(functools.partial(_tuned, baseline, others) for baseline in ("bilateral", "tv")),
    ]
    methods, reasons = collect(makers)
    measured = measured[: options.limit]
    before = [protocol.psnr(noisy, clean) for _, noisy, clean in measured]
    rows: list[tuple] = [("identity", float(np.mean(before)), None, None, None)]
    for method in methods:
        run = method.start(options.threads)
        after = [protocol.psnr(_denoise(run, noisy), clean) for _, noisy, clean in measured]
        gains = np.subtract(after, before)
        worst = measured[int(gains.argmin())][0]
        rows.append((method.name, float(np.mean(after)), float(gains.mean()), float(gains.min()), worst))
    formats = {"denoiser": "", "PSNR": ".2f", "gain": "+.2f", "minimum gain": "+.2f", "on": ""}
    notes = [
        f"{len(measured)} of {len(pairs)} pairs, every third by name; the clean image is the mean of many shots; "
        "gains are over the noisy image",
        "the tuned filters were tuned on the other pairs, which show the same scenes",
        *reasons,
    ]
    return [Table("Real camera noise, without a given sigma: PSNR in dB", formats, rows, notes)]


def clean_input_error(options: Options) -> list[Table]:
    """Denoise clean images, without a given sigma."""
    methods, reasons = collect(_blind_methods(options))
    runs = [(method.name, method.start(options.threads)) for method in methods]

    def one_set(*parts: str) -> Table:
        images = [protocol.read(path, 3) for path in protocol.files(protocol.folder(*parts), options.limit)]
        rows = [(title, *changes(run, images)) for title, run in runs]
        formats = {
            "denoiser": "",
            "PSNR to the input": ".2f",
            "minimum": ".2f",
            "largest change of mean brightness": ".4%",
        }
        notes = [f"an image counts with {MAX_PSNR:g} dB at most; brightness in percent of full scale", *reasons]
        return Table(f"Clean in, without a given sigma: {'/'.join(parts)}, {len(images)} images", formats, rows, notes)

    sets = (("test-photos", "CBSD68"), ("camera", "clean"))
    tables, skipped = collect(functools.partial(one_set, *parts) for parts in sets)
    if not tables:
        raise PartSkipped("; ".join(skipped))
    tables[-1].notes += skipped
    return tables


def changes(run: Callable[[np.ndarray, float], np.ndarray], images: list[np.ndarray]) -> tuple[float, float, float]:
    """Return the mean and the minimum PSNR of outputs to inputs, and the largest change of mean brightness."""
    outputs = [_denoise(run, image) for image in images]
    values = [min(MAX_PSNR, protocol.psnr(after, before)) for after, before in zip(outputs, images, strict=True)]
    shifts = [abs(after.mean() - before.mean()) / 255 for after, before in zip(outputs, images, strict=True)]
    return float(np.mean(values)), min(values), float(max(shifts))


def camera_pairs() -> Pairs:
    """Return (name, noisy, clean), uint8 (H, W, 3), by name; raises PartSkipped if they are missing."""
    noisy, clean = (protocol.folder("camera", side) for side in ("noisy", "clean"))
    return [(path.name, protocol.read(path, 3), protocol.read(clean / path.name, 3)) for path in protocol.files(noisy)]


def _blind_methods(options: Options) -> list[Callable[[], Method]]:
    makers: list[Callable[[], Method]] = [functools.partial(ours, options, name, True) for name in options.models]
    return [*makers, _opencv_default]


def _opencv_default() -> Method:
    if not find_spec("cv2"):
        raise PartSkipped("fastNlMeansDenoisingColored: OpenCV is not installed")
    start = functools.partial(opencv.nlm, OPENCV_DEFAULT, OPENCV_DEFAULT)
    return Method("fastNlMeansDenoisingColored (OpenCV), h = 3", start)


def _tuned(baseline: str, pairs: Pairs) -> Method:
    """Return a baseline tuned on the centers of camera pairs."""
    chosen = [pairs[index] for index in np.linspace(0, len(pairs) - 1, tuning.CROPS).astype(int)]
    noisy, clean = (
        np.stack([tuning.center(pair[side], tuning.SIDE) for pair in chosen]).astype(np.float32) / 255
        for side in (1, 2)
    )
    return tuned_method(f"{CLASSICAL[baseline]}, tuned", tuning.tuned_to(baseline, noisy, clean))


def _denoise(run: Callable[[np.ndarray, float], np.ndarray], image: np.ndarray) -> np.ndarray:
    return protocol.quantize(run(image.astype(np.float32) / 255, 0.0))
