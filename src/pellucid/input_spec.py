"""What sizes and channels a model takes; torch-free, stored in checkpoints and in exported files."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pellucid.errors import UsageError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class InputSpec:
    """The images that a model accepts, as (channels, height, width).

    Attributes:
        channels: the channel counts it takes.
        multiple_of: height and width are padded by the caller to a multiple of this.
        fixed_size: (height, width) if the model takes one size alone; such a model is never tiled.
        minimum_size: the least height and width in pixels.
        dtype: the type of the samples that it was trained on, where their white is not the usual one; else empty.
        white: the value that was 1 in those; 0 where it is the usual one.
        stretched: whether each of those had been stretched to its own peaks, as what it denoises then is
            (`pellucid.inference.contrast`).
    """

    channels: tuple[int, ...] = (1, 3)
    multiple_of: int = 1
    fixed_size: tuple[int, int] | None = None
    minimum_size: int = 1
    dtype: str = ""
    white: float = 0.0
    stretched: bool = False

    def white_of(self, pixels: "np.ndarray") -> float | None:
        """Return the white of the training images for an array of their type, or None; floats of any size are alike."""
        if not self.white:
            return None
        both_floats = pixels.dtype.kind == "f" and self.dtype.startswith("float")
        return self.white if both_floats or pixels.dtype == self.dtype else None

    def check(self, shape: tuple[int, int, int], name: str = "the image") -> None:
        """Raise UsageError, naming the culprit and the remedy, if an image of `shape` (C, H, W) does not fit."""
        channels, height, width = shape
        if channels not in self.channels:
            wanted = " or ".join(str(count) for count in self.channels)
            raise UsageError(f"{name} has {channels} channels, the model takes {wanted}: convert the image first")
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
        """Rebuild a spec from `to_dict`'s values, lists and tuples alike."""
        fixed = values.get("fixed_size")
        return cls(
            channels=tuple(values["channels"]),
            multiple_of=values["multiple_of"],
            fixed_size=(fixed[0], fixed[1]) if fixed else None,
            minimum_size=values.get("minimum_size", 1),
            dtype=values.get("dtype", ""),
            white=values.get("white", 0.0),
            stretched=values.get("stretched", False),
        )
