"""The methods that are compared: Pellucid, other networks and classical filters, behind the same call."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pellucid import Denoiser, estimate_noise
from pellucid.classical.tuning import TunedBaseline
from pellucid.image import from_nchw, to_nchw
from pellucid.weights.catalog import find
from photo_parts import opencv, tuning
from photo_parts.options import Options, source_for
from photo_parts.tables import PartSkipped

Precision = Literal["auto", "fp32", "bf16"]
# Denoises an image, float32 (H, W) or (H, W, 3) in [0, 1] units, of a given sigma in the same units.
Run = Callable[[np.ndarray, float], np.ndarray]

CLASSICAL = {
    "nlm": "NLM (scikit-image)",
    "bilateral": "bilateral (OpenCV)",
    "wavelet": "wavelet (scikit-image)",
    "tv": "TV (scikit-image)",
}
OPENCV = "fastNlMeansDenoising (OpenCV)"
DNCNN_SIGMA = 25


@dataclass(frozen=True)
class Method:
    """A denoiser that is compared.

    Attributes:
        name: the name in the tables.
        start: loads it for a number of threads; it can be pickled.
        images: the greatest number of images that it gets; None for all.
    """

    name: str
    start: Callable[[int], Run]
    images: int | None = None


def make_methods(options: Options, channels: int, sigma_255: int) -> list[Callable[[], Method]]:
    """Return functions that make every method for images of so many channels and this sigma (of 255)."""
    makers: list[Callable[[], Method]] = [functools.partial(Method, "noisy", _identity)]
    for name in options.models:
        makers += [functools.partial(ours, options, name, automatic=automatic) for automatic in (False, True)]
    if channels == 3:
        makers.append(ffdnet)
    elif sigma_255 == DNCNN_SIGMA:
        makers.append(functools.partial(dncnn, options))
    makers.append(functools.partial(bm3d, options.bm3d_images))
    makers += [functools.partial(classical, baseline, channels, sigma_255) for baseline in CLASSICAL]
    return [*makers, functools.partial(non_local_means, channels, sigma_255)]


def ours(options: Options, name: str, automatic: bool) -> Method:
    """Return one of Pellucid's networks as the parts on quality run it."""
    engine = options.engine
    if source_for(options.models[name], engine) is None:
        engine = "auto"
    title = f"{name}, sigma automatic" if automatic else name
    return ours_on(options, name, title, engine, "auto", automatic)


def ours_on(
    options: Options, name: str, title: str, engine: str, precision: Precision, automatic: bool = False
) -> Method:
    """Return one of Pellucid's networks on an engine, with the noise level given or estimated (`automatic`).

    Raises:
        PartSkipped: if none of its files runs on the engine, or the noise-level network is missing.
        PellucidError: if the network is missing.
    """
    source = source_for(options.models[name], engine)
    if source is None:
        raise PartSkipped(f"{title}: none of its files runs on {engine}")
    find(source)
    if automatic:
        estimate_noise(np.zeros((64, 64, 3), np.float32), channel_axis=-1)
    return Method(title, functools.partial(_pellucid, source, engine, precision, automatic))


def _pellucid(source: str, engine: str, precision: Precision, automatic: bool, threads: int) -> Run:
    denoiser = Denoiser.load(source, engine=engine, threads=threads, precision=precision)

    def run(noisy: np.ndarray, sigma: float) -> np.ndarray:
        axis = -1 if noisy.ndim == 3 else None
        return denoiser(noisy, None if automatic else sigma, channel_axis=axis, data_range=1.0)

    return run


def _identity(threads: int) -> Run:
    return lambda noisy, sigma: noisy


def dncnn(options: Options) -> Method:
    """Return DnCNN for gray images at sigma 25; raises PartSkipped without its weights."""
    if options.dncnn is None or not options.dncnn.is_file():
        raise PartSkipped(f"DnCNN: its weights are not in {options.dncnn}: give --dncnn FILE")
    return Method("DnCNN", functools.partial(_peer, "DnCNN", options.dncnn))


def ffdnet() -> Method:
    """Return FFDNet for color images; raises PartSkipped without its weights."""
    from photo_parts.peer_networks import ffdnet_weights

    return Method("FFDNet", functools.partial(_peer, "FFDNet", ffdnet_weights()))


def _peer(kind: str, path: Path, threads: int) -> Run:
    from photo_parts import peer_networks

    return peer_networks.PeerRun(getattr(peer_networks, kind), path, threads)


def bm3d(images: int | None = None) -> Method:
    """Return BM3D, or CBM3D for color; raises PartSkipped if it is not installed or gets no image."""
    if images == 0 or not find_spec("bm3d"):
        raise PartSkipped("BM3D: " + ("--bm3d-images is 0" if images == 0 else "the package bm3d is not installed"))
    return Method("BM3D", _bm3d, images)


def _bm3d(threads: int) -> Run:
    package: Any = import_module("bm3d")
    return lambda noisy, sigma: (package.bm3d if noisy.ndim == 2 else package.bm3d_rgb)(noisy, sigma)


def classical(baseline: str, channels: int, sigma_255: int) -> Method:
    """Return a classical baseline tuned for this sigma (of 255); raises PartSkipped without training photographs."""
    return tuned_method(CLASSICAL[baseline], tuning.tuned(baseline, channels, sigma_255))


def tuned_method(name: str, baseline: TunedBaseline) -> Method:
    """Return a tuned baseline as a method."""
    return Method(name, functools.partial(_tuned, baseline))


def _tuned(baseline: TunedBaseline, threads: int) -> Run:
    if find_spec("cv2"):
        import_module("cv2").setNumThreads(threads)
    return lambda noisy, sigma: from_nchw(baseline(to_nchw(noisy, 1.0)), noisy, 1.0)


def non_local_means(channels: int, sigma_255: int) -> Method:
    """Return OpenCV's non-local means, tuned for this sigma (of 255); raises PartSkipped without OpenCV."""
    if not find_spec("cv2"):
        raise PartSkipped(f"{OPENCV}: it is not installed")
    return Method(OPENCV, functools.partial(opencv.nlm, *opencv.strengths(channels, sigma_255)))
