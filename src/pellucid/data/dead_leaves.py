"""Synthetic leaves that cover each other: edges and textures of all sizes, made on the fly, free of rights."""

from dataclasses import dataclass

import numpy as np

from pellucid.data.image_set import Images, check_split, check_test_fraction, split_indices

OVERSAMPLE = 2
LEAST_RADIUS = 1.5  # in pixels of the finished image
PLAIN = 0.4  # the share of leaves without a texture


@dataclass(frozen=True)
class DeadLeaves:
    """Discs, ellipses and polygons with radii of density r**-3, each covering those before it.

    The model of natural images of Lee, Mumford and Huang (2001), with which denoisers can be trained (Achddou et al.,
    2021). Leaves have a colour, a slope of brightness, and most of them a texture. Each image depends on the seed and
    its own number alone.

    Attributes:
        num_images: how many, both splits together.
        size: the side of the square images in pixels.
        seed: of all chance.
        test_fraction: the share of images in the test split.
    """

    num_images: int = 200
    size: int = 128
    seed: int = 0
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        """Check the options."""
        check_test_fraction(self.test_fraction)
        if self.num_images < 1:
            raise ValueError(f"num_images is {self.num_images}: give 1 or more")
        if self.size < 8:
            raise ValueError(f"size is {self.size}: give a side of 8 pixels or more")

    def available(self) -> bool:
        """Return True: nothing is read."""
        return True

    def load(self, split: str) -> Images:
        """Make the images of the `train` or `test` split, (N, 3, size, size)."""
        check_split(split)
        chosen = split_indices(self.num_images, self.test_fraction, self.seed, split)
        images = np.empty((len(chosen), 3, self.size, self.size), np.uint8)
        for place, number in enumerate(chosen):
            images[place] = dead_leaves(np.random.default_rng((self.seed, int(number))), self.size)
        return Images(images)


def dead_leaves(random: np.random.Generator, size: int) -> np.ndarray:
    """Return one image, uint8 (3, size, size)."""
    side = size * OVERSAMPLE
    labels, count = _leaves(random, side)
    image = _colours(random, labels, count)
    blocks = image.reshape(size, OVERSAMPLE, size, OVERSAMPLE, 3).mean((1, 3))
    return np.round(np.clip(blocks, 0, 1) * 255).astype(np.uint8).transpose(2, 0, 1)


def _leaves(random: np.random.Generator, side: int) -> tuple[np.ndarray, int]:
    """Return which leaf is on top at each pixel, (side, side), and how many there are."""
    from PIL import Image, ImageDraw

    count = int(np.exp(random.uniform(np.log(60), np.log(800))))
    canvas = Image.new("I", (side, side), 0)
    draw = ImageDraw.Draw(canvas)
    least, most = LEAST_RADIUS * OVERSAMPLE, side * random.uniform(0.2, 0.6)
    # The inverse of the cumulative distribution of r**-3 between the bounds.
    share = random.random(count)
    radii = 1 / np.sqrt(share / most**2 + (1 - share) / least**2)
    # Many small leaves would be lost under the few large ones, so half of them fall first, in order of size.
    radii[: count // 2] = -np.sort(-radii[: count // 2])
    for number, radius in enumerate(radii, 1):
        x, y = random.uniform(-0.1 * side, 1.1 * side, 2)
        corners = int(random.integers(0, 7))
        if corners < 3:
            long = radius * random.uniform(1, 1.8)
            wide, tall = (radius, long) if random.random() < 0.5 else (long, radius)
            draw.ellipse((x - wide, y - tall, x + wide, y + tall), fill=number)
        else:
            angles = np.sort(random.uniform(0, 2 * np.pi, corners))
            points = np.stack([x + 1.4 * radius * np.cos(angles), y + 1.4 * radius * np.sin(angles)], 1)
            draw.polygon([tuple(point) for point in points.tolist()], fill=number)
    return np.asarray(canvas), count + 1


def _colours(random: np.random.Generator, labels: np.ndarray, count: int) -> np.ndarray:
    """Return the image (H, W, 3), float32 around [0, 1], of the leaves' labels (H, W)."""
    side = len(labels)
    mood = random.uniform(0, 1, 3)
    gray = random.uniform(0, 1, (count, 1))
    tint = 0.35 * (random.random((count, 3)) - 0.5) + 0.2 * (mood - 0.5)
    base = (gray + tint * random.uniform(0.2, 1)).astype(np.float32)
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    slopes = random.normal(0, 0.25, (2, count)).astype(np.float32)
    shade = rows * slopes[0][labels] + columns * slopes[1][labels]
    strength = (np.exp(random.normal(-3, 0.8, count)) * (random.random(count) > PLAIN)).astype(np.float32)
    textures = np.stack([_texture(random, side) for _ in range(4)])
    kind = random.integers(0, len(textures), count)[labels]
    shade += strength[labels] * np.take_along_axis(textures, kind[None], 0)[0]
    return base[labels] + shade[..., None]


def _texture(random: np.random.Generator, side: int) -> np.ndarray:
    """Return noise (side, side) of deviation 1 whose spectrum falls off like a power, or stripes with some of it."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = np.inf
    white = np.fft.rfft2(random.standard_normal((side, side)).astype(np.float32))
    noise = np.fft.irfft2(white * frequency ** -random.uniform(0.3, 1.3), (side, side))
    noise /= noise.std()
    if random.random() < 0.3:
        angle, period = random.uniform(0, np.pi), OVERSAMPLE * np.exp(random.uniform(np.log(2.5), np.log(24)))
        rows, columns = np.mgrid[:side, :side]
        phase = (rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / period
        noise = 0.4 * noise + 1.3 * np.sin(phase + 0.5 * noise)
    return noise.astype(np.float32)
