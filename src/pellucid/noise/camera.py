"""Camera noise: shot and read noise on the raw sensor, then demosaiced, developed and saved as JPEG."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pellucid.image.color import LUMA
from pellucid.noise.jpeg import compress
from pellucid.noise.options import per_sample, sample_uniform, set_range, widen, with_measured_sigma
from pellucid.noise.random_fields import convolve_gaussian

GAMMA = 2.2
MIN_LIGHT = 1e-4
LIMITS = {
    "shot": (1e-8, 1, "give the variance at full light, such as 0.001"),
    "read": (1e-8, 1, "give the standard deviation in linear light, such as 0.005"),
    "red": (0.1, 10, "give a gain such as 2"),
    "blue": (0.1, 10, "give a gain such as 1.7"),
    "blur": (0, 4, "give a standard deviation in pixels"),
    "chroma_blur": (0, 8, "give a standard deviation in pixels"),
    "chroma": (0, 4, "give a factor such as 0.5"),
    "quality": (1, 100, "give libjpeg's quality"),
}


@dataclass(frozen=True)
class Camera:
    """The noise of a camera in the image that it saves (after Brooks et al., CVPR 2019).

    The image is unprocessed: tone curve, gamma and white balance are undone, which gives linear light x. The noise of
    the sensor has the variance `shot * x + read²` there. Signal with noise and signal alone are both mosaiced (RGGB),
    demosaiced by averaging neighbors, and processed again. Their difference is the noise, now correlated from pixel to
    pixel and between channels and stronger in the shadows. It is added to the image, whose sharpness stays.
    Cameras smooth color noise much more than brightness, so the chroma of the noise is blurred and weakened.

    JPEG comes last: the compressed noisy image less the compressed clean one. Real noise is measured against the mean
    of many photographs, which has the blocks of their JPEG too. Images without three channels have no mosaic and no
    chroma.

    Attributes:
        shot: variance of the shot noise at full light, or (low, high), sampled log-uniformly for each image.
        read: standard deviation of the read noise in linear light, or (low, high), sampled likewise.
        red: the gain of red in the white balance, or (low, high), sampled uniformly; green has 1.
        blue: the gain of blue, likewise.
        blur: the standard deviation in pixels by which the camera smooths the noise, or (low, high).
        chroma_blur: the same of the chroma, with a kernel of norm 1, which keeps the standard deviation of white noise.
        chroma: the factor of the chroma after that, or (low, high), sampled uniformly.
        quality: of the JPEG, 1 to 100, or (low, high).

    The noise level is the measured RMS difference of each image.
    """

    shot: float | tuple[float, float] = (5e-5, 1e-2)
    read: float | tuple[float, float] = (5e-4, 2e-2)
    red: float | tuple[float, float] = (1.5, 2.4)
    blue: float | tuple[float, float] = (1.4, 2.2)
    blur: float | tuple[float, float] = (0.3, 1.2)
    chroma_blur: float | tuple[float, float] = (1.0, 4.0)
    chroma: float | tuple[float, float] = (0.03, 0.3)
    quality: float | tuple[float, float] = (70.0, 98.0)

    def __post_init__(self) -> None:
        """Refuse noise that no sensor has, and gains that no white balance needs."""
        for name, (low, high, remedy) in LIMITS.items():
            set_range(self, name, low, high, remedy)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS difference (N,)."""
        wide = widen(clean)
        gains = self._gains(wide, generator)
        shot, read = (sample_uniform(value, wide, generator, log=True) for value in (self.shot, self.read))
        light = unprocess(wide) / gains
        std = (light * per_sample(shot) + per_sample(read).square()).sqrt()
        noise = torch.randn(wide.shape, generator=generator, dtype=wide.dtype, device=wide.device).mul_(std)
        if wide.shape[1] == 3:
            light, noise = demosaic(torch.cat([light, noise])).tensor_split(2)
        noise = _smooth(noise, sample_uniform(self.blur, wide, generator))
        added = process((light + noise) * gains) - process(light * gains)
        if wide.shape[1] == 3:
            added = self._smooth_chroma(added, generator)
        quality = sample_uniform(self.quality, wide, generator)
        noisy, reference = compress(torch.cat([wide + added, wide]), quality.repeat(2)).tensor_split(2)
        return with_measured_sigma(wide + noisy - reference, wide, clean.dtype)

    def _smooth_chroma(self, noise: Tensor, generator: torch.Generator) -> Tensor:
        """Blur and weaken the chroma of noise (N, 3, H, W)."""
        blur, factor = sample_uniform(self.chroma_blur, noise, generator), sample_uniform(self.chroma, noise, generator)
        weights = torch.tensor(LUMA, device=noise.device).to(noise.dtype)
        luma = torch.einsum("c,nchw->nhw", weights, noise)[:, None]
        radius = math.ceil(3 * (self.chroma_blur[1] if isinstance(self.chroma_blur, tuple) else self.chroma_blur))
        chroma = functional.pad(noise - luma, (radius,) * 4, mode="replicate")
        return luma + per_sample(factor) * convolve_gaussian(chroma, blur, radius, keep="std")

    def _gains(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """Return the gains of the white balance, (N, 3, 1, 1), or (N, 1, 1, 1) of ones for images without color."""
        red, blue = sample_uniform(self.red, like, generator), sample_uniform(self.blue, like, generator)
        if like.shape[1] != 3:
            return per_sample(torch.ones_like(red))
        return torch.stack([red, torch.ones_like(red), blue], dim=1)[..., None, None]


def unprocess(images: Tensor) -> Tensor:
    """Return the linear light of images: the tone curve of `process` and gamma undone; values are limited to [0, 1]."""
    images = images.clamp(0, 1)
    linear = 0.5 - torch.sin(torch.asin(1 - 2 * images) / 3)
    return linear.clamp(min=MIN_LIGHT).pow(GAMMA)


def process(light: Tensor) -> Tensor:
    """Turn linear light into display values as a camera does: y = x^(1/2.2), then the tone curve 3 y² - 2 y³.

    Values of any shape, limited to [0, 1] (Brooks et al. 2019, "Unprocessing Images for Learned Raw Denoising",
    section 3).
    """
    images = light.clamp(MIN_LIGHT**GAMMA, 1).pow(1 / GAMMA)
    return images.square() * (3 - 2 * images)


def demosaic(images: Tensor) -> Tensor:
    """Keep of each pixel (N, 3, H, W) the color that an RGGB mosaic has there, and fill in the means of neighbors."""
    height, width = images.shape[-2:]
    mask = torch.zeros(3, 1, height, width, dtype=images.dtype, device=images.device)
    mask[0, :, ::2, ::2] = mask[1, :, ::2, 1::2] = mask[1, :, 1::2, ::2] = mask[2, :, 1::2, 1::2] = 1
    side = torch.tensor([0.5, 1.0, 0.5], dtype=images.dtype, device=images.device)
    kernel = (side[:, None] * side).repeat(3, 1, 1, 1)
    kernel[1, 0, ::2, ::2] = 0  # green has four nearer neighbors than the diagonal ones
    kept = images * mask[:, 0]
    filled = functional.conv2d(kept, kernel, padding=1, groups=3)
    weight = functional.conv2d(mask.view(1, 3, height, width), kernel, padding=1, groups=3)
    return filled / weight.clamp(min=1e-6)


def _smooth(noise: Tensor, blur: Tensor) -> Tensor:
    """Blur noise (N, C, H, W) by a 3x3 Gaussian kernel of each sample's standard deviation in pixels (N,)."""
    count, channels, height, width = noise.shape
    beside = torch.exp(-0.5 / blur.clamp(min=0.05).square())
    side = torch.stack([beside, torch.ones_like(beside), beside], dim=1) / (1 + 2 * beside)[:, None]
    kernel = (side[:, :, None] * side[:, None]).repeat_interleave(channels, 0)[:, None]
    planes = functional.pad(noise, (1, 1, 1, 1), mode="replicate").view(1, count * channels, height + 2, width + 2)
    return functional.conv2d(planes, kernel, groups=count * channels).view_as(noise)
