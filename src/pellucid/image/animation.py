"""Animations: their frames as a stack, written back with the same durations.

Frames are read with Pillow as they are displayed, each on top of those before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.image.formats import ImageData, ImageFile, Metadata, StoredImage, make_image_file, make_image_size
from pellucid.image.guards.limits import ReadLimits

PLUGINS = {"PNG": "PngImageFile", "WebP": "WebPImageFile", "AVIF": "AvifImageFile"}
KINDS = tuple(PLUGINS)
# Lossless where the format can be; every frame replaces the one before it.
OPTIONS = {
    "PNG": {"blend": 0, "disposal": 0},
    "WebP": {"lossless": True, "exact": True, "method": 2},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}


@dataclass(frozen=True)
class Animation:
    """The metadata that only an animation can hold.

    Attributes:
        durations: of each frame, in milliseconds.
        loop: how often the animation is shown; 0 for ever.
        default_image: whether the first frame is only for programs that cannot show animations.
        background: the RGBA color behind the frames, or None.
    """

    durations: tuple[float, ...]
    loop: int
    default_image: bool = False
    background: tuple[int, int, int, int] | None = None


class _Frames:
    """The frames of a stack as Pillow images, made one by one; Pillow iterates over them more than once."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples

    def __iter__(self) -> Iterator[Any]:
        from PIL import Image

        return (Image.fromarray(np.ascontiguousarray(frame)) for frame in self._samples)


def open_picture(stream: BinaryIO, kind: str) -> Any:
    """Return Pillow's image with only the header read; `ReadLimits` replaces Pillow's own limit on pixels."""
    name = PLUGINS[kind]
    return getattr(import_module(f"PIL.{name.replace('ImageFile', 'ImagePlugin')}"), name)(stream)


def open_image(stream: BinaryIO, path: Path, kind: str, limits: ReadLimits, metadata: Metadata) -> StoredImage:
    """Open all frames as uint8 (N, H, W) or (N, H, W, C).

    Args:
        stream: at the start of the file.
        path: of the file, for errors.
        kind: the format.
        limits: on pixels and frames.
        metadata: all but `native`.

    Raises:
        TooLarge: if there are more pixels or frames than allowed.
    """
    picture = open_picture(stream, kind)
    count = picture.n_frames
    limits.check(path, picture.height, picture.width, count)
    mode = _mode(picture)
    size = make_image_size(kind, picture.height, picture.width, 1 if mode in ("L", "LA") else 3, metadata, count)
    return StoredImage(size, lambda: _decode(picture, path, kind, mode, metadata))


def _decode(picture: Any, path: Path, kind: str, mode: str, metadata: Metadata) -> ImageFile:
    count = picture.n_frames
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
    return make_image_file(
        path, kind, stack, mode in ("LA", "RGBA"), 8, replace(metadata, native=native), is_stack=True
    )


def write(stream: BinaryIO, image: ImageData, kind: str) -> None:
    """Write a stack (N, H, W), or (N, H, W, C) with alpha last, uint8, in the format that it was read from.

    Equal frames in a row become one frame with the sum of their durations.
    """
    from PIL import Image

    samples, metadata = image.samples, image.metadata
    native: Animation = metadata.native
    if image.has_alpha and samples.shape[-1] == 2:
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
    """Return the Pillow mode that holds all frames: gray only if they are stored as gray."""
    has_alpha = picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info
    if picture.mode in ("1", "L", "LA"):
        return "LA" if has_alpha else "L"
    return "RGBA" if has_alpha else "RGB"
