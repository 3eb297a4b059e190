"""Animations: their frames as a stack, written back with the same times.

Frames are read as they are seen, each laid over those before it, by way of Pillow.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.image.formats import Budget, ImageFile, Metadata, Sheet, finished

PLUGINS = {"PNG": "PngImageFile", "WebP": "WebPImageFile", "AVIF": "AvifImageFile"}
KINDS = tuple(PLUGINS)
# Without loss where the format can; every frame stands for itself, so that none shines through the next.
OPTIONS = {
    "PNG": {"blend": 0, "disposal": 0},
    "WebP": {"lossless": True, "exact": True, "method": 2},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}


@dataclass(frozen=True)
class Animation:
    """What another animation takes back.

    Attributes:
        durations: how long each frame is shown, in milliseconds.
        loop: how often all is shown; 0 for ever.
        default_image: whether the first frame is shown only by readers that know no animations.
        background: the colour behind all, as Pillow has it, or None.
    """

    durations: tuple[float, ...]
    loop: int
    default_image: bool = False
    background: tuple[int, int, int, int] | None = None


class _Frames:
    """Pictures of a stack, made one by one whenever Pillow goes through them; it does so more than once."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples

    def __iter__(self) -> Iterator[Any]:
        from PIL import Image

        return (Image.fromarray(np.ascontiguousarray(frame)) for frame in self._samples)


def opened(stream: BinaryIO, kind: str) -> Any:
    """Return Pillow's picture with only the header read; a `Budget` replaces Pillow's own limit on its pixels."""
    name = PLUGINS[kind]
    return getattr(import_module(f"PIL.{name.replace('ImageFile', 'ImagePlugin')}"), name)(stream)


def read(stream: BinaryIO, path: Path, kind: str, budget: Budget, metadata: Metadata) -> ImageFile:
    """Read all frames as uint8 (N, H, W) or (N, H, W, C)."""
    picture = opened(stream, kind)
    count = picture.n_frames
    budget.check(path, picture.height, picture.width, count)
    mode = _mode(picture)
    stack, durations = None, []
    for index in range(count):
        picture.seek(index)
        picture.load()
        durations.append(float(picture.info.get("duration") or 0))
        frame = np.asarray(picture if picture.mode == mode else picture.convert(mode))
        stack = np.empty((count, *frame.shape), np.uint8) if stack is None else stack
        stack[index] = frame
    if stack is None:
        raise ValueError("it holds no frames")
    info = picture.info
    native = Animation(
        tuple(durations), int(info.get("loop") or 0), bool(info.get("default_image")), info.get("background")
    )
    return finished(path, kind, stack, mode in ("LA", "RGBA"), 8, replace(metadata, native=native), is_stack=True)


def write(stream: BinaryIO, sheet: Sheet, kind: str) -> None:
    """Write a stack (N, H, W), or (N, H, W, C) with alpha last, uint8, of the format that its frames came from.

    Equal frames in a row become one that is shown as long as they were.
    """
    from PIL import Image

    samples, metadata = sheet.samples, sheet.metadata
    native: Animation = metadata.native
    if sheet.has_alpha and samples.shape[-1] == 2:
        samples = samples[..., (0, 0, 0, 1)]
    frames = _Frames(samples[1:])
    options: dict[str, Any] = dict(OPTIONS[kind])
    durations = [round(duration) for duration in native.durations]
    if kind == "PNG" and native.default_image:
        options["default_image"] = True
        durations = durations[1:]
    if kind == "WebP" and native.background:
        options["background"] = native.background
    if kind != "AVIF":
        options["loop"] = native.loop
    for name, block in (("icc_profile", metadata.icc), ("exif", metadata.exif), ("xmp", metadata.xmp)):
        if block and (kind, name) != ("PNG", "xmp"):
            options[name] = block
    if metadata.dpi and kind == "PNG":
        options["dpi"] = metadata.dpi
    Image.fromarray(np.ascontiguousarray(samples[0])).save(
        stream, kind, save_all=True, append_images=frames, duration=durations, **options
    )


def _mode(picture: Any) -> str:
    """Return the mode that holds all frames: gray only if they are stored so."""
    clear = picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info
    if picture.mode in ("1", "L", "LA"):
        return "LA" if clear else "L"
    return "RGBA" if clear else "RGB"
