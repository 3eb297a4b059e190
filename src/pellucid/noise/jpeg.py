"""JPEG compression: blocks and ringing from quantized cosine coefficients, and coarse color."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pellucid.image.color import LUMA
from pellucid.noise.options import sample_uniform, set_number, set_range, widen, with_measured_sigma

# ITU-T T.81, annex K, tables K.1 and K.2: the quantization of luma and chroma at quality 50.
LUMA_TABLE = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
CHROMA_TABLE = """17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"""
BLOCK = 16  # pixels: the side of a coding block where chroma is halved


@dataclass(frozen=True)
class Jpeg:
    """The decoded JPEG of the image: YCbCr, chroma halved in both directions, 8x8 cosine blocks, quantized.

    Images of three channels are RGB; of others each channel is coded as luma. Values are limited to [0, 1] first, as
    the format does, but not rounded to 8 bits.

    Attributes:
        quality: 1 to 100 as libjpeg scales it, or (low, high), sampled uniformly for each image.
        shift: the fraction of images whose blocks begin at a random position, as in a crop of a JPEG, rather than at
            the top left corner.

    The noise level is the measured RMS difference of each image.
    """

    quality: float | tuple[float, float] = (10.0, 90.0)
    shift: float = 0.0

    def __post_init__(self) -> None:
        """Refuse qualities that libjpeg does not know."""
        set_number(self, "shift", 0, 1, "give a fraction from 0 to 1")
        set_range(self, "quality", 1, 100, "give libjpeg's quality")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the compressed batch, shaped as `clean` (N, C, H, W), and its RMS difference (N,)."""
        wide = widen(clean)
        quality = sample_uniform(self.quality, wide, generator)
        noisy = self._compress_shifted(wide, quality, generator) if self.shift else compress(wide, quality)
        return with_measured_sigma(noisy, wide, clean.dtype)

    def _compress_shifted(self, images: Tensor, quality: Tensor, generator: torch.Generator) -> Tensor:
        """Return images compressed, some with borders of other widths at the top and left, which are then cut off."""
        (height, width), border = images.shape[-2:], BLOCK - 1
        begins = torch.randint(BLOCK, (len(images), 2), generator=generator, device=images.device)
        begins[torch.rand(len(images), generator=generator, device=images.device) >= self.shift] = 0
        starts = list(zip(functional.pad(images, (border,) * 4, mode="replicate"), begins.tolist(), strict=True))
        wide = [image[:, border - row : 2 * border - row + height, border - left :] for image, (row, left) in starts]
        coded = compress(torch.stack([image[..., : border + width] for image in wide]), quality)
        parts = zip(coded, begins.tolist(), strict=True)
        return torch.stack([image[:, row : row + height, left : left + width] for image, (row, left) in parts])


def compress(images: Tensor, quality: Tensor) -> Tensor:
    """Return images (N, C, H, W), white at 1, as decoded JPEGs of `quality` (N,); the output is unclipped."""
    height, width = images.shape[-2:]
    images = functional.pad(images.clamp(0, 1), (0, -width % 16, 0, -height % 16), mode="replicate") * 255 - 128
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    luma, chroma = (_table(name, scale) for name in ("luma", "chroma"))
    if images.shape[1] != 3:
        coded = _quantize(images, luma)
    else:
        to_ycc = _ycc(images)
        ycc = torch.einsum("ij,njhw->nihw", to_ycc, images)
        small = _quantize(functional.avg_pool2d(ycc[:, 1:], 2), chroma)
        large = functional.interpolate(small, scale_factor=2.0, mode="bilinear")
        ycc = torch.cat([_quantize(ycc[:, :1], luma), large], dim=1)
        coded = torch.einsum("ij,njhw->nihw", torch.linalg.inv(to_ycc), ycc)
    return ((coded + 128) / 255)[..., :height, :width]


def _quantize(planes: Tensor, table: Tensor) -> Tensor:
    """Round the cosine coefficients of 8x8 blocks of planes (N, C, H, W) to multiples of a table (N, 8, 8)."""
    count, channels, height, width = planes.shape
    cosines = _cosines(planes.device).to(planes.dtype)
    blocks = planes.reshape(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    steps = table[:, None, None, None]
    quantized = (cosines @ blocks @ cosines.T / steps).round_() * steps
    return (cosines.T @ quantized @ cosines).transpose(3, 4).reshape(count, channels, height, width)


def _table(name: str, scale: Tensor) -> Tensor:
    values = [float(step) for step in {"luma": LUMA_TABLE, "chroma": CHROMA_TABLE}[name].split()]
    steps = torch.tensor(values, dtype=scale.dtype, device=scale.device).view(1, 8, 8) * scale.view(-1, 1, 1)
    return steps.round().clamp(1, 255)


@functools.cache
def _cosines(device: torch.device) -> Tensor:
    """Return the orthonormal cosine transform (8, 8): coefficients = cosines @ samples."""
    order, position = torch.arange(8.0, device=device).view(8, 1), torch.arange(8.0, device=device)
    cosines = torch.cos(math.pi * order * (2 * position + 1) / 16) / 2
    cosines[0] /= math.sqrt(2)
    return cosines


def _ycc(like: Tensor) -> Tensor:
    """Return the matrix from RGB to YCbCr without its offset (JFIF 1.02)."""
    rows = [list(LUMA), [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    return torch.tensor(rows, dtype=like.dtype, device=like.device)
