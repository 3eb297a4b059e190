"""An array as float32 planes with finite values, read and written a part at a time, without a copy of the whole."""

import functools
import warnings

import numpy as np

from pellucid.errors import UsageError
from pellucid.image.arrays import data_range_of, from_nchw, to_nchw

RGBA = 4
CHUNK_ROWS = 64


class Frames:
    """One image or a stack of images, read in parts; results are written in parts of the same dtype and layout.

    Attributes:
        name: the name of the image in errors.
        data_range: the value that becomes 1.
        shape: (N, C, H, W), without an alpha channel.
        input_array: the array as a view (N, H, W, C), without an alpha channel.
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
        """Wrap an array.

        Args:
            image: (H, W), or with channels on `channel_axis`; a stack has one more axis in front: (N, H, W) without and
                (N, H, W, C) with channels. Booleans, integers or floats.
            channel_axis: the axis of the channels; None for gray.
            data_range: the value of white; None as in `pellucid.image.data_range_of`, over the whole stack.
            has_alpha: whether the last channel is alpha, which is copied; None assumes so if there are four channels.
            name: as in the attribute.

        Raises:
            UsageError: if the array is no image, has 0 pixels, or `data_range` is not above 0.
        """
        self.name = name
        self._image, self._channel_axis = image, channel_axis
        stack = _as_stack(image, channel_axis, name)
        self._color_channels = (
            slice(-1) if has_alpha or (has_alpha is None and stack.shape[-1] == RGBA) else slice(None)
        )
        self.input_array = stack[..., self._color_channels]
        pages, height, width, channels = self.input_array.shape
        if not self.input_array.size:
            raise UsageError(f"{name} is {height}x{width} with {channels} channels: give one with at least 1x1 pixels")
        self.shape = (pages, channels, height, width)
        self.data_range = data_range_of(self.input_array) if data_range is None else float(data_range)
        if not 0 < self.data_range < np.inf:
            raise UsageError(f"data_range is {data_range}: give the value of white, such as 1.0 or 255")
        self._has_warned = False

    @functools.cached_property
    def result(self) -> np.ndarray:
        """An array of the shape and dtype of the input, which `write` fills; alpha is copied from the start."""
        return self._image.copy()

    def to_unit_range(self) -> "Frames":
        """Return all of it as a new stack: float32 with white at 1, without alpha."""
        return Frames(self.input_array / np.float32(self.data_range), -1, 1.0, has_alpha=False, name=self.name)

    @functools.cached_property
    def _result_stack(self) -> np.ndarray:
        return _as_stack(self.result, self._channel_axis, self.name)[..., self._color_channels]

    def read(self, page: int, rows: slice, columns: slice) -> np.ndarray:
        """Return a part of a frame as float32 (1, C, h, w): white at 1, not clipped, all values finite.

        The first part with a NaN or an infinity causes a RuntimeWarning.
        """
        part = self.input_array[page : page + 1, rows, columns]
        with np.errstate(over="ignore", invalid="ignore"):
            planes = to_nchw(part, self.data_range)
        finite = fill_nonfinite(planes)
        if finite is not planes and not self._has_warned:
            self._has_warned = True
            message = "holds values that are not finite (NaN or infinite): they are filled in from those around them"
            warnings.warn(f"{self.name} {message}", RuntimeWarning, stacklevel=2)
        return finite

    def write(self, page: int, top: int, left: int, planes: np.ndarray) -> None:
        """Write float32 planes (1, C, h, w) into the result; integers are rounded and clipped to their type."""
        height, width = planes.shape[-2:]
        for start in range(0, height, CHUNK_ROWS):
            rows = planes[..., start : start + CHUNK_ROWS, :]
            first = top + start
            part = self._result_stack[page : page + 1, first : first + rows.shape[-2], left : left + width]
            if part.dtype == np.float16:
                maximum = np.finfo(np.float16).max / self.data_range
                rows = rows.clip(-maximum, maximum)
            part[:] = from_nchw(rows, part, self.data_range)


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
            f"{name} is an array of shape {array.shape}, which looks like color: pass channel_axis=-1 "
            "(for a stack of narrow gray images, image[..., None] with channel_axis=-1)"
        )
    layered = array[..., None] if channel_axis is None else np.moveaxis(array, channel_axis, -1)
    return layered if axes == 4 else layered[None]


def fill_nonfinite(planes: np.ndarray) -> np.ndarray:
    """Return images without NaN and infinities: each is filled from the nearest finite values of its channel.

    The means of the finite values in blocks of 2x2, 4x4, 8x8 … pixels are computed, and each hole takes the mean of the
    smallest block that has one (the pull-push algorithm of Gortler et al., "The lumigraph", SIGGRAPH 1996), so large
    holes cost no more than small ones. A channel without any finite value becomes 0.

    Args:
        planes: (..., H, W) floats.

    Returns:
        Finite floats of the same shape and dtype; `planes` itself if all its values are finite.
    """
    known = np.isfinite(planes)
    if known.all():
        return planes
    return _fill(np.where(known, planes, 0), known.astype(planes.dtype))


def _fill(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fill the values whose weight is 0."""
    rows, columns = values.shape[-2:]
    if weights.all() or rows == columns == 1:
        return values
    padding = [(0, 0)] * (values.ndim - 2) + [(0, rows % 2), (0, columns % 2)]
    sums, counts = (_mean_of_blocks(np.pad(part, padding)) for part in (values * weights, weights))
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    coarse = _fill(means, np.ceil(counts))
    fine = coarse.repeat(2, axis=-2).repeat(2, axis=-1)[..., :rows, :columns]
    return np.where(weights > 0, values, fine)


def _mean_of_blocks(planes: np.ndarray) -> np.ndarray:
    # Divide before adding: the sum of four of the largest floats is infinite.
    quarters = planes * np.asarray(0.25, planes.dtype)
    rows = quarters[..., ::2, :] + quarters[..., 1::2, :]
    return rows[..., ::2] + rows[..., 1::2]
