"""Patches of the image files in a folder; the names of its subfolders become labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data.base import DatasetInfo, ImageSet, check_minima, check_split, check_test_fraction, split_indices
from pellucid.errors import PellucidError
from pellucid.image import data_range_of, list_images, read_image
from pellucid.image.color import LUMA


@dataclass(frozen=True)
class Folder:
    """Square patches, side by side from the top left corner, of all images in a folder and the folders in it.

    Remainders at the right and at the bottom are not used, nor is transparency. Images of more than 8 bits are scaled
    to 8. Files, not patches, are split, so that no image lies in both splits.

    Attributes:
        path: the folder; if all images lie in subfolders, the first folder of its path is the label of an image.
        patch: the side of a patch in pixels.
        channels: 1 converts colors to gray (ITU-R BT.601 luma), 3 repeats gray.
        test_fraction: the fraction of files in the test split.
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
        check_minima(self, {"patch": 1})
        if self.channels not in (1, 3):
            raise ValueError(f"channels is {self.channels}: give 1 (gray) or 3 (color)")

    def available(self) -> bool:
        """Return whether the folder exists."""
        return Path(self.path).expanduser().is_dir()

    def describe(self, split: str) -> DatasetInfo:
        """Return the shape of the patches and the classes; only names are read."""
        check_split(split)
        root = Path(self.path).expanduser()
        classes = _classes(root, list_images(root, recursive=True))
        return DatasetInfo(self.channels, self.patch, self.patch, classes=classes)

    def load(self, split: str) -> ImageSet:
        """Read the patches of the `train` or `test` files, (N, channels, patch, patch), named by their files.

        Raises:
            PellucidError: if the folder is missing, the split has no image, or a file cannot be used, by name.
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
        return ImageSet(
            np.concatenate(images), np.array(labels, np.int64) if classes else None, classes or None, tuple(names)
        )

    def _patches(self, path: Path) -> np.ndarray:
        """Return the patches of one file, uint8 (N, channels, patch, patch)."""
        pixels = to_uint8(read_image(path, max_frames=1).pixels)
        image = convert_channels(pixels[..., None] if pixels.ndim == 2 else pixels, self.channels, path)
        height, width = image.shape[:2]
        rows, columns = height // self.patch, width // self.patch
        if not (rows and columns):
            side = min(height, width)
            raise PellucidError(
                f"{path} is {height}x{width}, smaller than the patch of {self.patch}: set patch to {side} or less, or "
                "remove the file"
            )
        grid = image[: rows * self.patch, : columns * self.patch]
        grid = grid.reshape(rows, self.patch, columns, self.patch, self.channels)
        return grid.transpose(0, 2, 4, 1, 3).reshape(-1, self.channels, self.patch, self.patch)


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Return samples of any shape as uint8, with their data range mapped to 0 to 255."""
    if pixels.dtype == np.uint8:
        return pixels
    scaled = np.nan_to_num(pixels.astype(np.float32) / data_range_of(pixels), posinf=1.0, neginf=0.0)
    return np.round(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def convert_channels(pixels: np.ndarray, channels: int, path: Path) -> np.ndarray:
    """Return pixels (..., C) with `channels` channels in the same dtype: gray is repeated, colors become their luma.

    Raises:
        PellucidError: naming the file, if its channels can be converted in neither way.
    """
    current = pixels.shape[-1]
    if current == channels:
        return pixels
    if (current, channels) == (1, 3):
        return pixels.repeat(3, axis=-1)
    if (current, channels) == (3, 1):
        luma = pixels @ np.array(LUMA, np.float32)
        return (luma if pixels.dtype.kind == "f" else np.round(luma)).astype(pixels.dtype)[..., None]
    raise PellucidError(f"{path} has {current} channels, not {channels}: convert it, or remove it")


def _classes(root: Path, paths: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the sorted names of the subfolders, or nothing unless every image lies in one."""
    parts = [path.relative_to(root).parts for path in paths]
    return tuple(sorted({first for first, *_ in parts})) if all(len(part) > 1 for part in parts) else ()
