"""Camera noise: shot and read noise on the raw sensor, then demosaiced, developed and saved as JPEG."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pellucid.noise.correlated import smeared
from pellucid.noise.jpeg import compressed
from pellucid.noise.options import deviation, drawn, per_sample, range_between

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
GAMMA = 2.2
DARKEST = 1e-4


@dataclass(frozen=True)
class Camera:
    """What a camera's own noise looks like in the picture that it saves (after Brooks et al., CVPR 2019).

    The image is unprocessed: tone curve, gamma and white balance are undone, which gives linear light x. The sensor's
    noise there has the variance `shot * x + read`. Signal with noise and signal alone are both mosaiced (RGGB),
    demosaiced by averaging neighbours, and processed again; their difference is the noise, now correlated from pixel to
    pixel and between channels, stronger in the shadows, and added to the image, so that the image itself keeps the
    sharpness it had. Cameras smooth colour noise much further than brightness: its chroma is blurred and weakened. JPEG
    comes last, as what it makes of the noisy image less what it makes of the clean one: the mean of many such
    photographs, which real noise is measured against, has the blocks of its JPEG too. Images of other than three
    channels have neither mosaic nor chroma.

    Attributes:
        shot: variance of the shot noise at full light, or (low, high): then each sample's logarithm is drawn uniformly.
        read: the read noise's standard deviation in linear light, or (low, high), drawn likewise.
        red: the white balance's gain of red, or (low, high), drawn uniformly; green has 1.
        blue: the gain of blue, likewise.
        blur: the standard deviation in pixels of the camera's own smoothing of the noise, or (low, high).
        chroma_blur: the same of the chroma, with a kernel of norm 1, which keeps the deviation of white noise.
        chroma: what the chroma's noise is multiplied by then, or (low, high), drawn uniformly.
        quality: of the JPEG, 1 to 100, or (low, high).

    The level is the RMS deviation measured, one a sample.
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
        limits = {
            "shot": (1e-8, 1, "give the variance at full light, such as 0.001"),
            "read": (1e-8, 1, "give the standard deviation in linear light, such as 0.005"),
            "red": (0.1, 10, "give a gain such as 2"),
            "blue": (0.1, 10, "give a gain such as 1.7"),
            "blur": (0, 4, "give a standard deviation in pixels"),
            "chroma_blur": (0, 8, "give a standard deviation in pixels"),
            "chroma": (0, 4, "give a factor such as 0.5"),
            "quality": (1, 100, "give libjpeg's quality"),
        }
        for name, (low, high, remedy) in limits.items():
            object.__setattr__(self, name, range_between(name, getattr(self, name), low, high, remedy))

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS deviation (N,)."""
        wide = clean.to(torch.promote_types(clean.dtype, torch.float32))
        gains = self._gains(wide, generator)
        shot, read = drawn(self.shot, wide, generator, log=True), drawn(self.read, wide, generator, log=True)
        light = unprocessed(wide) / gains
        spread = (light * per_sample(shot) + per_sample(read).square()).sqrt()
        noise = torch.randn(wide.shape, generator=generator, dtype=wide.dtype, device=wide.device).mul_(spread)
        if wide.shape[1] == 3:
            sensed = demosaiced(torch.cat([light, noise]))
            light, noise = sensed[: len(wide)], sensed[len(wide) :]
        noise = _smoothed(noise, drawn(self.blur, wide, generator))
        added = processed((light + noise) * gains) - processed(light * gains)
        if wide.shape[1] == 3:
            added = self._chroma_smoothed(added, generator)
        coded = compressed(torch.cat([wide + added, wide]), drawn(self.quality, wide, generator).repeat(2))
        noisy = wide + coded[: len(wide)] - coded[len(wide) :]
        return noisy.to(clean.dtype), deviation(noisy, wide).to(clean.dtype)

    def _chroma_smoothed(self, noise: Tensor, generator: torch.Generator) -> Tensor:
        """Blur and weaken the chroma of noise (N, 3, H, W)."""
        blur, factor = drawn(self.chroma_blur, noise, generator), drawn(self.chroma, noise, generator)
        luma = torch.einsum("c,nchw->nhw", torch.tensor(LUMA).to(noise), noise)[:, None]
        reach = math.ceil(3 * (self.chroma_blur[1] if isinstance(self.chroma_blur, tuple) else self.chroma_blur))
        chroma = functional.pad(noise - luma, (reach,) * 4, mode="replicate")
        return luma + per_sample(factor) * smeared(chroma, blur, reach)

    def _gains(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """Return the white balance's gains, (N, 3, 1, 1), or (N, 1, 1, 1) of ones for images without colours."""
        red, blue = drawn(self.red, like, generator), drawn(self.blue, like, generator)
        if like.shape[1] != 3:
            return per_sample(torch.ones_like(red))
        return torch.stack([red, torch.ones_like(red), blue], dim=1)[..., None, None]


def unprocessed(images: Tensor) -> Tensor:
    """Return the linear light of images: the tone curve `processed` and gamma undone; values are limited to [0, 1]."""
    images = images.clamp(0, 1)
    linear = 0.5 - torch.sin(torch.asin(1 - 2 * images) / 3)
    return linear.clamp(min=DARKEST).pow(GAMMA)


def processed(light: Tensor) -> Tensor:
    """Return images of linear light: gamma 1 / 2.2, then the smooth step 3 x² - 2 x³ (Brooks et al., section 3)."""
    images = light.clamp(DARKEST**GAMMA, 1).pow(1 / GAMMA)
    return images.square() * (3 - 2 * images)


def demosaiced(images: Tensor) -> Tensor:
    """Keep of each pixel (N, 3, H, W) the colour that an RGGB mosaic has there, and fill in the means of neighbours."""
    height, width = images.shape[-2:]
    mask = torch.zeros(3, 1, height, width, dtype=images.dtype, device=images.device)
    mask[0, :, ::2, ::2] = mask[1, :, ::2, 1::2] = mask[1, :, 1::2, ::2] = mask[2, :, 1::2, 1::2] = 1
    side = torch.tensor([0.5, 1.0, 0.5], dtype=images.dtype, device=images.device)
    kernel = (side[:, None] * side).repeat(3, 1, 1, 1)
    kernel[1, 0, ::2, ::2] = 0  # green has four nearer neighbours than the diagonal ones
    kept = images * mask[:, 0]
    filled = functional.conv2d(kept, kernel, padding=1, groups=3)
    weight = functional.conv2d(mask.view(1, 3, height, width), kernel, padding=1, groups=3)
    return filled / weight.clamp(min=1e-6)


def _smoothed(noise: Tensor, blur: Tensor) -> Tensor:
    """Blur noise (N, C, H, W) by a 3x3 Gaussian kernel of each sample's standard deviation in pixels (N,)."""
    count, channels, height, width = noise.shape
    beside = torch.exp(-0.5 / blur.clamp(min=0.05).square())
    side = torch.stack([beside, torch.ones_like(beside), beside], dim=1) / (1 + 2 * beside)[:, None]
    kernel = (side[:, :, None] * side[:, None]).repeat_interleave(channels, 0)[:, None]
    planes = functional.pad(noise, (1, 1, 1, 1), mode="replicate").view(1, count * channels, height + 2, width + 2)
    return functional.conv2d(planes, kernel, groups=count * channels).view_as(noise)
