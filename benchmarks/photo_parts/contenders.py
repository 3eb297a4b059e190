"""Who takes part: Pellucid and its peers, each started behind the same call."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pellucid import Denoiser, estimate_noise
from pellucid.classical.tuning import Tuned
from pellucid.image import from_nchw, to_nchw
from pellucid.weights import find
from photo_parts import opencv, tuning
from photo_parts.options import Options, source_for
from photo_parts.tables import LeftOut

Precision = Literal["auto", "fp32", "bf16"]
# Takes an image, float32 (H, W) or (H, W, 3) with white at 1, and its sigma in the same units.
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
class Contender:
    """A denoiser that takes part.

    Attributes:
        name: as the tables show it.
        start: loads it, to run on so many threads; it can be handed to another process.
        images: the greatest number of images that it gets; None for all.
    """

    name: str
    start: Callable[[int], Run]
    images: int | None = None


def contenders(options: Options, channels: int, sigma: int) -> list[Callable[[], Contender]]:
    """Return the makers of all that denoise images of so many channels at this sigma, white being 255."""
    makers: list[Callable[[], Contender]] = [functools.partial(Contender, "noisy", _identity)]
    for name in options.models:
        makers += [functools.partial(ours, options, name, automatic=automatic) for automatic in (False, True)]
    if channels == 3:
        makers.append(ffdnet)
    elif sigma == DNCNN_SIGMA:
        makers.append(functools.partial(dncnn, options))
    makers.append(functools.partial(bm3d, options.bm3d_images))
    makers += [functools.partial(classical, rival, channels, sigma) for rival in CLASSICAL]
    return [*makers, functools.partial(non_local_means, channels, sigma)]


def ours(options: Options, name: str, automatic: bool) -> Contender:
    """Return one of Pellucid's networks as the parts on quality run it."""
    engine = options.engine
    if source_for(options.models[name], engine) is None:
        engine = "auto"
    title = f"{name}, sigma automatic" if automatic else name
    return ours_on(options, name, title, engine, "auto", automatic)


def ours_on(
    options: Options, name: str, title: str, engine: str, precision: Precision, automatic: bool = False
) -> Contender:
    """Return one of Pellucid's networks on an engine, told the noise level or `automatic`.

    Raises:
        LeftOut: if none of its files runs on the engine, or the network that reads the noise level is missing.
        PellucidError: if it is not there.
    """
    source = source_for(options.models[name], engine)
    if source is None:
        raise LeftOut(f"{title}: none of its files runs on {engine}")
    find(source)
    if automatic:
        estimate_noise(np.zeros((64, 64, 3), np.float32), channel_axis=-1)
    return Contender(title, functools.partial(_pellucid, source, engine, precision, automatic))


def _pellucid(source: str, engine: str, precision: Precision, automatic: bool, threads: int) -> Run:
    denoiser = Denoiser.load(source, engine=engine, threads=threads, precision=precision)

    def run(noisy: np.ndarray, sigma: float) -> np.ndarray:
        axis = -1 if noisy.ndim == 3 else None
        return denoiser(noisy, None if automatic else sigma, channel_axis=axis, data_range=1.0)

    return run


def _identity(threads: int) -> Run:
    return lambda noisy, sigma: noisy


def dncnn(options: Options) -> Contender:
    """Return DnCNN for gray images at sigma 25; raises LeftOut without its weights."""
    if options.dncnn is None or not options.dncnn.is_file():
        raise LeftOut(f"DnCNN: its weights are not in {options.dncnn}: give --dncnn FILE")
    return Contender("DnCNN", functools.partial(_peer, "DnCNN", options.dncnn))


def ffdnet() -> Contender:
    """Return FFDNet for colour images; raises LeftOut without its weights."""
    from photo_parts.peer_networks import ffdnet_weights

    return Contender("FFDNet", functools.partial(_peer, "FFDNet", ffdnet_weights()))


def _peer(kind: str, path: Path, threads: int) -> Run:
    from photo_parts import peer_networks

    return peer_networks.PeerRun(getattr(peer_networks, kind), path, threads)


def bm3d(images: int | None = None) -> Contender:
    """Return BM3D, or CBM3D for colour; raises LeftOut if it is not installed or not wanted."""
    if images == 0 or not find_spec("bm3d"):
        raise LeftOut("BM3D: " + ("not wanted" if images == 0 else "the package bm3d is not installed"))
    return Contender("BM3D", _bm3d, images)


def _bm3d(threads: int) -> Run:
    package: Any = import_module("bm3d")
    return lambda noisy, sigma: (package.bm3d if noisy.ndim == 2 else package.bm3d_rgb)(noisy, sigma)


def classical(rival: str, channels: int, sigma: int) -> Contender:
    """Return a classical rival tuned for this sigma; raises LeftOut without training photographs."""
    return tuned_contender(CLASSICAL[rival], tuning.tuned(rival, channels, sigma))


def tuned_contender(name: str, rival: Tuned) -> Contender:
    """Return a rival that was tuned."""
    return Contender(name, functools.partial(_tuned, rival))


def _tuned(rival: Tuned, threads: int) -> Run:
    if find_spec("cv2"):
        import_module("cv2").setNumThreads(threads)
    return lambda noisy, sigma: from_nchw(rival(to_nchw(noisy, 1.0)), noisy, 1.0)


def non_local_means(channels: int, sigma: int) -> Contender:
    """Return OpenCV's non-local means, tuned for this sigma; raises LeftOut without OpenCV."""
    if not find_spec("cv2"):
        raise LeftOut(f"{OPENCV}: it is not installed")
    return Contender(OPENCV, functools.partial(opencv.nlm, *opencv.strengths(channels, sigma)))
