"""Augmentation of training images: random crops, flips, quarter turns, and gray."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.image.color import LUMA


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the images of every batch.

    Attributes:
        crop: the side in pixels of the square that is cut out at a random position; 0 keeps the whole image.
        flip_and_rotate: whether each image is flipped and rotated at random, in one of eight ways; images that are not
            square keep their height and width, which leaves four ways.
        gray: the fraction of a batch that becomes gray.
    """

    crop: int
    flip_and_rotate: bool
    gray: float

    def num_gray(self, count: int) -> int:
        """Return how many of `count` images become gray."""
        return round(self.gray * count)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return images (N, C, H, W) cropped to (N, C, crop, crop), flipped and rotated."""
        if images.dtype == torch.uint16:  # torch flips no uint16
            return self(images.view(torch.int16), generator).view(torch.uint16)
        height, width = images.shape[-2:]
        rows, columns = min(self.crop or height, height), min(self.crop or width, width)
        count, device = len(images), generator.device
        margin = torch.tensor([height - rows + 1, width - columns + 1], device=device)
        corners = (torch.rand(count, 2, generator=generator, device=device) * margin).long().tolist()
        num_transforms = 8 if self.flip_and_rotate else 1
        transforms = torch.randint(num_transforms, (count,), generator=generator, device=device)
        if rows != columns:
            transforms -= transforms % 2
        parts = [
            dihedral(image[:, top : top + rows, left : left + columns], transform)
            for image, (top, left), transform in zip(images, corners, transforms.tolist(), strict=True)
        ]
        return torch.stack(parts)


def dihedral(image: Tensor, index: int) -> Tensor:
    """Return an image (C, H, W) rotated by `index % 4` quarter turns, and mirrored if `index` (0 to 7) is 4 or more."""
    rotated = torch.rot90(image, index % 4, (-2, -1))
    return rotated.flip(-1) if index >= 4 else rotated


def to_gray(images: Tensor) -> Tensor:
    """Return the luma (N, 1, H, W) of color images (N, 3, H, W); images of one channel as they are."""
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)
