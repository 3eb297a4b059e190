"""Image arrays turned into the networks' (N, C, H, W) and back, in the range that the user gave."""

import numpy as np

TWELVE_BITS = 4095
FAR_ABOVE_1 = 2
AT_ONCE = 1 << 16


def data_range_of(pixels: np.ndarray) -> float:
    """Return the value that stands for white.

    For integers the greatest of their type, or 4095 for 16-bit images without a value above it (12-bit cameras).
    For floats 1, unless half of the finite values or more lie far above it (above 2): then the least of 255, 4095 and
    65535 that reaches the greatest value, or that value itself. No copy is made.

    Args:
        pixels: an array of any shape.
    """
    if pixels.dtype.kind == "b":
        return 1.0
    if np.issubdtype(pixels.dtype, np.integer):
        twelve = pixels.dtype == np.uint16 and pixels.size and 0 < pixels.max() <= TWELVE_BITS
        return float(TWELVE_BITS if twelve else np.iinfo(pixels.dtype).max)
    finite, above, top = _counted(pixels)
    if not finite or 2 * above < finite:
        return 1.0
    return next((known for known in (255.0, float(TWELVE_BITS), 65_535.0) if top <= known), top)


def _counted(pixels: np.ndarray) -> tuple[int, int, float]:
    """Return how many of the floats are finite, how many of those lie far above 1, and the greatest of them."""
    number, above, top = 0, 0, -np.inf
    for part in np.nditer(pixels, ["external_loop", "buffered", "zerosize_ok"], buffersize=AT_ONCE, order="K"):
        finite = part[np.isfinite(part)]
        if finite.size:
            number += finite.size
            above += int(np.count_nonzero(finite > FAR_ABOVE_1))
            top = max(top, float(finite.max()))
    return number, above, top


def range_remark(dtype: np.dtype, white: float) -> str | None:
    """Say in words which value was taken for white where `data_range_of` had to guess, or return None.

    Args:
        dtype: of the array.
        white: what `data_range_of` returned for it.
    """
    if dtype == np.uint16 and white == TWELVE_BITS:
        return f"12 bits in 16: white is taken to be {TWELVE_BITS}"
    if dtype.kind == "f" and white != 1:
        return f"values far above 1: white is taken to be {white:g}"
    return None


def to_nchw(pixels: np.ndarray, data_range: float, channel_axis: int | None = -1) -> np.ndarray:
    """Return float32 (N, C, H, W), the data range mapped to [0, 1]; nothing is clipped.

    Args:
        pixels: (H, W), always gray; with a channel axis (H, W, C) or a stack (N, H, W, C); without one a stack of
            gray images (N, H, W).
        data_range: the value that becomes 1.
        channel_axis: where the channels are, or None.

    Raises:
        ValueError: for other numbers of axes.
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

    Integers are rounded and end at the bounds of their type (a NaN becomes 0); floats are not limited.

    Args:
        array: what `to_nchw` made of `like_pixels`, or an image of the same shape.
        like_pixels: the array whose shape and dtype come back; its values are not used.
        data_range: as given to `to_nchw`.
        channel_axis: as given to `to_nchw`.
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
