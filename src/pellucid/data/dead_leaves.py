"""Synthetic leaves that cover each other: generated edges and textures of all sizes, free of rights."""

from dataclasses import dataclass

import numpy as np

from pellucid.data.base import DatasetInfo, ImageSet, check_minima, check_test_fraction, split_indices

OVERSAMPLE = 2
MIN_RADIUS = 1.5  # in pixels of the finished image
PLAIN_PROBABILITY = 0.4  # of a leaf without a texture


@dataclass(frozen=True)
class DeadLeaves:
    """Discs, ellipses and polygons with radii of density r**-3, each covering those before it.

    The model of natural images of Lee, Mumford and Huang (2001), with which denoisers can be trained (Achddou et al.,
    2021). Leaves have a color, a brightness gradient, and most of them a texture. Images depend on the seed and their
    number alone.

    Attributes:
        num_images: how many, both splits together.
        size: the side of the square images in pixels.
        seed: of all randomness.
        test_fraction: the fraction of images in the test split.
    """

    num_images: int = 200
    size: int = 128
    seed: int = 0
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        """Check the options."""
        check_test_fraction(self.test_fraction)
        check_minima(self, {"num_images": 1, "size": 8})

    def available(self) -> bool:
        """Return True: nothing is read."""
        return True

    def describe(self, split: str) -> DatasetInfo:
        """Return the shape and the number of the images."""
        return DatasetInfo(3, self.size, self.size, len(self._numbers(split)))

    def load(self, split: str) -> ImageSet:
        """Generate the images of the `train` or `test` split, (N, 3, size, size)."""
        numbers = self._numbers(split)
        images = np.empty((len(numbers), 3, self.size, self.size), np.uint8)
        for image, number in zip(images, numbers, strict=True):
            image[:] = dead_leaves(np.random.default_rng((self.seed, int(number))), self.size)
        return ImageSet(images)

    def _numbers(self, split: str) -> np.ndarray:
        return split_indices(self.num_images, self.test_fraction, self.seed, split)


def dead_leaves(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return one image, uint8 (3, size, size)."""
    side = size * OVERSAMPLE
    labels, count = _leaves(rng, side)
    image = _color_leaves(rng, labels, count)
    blocks = image.reshape(size, OVERSAMPLE, size, OVERSAMPLE, 3).mean((1, 3))
    return np.round(np.clip(blocks, 0, 1) * 255).astype(np.uint8).transpose(2, 0, 1)


def _leaves(rng: np.random.Generator, side: int) -> tuple[np.ndarray, int]:
    """Return which leaf is on top at each pixel, (side, side), and how many there are."""
    from PIL import Image, ImageDraw

    count = int(np.exp(rng.uniform(np.log(60), np.log(800))))
    canvas = Image.new("I", (side, side), 0)
    draw = ImageDraw.Draw(canvas)
    minimum, maximum = MIN_RADIUS * OVERSAMPLE, side * rng.uniform(0.2, 0.6)
    # The inverse of the cumulative distribution of r**-3 between the bounds.
    quantiles = rng.random(count)
    radii = 1 / np.sqrt(quantiles / maximum**2 + (1 - quantiles) / minimum**2)
    # The few large leaves would cover many small ones, so half of them come first, the largest at the bottom.
    radii[: count // 2] = -np.sort(-radii[: count // 2])
    for number, radius in enumerate(radii, 1):
        x, y = rng.uniform(-0.1 * side, 1.1 * side, 2)
        corners = int(rng.integers(0, 7))
        if corners < 3:
            long = radius * rng.uniform(1, 1.8)
            width, height = (radius, long) if rng.random() < 0.5 else (long, radius)
            draw.ellipse((x - width, y - height, x + width, y + height), fill=number)
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
            points = np.stack([x + 1.4 * radius * np.cos(angles), y + 1.4 * radius * np.sin(angles)], 1)
            draw.polygon([tuple(point) for point in points.tolist()], fill=number)
    return np.asarray(canvas), count + 1


def _color_leaves(rng: np.random.Generator, labels: np.ndarray, count: int) -> np.ndarray:
    """Return the image (H, W, 3), float32 around [0, 1], of the leaves' labels (H, W)."""
    side = len(labels)
    palette = rng.uniform(0, 1, 3)
    gray = rng.uniform(0, 1, (count, 1))
    tint = 0.35 * (rng.random((count, 3)) - 0.5) + 0.2 * (palette - 0.5)
    base = (gray + tint * rng.uniform(0.2, 1)).astype(np.float32)
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    slopes = rng.normal(0, 0.25, (2, count)).astype(np.float32)
    shade = rows * slopes[0][labels] + columns * slopes[1][labels]
    strength = (np.exp(rng.normal(-3, 0.8, count)) * (rng.random(count) > PLAIN_PROBABILITY)).astype(np.float32)
    textures = np.stack([_texture(rng, side) for _ in range(4)])
    kind = rng.integers(0, len(textures), count)[labels]
    shade += strength[labels] * np.take_along_axis(textures, kind[None], 0)[0]
    return base[labels] + shade[..., None]


def _texture(rng: np.random.Generator, side: int) -> np.ndarray:
    """Return noise (side, side) with standard deviation 1 and a power-law spectrum, or stripes with some of it."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = np.inf
    white = np.fft.rfft2(rng.standard_normal((side, side)).astype(np.float32))
    noise = np.fft.irfft2(white * frequency ** -rng.uniform(0.3, 1.3), (side, side))
    noise /= noise.std()
    if rng.random() < 0.3:
        angle, period = rng.uniform(0, np.pi), OVERSAMPLE * np.exp(rng.uniform(np.log(2.5), np.log(24)))
        rows, columns = np.mgrid[:side, :side]
        phase = (rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / period
        noise = 0.4 * noise + 1.3 * np.sin(phase + 0.5 * noise)
    return noise.astype(np.float32)
