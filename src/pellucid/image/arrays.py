"""Image arrays: their data range, and conversion to the networks' (N, C, H, W) and back."""

import numpy as np

MAX_12_BIT = 4095
RANGE_1_FACTOR = 2
CHUNK_VALUES = 1 << 16


def data_range_of(pixels: np.ndarray) -> float:
    """Return the value that stands for white.

    For integers the maximum of their type, or 4095 for 16-bit images without a value above it (12-bit cameras).
    For floats 1, unless half of the finite values or more are above 2: then the first of 255, 4095 and 65535 that is
    not below the maximum, or the maximum itself. No copy is made.

    Args:
        pixels: an array of any shape.
    """
    if pixels.dtype.kind == "b":
        return 1.0
    if np.issubdtype(pixels.dtype, np.integer):
        twelve = pixels.dtype == np.uint16 and pixels.size and 0 < pixels.max() <= MAX_12_BIT
        return float(MAX_12_BIT if twelve else np.iinfo(pixels.dtype).max)
    finite, above, top = _scan(pixels)
    if not finite or 2 * above < finite:
        return 1.0
    return next((known for known in (255.0, float(MAX_12_BIT), 65_535.0) if top <= known), top)


def _scan(pixels: np.ndarray) -> tuple[int, int, float]:
    """Return the number of finite values, how many of them are far above 1, and their maximum."""
    number, above, top = 0, 0, -np.inf
    for part in np.nditer(pixels, ["external_loop", "buffered", "zerosize_ok"], buffersize=CHUNK_VALUES, order="K"):
        finite = part[np.isfinite(part)]
        if finite.size:
            number += finite.size
            above += int(np.count_nonzero(finite > RANGE_1_FACTOR))
            top = max(top, float(finite.max()))
    return number, above, top


def range_warning(dtype: np.dtype, data_range: float) -> str | None:
    """Return a warning that names the data range if `data_range_of` had to guess it, else None.

    Args:
        dtype: of the array.
        data_range: the result of `data_range_of` for it.
    """
    if dtype == np.uint16 and data_range == MAX_12_BIT:
        return f"12 bits in 16: white is taken to be {MAX_12_BIT}"
    if dtype.kind == "f" and data_range != 1:
        return f"values far above 1: white is taken to be {data_range:g}"
    return None


def to_nchw(pixels: np.ndarray, data_range: float, channel_axis: int | None = -1) -> np.ndarray:
    """Return float32 (N, C, H, W), the data range mapped to [0, 1]; nothing is clipped.

    Args:
        pixels: (H, W), always gray; with a channel axis (H, W, C) or a stack (N, H, W, C); without one a stack of
            gray images (N, H, W).
        data_range: the value that becomes 1.
        channel_axis: the axis of the channels, or None.

    Raises:
        ValueError: if the number of axes is wrong.
    """
    axes = pixels.ndim + (pixels.ndim == 2 or channel_axis is None)
    if pixels.ndim < 2 or axes not in (3, 4):
        raise ValueError(
            f"an array of shape {pixels.shape} with channel axis {channel_axis} is no image: "
            "give (H, W), (H, W, C), (N, H, W, C), or (N, H, W) with channel_axis=None"
        )
    if pixels.ndim == 2:
        planes = pixels[None, None]
    elif channel_axis is None:
        planes = pixels[:, None]
    else:
        planes = np.moveaxis(pixels, channel_axis, -3)
        planes = planes if planes.ndim == 4 else planes[None]
    return np.divide(planes, data_range, dtype=np.float32, order="C", casting="unsafe")


def from_nchw(
    array: np.ndarray, like_pixels: np.ndarray, data_range: float, channel_axis: int | None = -1
) -> np.ndarray:
    """Undo `to_nchw`: return (N, C, H, W) values in the shape and dtype of `like_pixels`.

    Integers are rounded and clipped to the range of their type (NaN becomes 0); floats are not clipped.

    Args:
        array: the result of `to_nchw(like_pixels)`, or an array of the same shape.
        like_pixels: gives shape and dtype; its values are not used.
        data_range: as for `to_nchw`.
        channel_axis: as for `to_nchw`.
    """
    dtype = like_pixels.dtype
    values = array * np.float32(data_range)
    if like_pixels.ndim == 2:
        values = values[0, 0]
    elif channel_axis is None:
        values = values[:, 0]
    else:
        values = np.moveaxis(values if like_pixels.ndim == 4 else values[0], -3, channel_axis)
    if dtype.kind == "b":
        return values >= 0.5 * data_range
    if np.issubdtype(dtype, np.integer):
        bounds = np.iinfo(dtype)
        # In float64, since the bounds of 32-bit integers do not exist in float32.
        wide = np.float32 if dtype.itemsize < 3 else np.float64
        values = np.clip(np.rint(np.nan_to_num(values.astype(wide), nan=0.0)), bounds.min, bounds.max)
    return np.ascontiguousarray(values.astype(dtype))
