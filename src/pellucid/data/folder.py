"""Patches of the image files in a folder; names of its sub-folders become labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data.image_set import Images, check_split, check_test_fraction, split_indices
from pellucid.errors import PellucidError
from pellucid.image import data_range_of, list_images, read_image

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Folder:
    """Square patches, side by side from the top left corner, of all images in a folder and the folders in it.

    What is left over at the right and at the bottom is not used, nor is transparency. Deeper images than 8 bits are
    scaled to 8. Files, not patches, are split, so that no image lies in both splits.

    Attributes:
        path: the folder; if it has sub-folders with images, the first folder on the way is an image's label.
        patch: the patch's side in pixels.
        channels: 1 turns colours to gray (ITU-R BT.601 luma), 3 repeats gray.
        test_fraction: the share of files in the test split.
        seed: shuffles the files before they are split.
    """

    path: str
    patch: int = 64
    channels: int = 1
    test_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        check_test_fraction(self.test_fraction)
        if self.patch < 1:
            raise ValueError(f"patch is {self.patch}: give the patch's side in pixels")
        if self.channels not in (1, 3):
            raise ValueError(f"channels is {self.channels}: give 1 (gray) or 3 (colour)")

    def available(self) -> bool:
        """Return whether there is such a folder."""
        return Path(self.path).expanduser().is_dir()

    def load(self, split: str) -> Images:
        """Read the patches of the `train` or `test` files, (N, channels, patch, patch), named by their files.

        Raises:
            PellucidError: if there is no such folder, no image in the split, or a file that cannot be used, by name.
        """
        check_split(split)
        root = Path(self.path).expanduser()
        paths = list_images(root, recursive=True)
        chosen = split_indices(len(paths), self.test_fraction, self.seed, split)
        if not len(chosen):
            raise PellucidError(
                f"{root}: its {len(paths)} image(s) leave none for the {split} split at test_fraction "
                f"{self.test_fraction}: add images, or choose another test_fraction"
            )
        classes = _classes(root, paths)
        images, labels, names = [], [], []
        for path in (paths[index] for index in chosen):
            patches = self._patches(path)
            parts = path.relative_to(root).parts
            images.append(patches)
            names += ["/".join(parts)] * len(patches)
            labels += [classes.index(parts[0])] * len(patches) if classes else []
        return Images(
            np.concatenate(images), np.array(labels, np.int64) if classes else None, classes or None, tuple(names)
        )

    def _patches(self, path: Path) -> np.ndarray:
        """Return the patches of one file, uint8 (N, channels, patch, patch)."""
        pixels = eight_bits(read_image(path, max_frames=1).pixels)
        planes = with_channels(pixels[..., None] if pixels.ndim == 2 else pixels, self.channels, path)
        height, width = planes.shape[:2]
        rows, columns = height // self.patch, width // self.patch
        if not (rows and columns):
            side = min(height, width)
            raise PellucidError(
                f"{path} is {height}x{width}, smaller than the patch of {self.patch}: set patch to {side} or less, or "
                "take the file away"
            )
        grid = planes[: rows * self.patch, : columns * self.patch]
        grid = grid.reshape(rows, self.patch, columns, self.patch, self.channels)
        return grid.transpose(0, 2, 4, 1, 3).reshape(-1, self.channels, self.patch, self.patch)


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Return samples of any shape as uint8, their range mapped to 0 to 255."""
    if pixels.dtype == np.uint8:
        return pixels
    scaled = np.nan_to_num(pixels.astype(np.float32) / data_range_of(pixels), posinf=1.0, neginf=0.0)
    return np.round(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def with_channels(planes: np.ndarray, channels: int, path: Path) -> np.ndarray:
    """Return samples (..., C) of so many channels, of the same dtype: gray is repeated, colours become their luma.

    Raises:
        PellucidError: naming the file, if it has another number of channels than that.
    """
    found = planes.shape[-1]
    if found == channels:
        return planes
    if (found, channels) == (1, 3):
        return planes.repeat(3, axis=-1)
    if (found, channels) == (3, 1):
        luma = planes @ LUMA
        return (luma if planes.dtype.kind == "f" else np.round(luma)).astype(planes.dtype)[..., None]
    raise PellucidError(f"{path} has {found} channels, not {channels}: convert it, or take it away")


def _classes(root: Path, paths: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the sub-folders' names, sorted; none unless every image lies in one."""
    parts = [path.relative_to(root).parts for path in paths]
    return tuple(sorted({first for first, *_ in parts})) if all(len(part) > 1 for part in parts) else ()
