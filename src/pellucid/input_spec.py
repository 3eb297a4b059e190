"""The sizes and channels that a model accepts; needs no torch, stored in checkpoints and in exported files."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pellucid.errors import UsageError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class InputSpec:
    """The images that a model accepts, as (channels, height, width).

    Attributes:
        channels: the numbers of channels it accepts.
        multiple_of: the caller pads height and width to a multiple of this.
        fixed_size: (height, width) if the model accepts one size only; such a model is never tiled.
        minimum_size: the least height and width in pixels.
        dtype: the dtype of the training images, if their data range is not the usual one; else empty.
        data_range: the value that became 1 in those; 0 if it is the usual one.
        stretched: whether the contrast of each training image was stretched to its own peaks, so that the denoised
            image is stretched too (`pellucid.inference.contrast`).
    """

    channels: tuple[int, ...] = (1, 3)
    multiple_of: int = 1
    fixed_size: tuple[int, int] | None = None
    minimum_size: int = 1
    dtype: str = ""
    data_range: float = 0.0
    stretched: bool = False

    def data_range_for(self, pixels: "np.ndarray") -> float | None:
        """Return the data range of the training images if `pixels` are of their type; all floats count as one type."""
        if not self.data_range:
            return None
        both_floats = pixels.dtype.kind == "f" and self.dtype.startswith("float")
        return self.data_range if both_floats or pixels.dtype == self.dtype else None

    def check(self, shape: tuple[int, int, int], name: str = "the image") -> None:
        """Raise UsageError if an image of `shape` (C, H, W) does not fit, with its name and the remedy."""
        channels, height, width = shape
        if channels not in self.channels:
            expected = " or ".join(str(count) for count in self.channels)
            raise UsageError(f"{name} has {channels} channels, the model takes {expected}: convert the image first")
        if self.fixed_size and (height, width) != self.fixed_size:
            rows, columns = self.fixed_size
            raise UsageError(
                f"{name} is {height}x{width}, the model takes {rows}x{columns} alone: resize or crop the image, "
                "or use a convolutional model, which takes any size"
            )
        if min(height, width) < self.minimum_size:
            raise UsageError(
                f"{name} is {height}x{width}, the model needs at least {self.minimum_size} pixels a side: "
                "enlarge the image"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "InputSpec":
        """Rebuild a spec from the values that `to_dict` returned; lists may stand for tuples."""
        fixed = values.get("fixed_size")
        return cls(
            channels=tuple(values["channels"]),
            multiple_of=values["multiple_of"],
            fixed_size=(fixed[0], fixed[1]) if fixed else None,
            minimum_size=values.get("minimum_size", 1),
            dtype=values.get("dtype", ""),
            data_range=values.get("data_range", 0.0),
            stretched=values.get("stretched", False),
        )
