"""An array as the user gave it, seen as frames of float32 planes, part by part: no copy of the whole is ever made."""

import functools
import warnings

import numpy as np

from pellucid.errors import UsageError
from pellucid.image.arrays import data_range_of, from_nchw, to_nchw
from pellucid.inference.fill_nonfinite import repaired

RGBA = 4
ROWS_AT_ONCE = 64


class Frames:
    """One image or a stack of them, to be read in parts and written in parts of the same dtype and layout.

    Attributes:
        name: what to call it in an error.
        white: the value that becomes 1.
        shape: (N, C, H, W), without an alpha channel.
        given: the array as a view (N, H, W, C), without an alpha channel.
    """

    def __init__(
        self,
        image: np.ndarray,
        channel_axis: int | None = None,
        data_range: float | None = None,
        *,
        has_alpha: bool | None = None,
        name: str = "the image",
    ) -> None:
        """Look at an array.

        Args:
            image: (H, W), or with channels on `channel_axis`; a stack has one more axis ahead: (N, H, W) without and
                (N, H, W, C) with channels. Booleans, integers or floats.
            channel_axis: where the channels are; None for gray.
            data_range: the value of white; None as in `pellucid.image.data_range_of`, over the whole stack.
            has_alpha: whether the last channel is alpha, which is copied; None takes it so where there are four.
            name: as in the attribute.

        Raises:
            UsageError: for an array that is no image, an image of 0 pixels, or a range that cannot be.
        """
        self.name = name
        self._image, self._channel_axis = image, channel_axis
        given = _as_stack(image, channel_axis, name)
        self._colours = slice(-1) if has_alpha or (has_alpha is None and given.shape[-1] == RGBA) else slice(None)
        self.given = given[..., self._colours]
        pages, height, width, channels = self.given.shape
        if not self.given.size:
            raise UsageError(f"{name} is {height}x{width} with {channels} channels: give one with at least 1x1 pixels")
        self.shape = (pages, channels, height, width)
        self.white = data_range_of(self.given) if data_range is None else float(data_range)
        if not 0 < self.white < np.inf:
            raise UsageError(f"data_range is {data_range}: give the value of white, such as 1.0 or 255")
        self._warned = False

    @functools.cached_property
    def result(self) -> np.ndarray:
        """An array of the shape and dtype that were given, which `write` fills; alpha is there already."""
        return self._image.copy()

    def wide(self) -> "Frames":
        """Return all of it as a stack of its own, float32 with white at 1 and without alpha."""
        return Frames(self.given / np.float32(self.white), -1, 1.0, has_alpha=False, name=self.name)

    @functools.cached_property
    def _made(self) -> np.ndarray:
        return _as_stack(self.result, self._channel_axis, self.name)[..., self._colours]

    def read(self, page: int, rows: slice, columns: slice) -> np.ndarray:
        """Return a part of a frame as float32 (1, C, h, w), white at 1, nothing clipped, all values finite.

        The first part with a NaN or an infinity warns.
        """
        part = self.given[page : page + 1, rows, columns]
        with np.errstate(over="ignore", invalid="ignore"):
            planes = to_nchw(part, self.white)
        finite = repaired(planes)
        if finite is not planes and not self._warned:
            self._warned = True
            words = "holds values that are not finite (NaN or infinite): they are filled in from those around them"
            warnings.warn(f"{self.name} {words}", RuntimeWarning, stacklevel=2)
        return finite

    def write(self, page: int, top: int, left: int, planes: np.ndarray) -> None:
        """Put float32 planes (1, C, h, w) into the result; integers are rounded and end at the bounds of their type."""
        height, width = planes.shape[-2:]
        for start in range(0, height, ROWS_AT_ONCE):
            rows = planes[..., start : start + ROWS_AT_ONCE, :]
            first = top + start
            part = self._made[page : page + 1, first : first + rows.shape[-2], left : left + width]
            if part.dtype == np.float16:
                top_value = np.finfo(np.float16).max / self.white
                rows = rows.clip(-top_value, top_value)
            part[:] = from_nchw(rows, part, self.white)


def _as_stack(array: np.ndarray, channel_axis: int | None, name: str) -> np.ndarray:
    """Return the array as a view (N, H, W, C)."""
    if array.dtype.kind not in "buif":
        raise UsageError(f"{name} holds values of type {array.dtype}: convert it to integers or floats")
    axes = array.ndim + (channel_axis is None)
    if axes not in (3, 4) or not -array.ndim <= (channel_axis or 0) < array.ndim:
        raise UsageError(
            f"{name} is an array of shape {array.shape} with channel_axis={channel_axis}, which is no image: give "
            "(H, W), (N, H, W), or with a channel axis (H, W, C) or (N, H, W, C)"
        )
    if channel_axis is None and array.ndim == 3 and array.shape[-1] in (3, RGBA):
        raise UsageError(
            f"{name} is an array of shape {array.shape}, which looks like colour: say channel_axis=-1 "
            "(a stack of narrow gray images: image[..., None] with channel_axis=-1)"
        )
    layered = array[..., None] if channel_axis is None else np.moveaxis(array, channel_axis, -1)
    return layered if axes == 4 else layered[None]
