"""Training images varied: crops, mirror images, quarter turns, and gray."""

from dataclasses import dataclass

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class Variation:
    """How images are changed anew for every batch.

    Attributes:
        crop: the side of the square that is cut out at a random place, in pixels; 0 keeps the whole image.
        turn: whether each image is mirrored and turned by quarters at random, one of eight ways; images that are not
            square stay as wide and as high as they are, which leaves four ways.
        gray: the share of a batch that is to be gray.
    """

    crop: int
    turn: bool
    gray: float

    def num_gray(self, count: int) -> int:
        """Return how many of `count` images are to be gray."""
        return round(self.gray * count)

    def __call__(self, images: Tensor, drawn: torch.Generator) -> Tensor:
        """Return images (N, C, H, W) cropped to (N, C, crop, crop), mirrored and turned."""
        if images.dtype == torch.uint16:  # torch turns no uint16
            return self(images.view(torch.int16), drawn).view(torch.uint16)
        height, width = images.shape[-2:]
        side = (min(self.crop or height, height), min(self.crop or width, width))
        room = torch.tensor([height - side[0] + 1, width - side[1] + 1])
        places = (torch.rand(len(images), 2, generator=drawn) * room).long().tolist()
        ways = torch.randint(8 if self.turn else 1, (len(images),), generator=drawn)
        if side[0] != side[1]:
            ways -= ways % 2
        parts = [
            turned(image[:, row : row + side[0], column : column + side[1]], way)
            for image, (row, column), way in zip(images, places, ways.tolist(), strict=True)
        ]
        return torch.stack(parts)


def turned(image: Tensor, way: int) -> Tensor:
    """Return an image (C, H, W) turned by `way % 4` quarters, and mirrored from `way` 4 on."""
    quarters = torch.rot90(image, way % 4, (-2, -1))
    return quarters.flip(-1) if way >= 4 else quarters


def to_gray(images: Tensor) -> Tensor:
    """Return the luma (N, 1, H, W) of colour images (N, 3, H, W); images of one channel as they are."""
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)
