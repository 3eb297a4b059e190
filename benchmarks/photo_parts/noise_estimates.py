"""Compare the estimated noise level with the true one, beside scikit-image's `estimate_sigma`."""

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from pellucid import estimate_noise
from photo_parts import protocol
from photo_parts.automatic import EVERY, camera_pairs
from photo_parts.options import Options
from photo_parts.tables import PartSkipped, Table, collect

AWGN = (0, 5, 10, 15, 25, 35, 50)
# Sigma of 255 and the kernel's standard deviation in pixels.
CORRELATED = ((5, 0.7), (10, 1.0), (20, 1.0), (20, 1.5))
# A noisy image, float32 in [0, 1] units, and the true sigma in the same units.
Samples = Iterator[tuple[np.ndarray, float]]


def noise_estimates(options: Options) -> list[Table]:
    """Return one table over all kinds of noise."""
    estimators, reasons = collect([_ours, _skimage])
    rows: list[tuple] = []
    kinds, skipped = collect([lambda: _synthetic(options), lambda: _pairs(options)])
    for title, samples in (kind for group in kinds for kind in group):
        true, found = [], {name: [] for name, _ in estimators}
        for noisy, sigma in samples():
            true.append(255 * sigma)
            for name, estimate in estimators:
                found[name].append(255 * estimate(noisy))
        rows.append((title, len(true), float(np.mean(true)), *(v for one in found.values() for v in errors(one, true))))
    formats = {"noise": "", "images": "d", "true": ".2f"}
    for name, _ in estimators:
        formats |= {f"{name}: mean": ".2f", f"{name}: error": ".2f", f"{name}: relative": ".1%"}
    notes = [
        "sigma of 255; error: the mean of |estimate - true|; relative: the median of |estimate - true| / true",
        "the true level of camera noise is the RMS of noisy - clean",
        *reasons,
        *skipped,
    ]
    return [Table("Estimates of the noise level", formats, rows, notes)]


def errors(found: list[float], true: list[float]) -> tuple[float, float, float | None]:
    """Return the mean estimate, the mean absolute error, and the median relative one; None if nothing is noisy."""
    off = np.abs(np.subtract(found, true))
    relative = float(np.median(off / true)) if min(true) > 0 else None
    return float(np.mean(found)), float(off.mean()), relative


def _ours() -> tuple[str, Callable[[np.ndarray], float]]:
    estimate_noise(np.zeros((64, 64, 3), np.float32), channel_axis=-1)
    return "Pellucid", lambda noisy: estimate_noise(noisy, channel_axis=-1, data_range=1.0)


def _skimage() -> tuple[str, Callable[[np.ndarray], float]]:
    if not find_spec("skimage"):
        raise PartSkipped("estimate_sigma: scikit-image is not installed")
    restoration: Any = import_module("skimage.restoration")
    return "estimate_sigma", lambda noisy: restoration.estimate_sigma(noisy, channel_axis=-1, average_sigmas=True)


def _synthetic(options: Options) -> list[tuple[str, Callable[[], Samples]]]:
    """Return the kinds of noise that are added to CBSD68."""
    if not find_spec("torch"):
        raise PartSkipped("synthetic noise: torch, which makes it, is not installed")
    from pellucid.noise.camera import Camera
    from pellucid.noise.correlated import Correlated

    paths = protocol.files(protocol.folder("test-photos", "CBSD68"), options.limit)

    def gaussian(sigma_255: int) -> Samples:
        for index, path in enumerate(paths):
            yield protocol.noisy(protocol.read(path, 3), sigma_255, index), sigma_255 / 255

    def sampled(noise: Any) -> Samples:
        import torch

        for index, path in enumerate(paths):
            clean = torch.from_numpy(protocol.read(path, 3).transpose(2, 0, 1).astype(np.float32) / 255)[None]
            noisy, sigma = noise(clean, torch.Generator().manual_seed(index))
            yield np.ascontiguousarray(noisy[0].permute(1, 2, 0).numpy()), float(sigma)

    kinds: list[tuple[str, Callable[[], Samples]]] = []
    kinds += [(f"Gaussian, {sigma}" if sigma else "none", lambda sigma=sigma: gaussian(sigma)) for sigma in AWGN]
    for sigma, blur in CORRELATED:
        noise = Correlated(sigma=sigma / 255, blur=blur)
        kinds.append((f"correlated, {sigma}, blur {blur:g} px", lambda noise=noise: sampled(noise)))
    return [*kinds, ("camera, synthetic", lambda: sampled(Camera()))]


def _pairs(options: Options) -> list[tuple[str, Callable[[], Samples]]]:
    pairs = camera_pairs()[::EVERY][: options.limit]

    def samples() -> Samples:
        for _, noisy, clean in pairs:
            noisy_planes, clean_planes = (image.astype(np.float32) / 255 for image in (noisy, clean))
            yield noisy_planes, float(np.sqrt(np.square(noisy_planes - clean_planes).mean()))

    return [("camera, real pairs", samples)]
