"""BMP stored as runs (RLE8 and RLE4), decoded in time that depends on the file, not on the pixels that it announces."""

from typing import BinaryIO

import numpy as np

END_OF_LINE, END, JUMP = 0, 1, 2


def decode(stream: BinaryIO, height: int, width: int, is_half: bool) -> np.ndarray:
    """Return the palette's indices (H, W), uint8, the first stored row at the bottom; what is jumped over is 0.

    Args:
        stream: at the first run.
        height: of the image.
        width: of the image.
        is_half: whether an index takes four bits (RLE4).

    Raises:
        ValueError: if the file ends before the image does.
    """
    data = stream.read()
    indices = np.zeros((height, width), np.uint8)
    place = row = column = 0
    while row < height:
        if place + 2 > len(data):
            if row == height - 1 and column >= width:
                break  # the mark of the end is often left out
            raise ValueError(f"its runs end in row {row + 1} of {height}")
        count, value = data[place], data[place + 1]
        place += 2
        if count:
            values = _halves(bytes((value,)) * (count // 2 + 1)) if is_half else np.full(count, value, np.uint8)
            column = _put(indices, row, column, values[:count])
        elif value == END_OF_LINE:
            row, column = row + 1, 0
        elif value == END:
            break
        elif value == JUMP:
            across, up = data[place : place + 2].ljust(2, b"\0")
            row, column, place = row + up, column + across, place + 2
        else:
            length = (value + 1) // 2 if is_half else value
            literal = data[place : place + length]
            if len(literal) < length:
                raise ValueError(f"its runs end in row {row + 1} of {height}")
            values = _halves(literal)[:value] if is_half else np.frombuffer(literal, np.uint8)
            column = _put(indices, row, column, values)
            place += length + length % 2
    return indices[::-1]


def _put(indices: np.ndarray, row: int, column: int, values: np.ndarray) -> int:
    """Write values into a row, as far as it goes, and return the column behind them."""
    there = indices[row, column : column + len(values)]
    there[:] = values[: len(there)]
    return column + len(values)


def _halves(data: bytes) -> np.ndarray:
    """Return two indices a byte, the upper half first."""
    whole = np.frombuffer(data, np.uint8)
    return np.stack([whole >> 4, whole & 15], axis=1).reshape(-1)
