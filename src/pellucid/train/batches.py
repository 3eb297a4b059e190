"""Images with their noise: the training, validation and test sets of a recipe, and seeded batches of them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from pellucid.data import ImageSet
from pellucid.errors import UsageError
from pellucid.noise import corrupt
from pellucid.noise.options import rms_difference
from pellucid.objectives.batch import TrainingBatch
from pellucid.recipes.recipe import Recipe
from pellucid.train.augmentation import Augmentation, to_gray
from pellucid.utils.device import to_device
from pellucid.utils.seeding import make_generator

CHUNK_IMAGES = 4096
CPU = torch.device("cpu")


@dataclass(frozen=True)
class NoisyImages:
    """A set of images and their noise; the base of the four kinds.

    Attributes:
        clean: (N, C, H, W), uint8, uint16 or floats, the training target; noisy images where there are no others.
        labels: (N,) class numbers, or None.
        classes: the name of each class number, if the dataset has names.
        data_range: the value that becomes 1.
        augmentation: changes the images of every batch, before any synthetic noise; None leaves them as they are.
        sigmas: (N,), the noise level of each noisy image in [0, 1] units; None if it is unknown or changes.
    """

    clean: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    data_range: float = 255.0
    augmentation: Augmentation | None = None
    sigmas: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.clean)

    @property
    def has_sigmas(self) -> bool:
        """Whether batches come with their noise level."""
        return self.sigmas is not None

    @property
    def mean_sigma(self) -> float | None:
        """The mean of `sigmas`, or None."""
        return None if self.sigmas is None else float(self.sigmas.mean())

    @property
    def input_range(self) -> dict[str, Any]:
        """The `dtype` and `data_range` that a network's input spec records; nothing for 8 bits up to 255."""
        dtype = str(self.clean.dtype).removeprefix("torch.")
        return {} if (dtype, self.data_range) == ("uint8", 255) else {"dtype": dtype, "data_range": self.data_range}

    def with_fixed_noise(self, seed: int, split: str) -> "NoisyImages":
        """Return the set with synthetic noise made once for all, from the seed and the name of the split."""
        return self

    def in_bf16(self) -> "NoisyImages":
        """Return the set with its fixed noisy images in bfloat16: half the memory, and half of it read at every step.

        Under bfloat16 autocast a network rounds its input so in any case.
        """
        return self

    def as_batch(self) -> TrainingBatch:
        """Return all images, unaugmented, as one batch; synthetic noise must be fixed."""
        clean = self._to_unit_range(self.clean)
        return TrainingBatch(clean, self._all_noisy(clean), self.sigmas, self.labels)

    def batch(self, index: Tensor, generator: Generator) -> TrainingBatch:
        """Return the images at `index` (B,), which may be empty, as float32 in [0, 1], with their noise.

        The batch and its noise are made on the generator's device; images are augmented on the CPU.
        """
        # index_select copies whole images, in a fifth of the time that indexing takes, or less.
        images = self.clean.index_select(0, index)
        labels = _select(self.labels, index, generator.device)
        if len(index):
            clean, noisy, sigma = self._add_noise(images, index, generator)
        else:
            clean = noisy = self._to_unit_range(images, generator.device)
            sigma = _select(self.sigmas, index, generator.device)
        return TrainingBatch(clean, noisy, sigma, labels, generator)

    def _all_noisy(self, clean: Tensor) -> Tensor:
        """Return all noisy images in [0, 1] units; `clean` are all images in these units."""
        return clean

    def _add_noise(self, images: Tensor, index: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return clean images, noisy images and noise levels of a batch of `images` (B, C, H, W) from `index` (B,)."""
        raise NotImplementedError

    def _to_unit_range(self, images: Tensor, device: torch.device = CPU) -> Tensor:
        """Return images as floats on a device, with black and white at 0 and 1."""
        images = to_device(images, device)
        if images.is_floating_point():
            return images if self.data_range == 1 else images / self.data_range
        return images.float().div_(self.data_range)


@dataclass(frozen=True)
class SyntheticNoise(NoisyImages):
    """Clean images to which a noise model adds noise: fresh in every batch, or fixed.

    Attributes:
        noise: the noise model; None leaves the images clean.
        clip: whether the noisy images are clipped to [0, 1].
        fixed_noisy: (N, C, H, W), noisy images in [0, 1] units that were made once; None for fresh noise.
    """

    noise: Any = None
    clip: bool = True
    fixed_noisy: Tensor | None = None

    @property
    def has_sigmas(self) -> bool:
        """Whether batches come with their noise level."""
        return self.noise is not None

    def with_fixed_noise(self, seed: int, split: str) -> "SyntheticNoise":
        """Return the set with its noise made once for all, from the seed and the name of the split."""
        if self.noise is None:
            return self
        noisy, sigmas = self.make_fixed_noise(seed, split)
        return dataclasses.replace(self, fixed_noisy=noisy, sigmas=sigmas)

    def make_fixed_noise(self, seed: int, split: str) -> tuple[Tensor, Tensor]:
        """Return noisy images (N, C, H, W) in [0, 1] units and their noise levels (N,)."""
        generator = make_generator(seed, "fixed noise", split)
        chunks = [self._corrupt(self._to_unit_range(chunk), generator) for chunk in self.clean.split(CHUNK_IMAGES)]
        noisy, sigmas = zip(*chunks, strict=True)
        return torch.cat(noisy), torch.cat(sigmas)

    def in_bf16(self) -> "SyntheticNoise":
        """Return the set with its fixed noisy images in bfloat16."""
        if self.fixed_noisy is None:
            return self
        return dataclasses.replace(self, fixed_noisy=self.fixed_noisy.bfloat16())

    def _all_noisy(self, clean: Tensor) -> Tensor:
        return clean if self.fixed_noisy is None else self.fixed_noisy

    def _add_noise(self, images: Tensor, index: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor | None]:
        if self.augmentation is not None:
            return self._add_noise_to_augmented(self.augmentation, images, generator)
        clean = self._to_unit_range(images, generator.device)
        if self.noise is None:
            return clean, clean, None
        if self.fixed_noisy is not None:
            noisy = to_device(self.fixed_noisy.index_select(0, index), generator.device)
            return clean, noisy, _select(self.sigmas, index, generator.device)
        return clean, *self._corrupt(clean, generator)

    def _add_noise_to_augmented(
        self, augmentation: Augmentation, images: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Augment images (B, C, H, W) and add noise; the first of them become gray, each with gray noise."""
        clean = self._to_unit_range(augmentation(images, generator), generator.device)
        count, channels = augmentation.num_gray(len(clean)), clean.shape[1]
        parts = [to_gray(clean[:count]), clean[count:]] if count else [clean]
        clean = _join(parts, channels)
        if self.noise is None:
            return clean, clean, None
        noisy, sigmas = zip(*(self._corrupt(part, generator) for part in parts), strict=True)
        return clean, _join(noisy, channels), torch.cat(sigmas)

    def _corrupt(self, clean: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        return corrupt(self.noise, clean, generator, self.clip)


@dataclass(frozen=True)
class NoisyOnly(NoisyImages):
    """Noisy images without clean ones: `clean` holds them, and batches have them as target and as input."""

    def _add_noise(self, images: Tensor, index: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor | None]:
        count = 0
        if self.augmentation is not None:
            images = self.augmentation(images, generator)
            count = self.augmentation.num_gray(len(images))
        noisy = _make_first_gray(self._to_unit_range(images, generator.device), count)
        return noisy, noisy, _select(self.sigmas, index, generator.device)


@dataclass(frozen=True)
class Pairs(NoisyImages):
    """Clean images, or second captures, each with a noisy image.

    Attributes:
        noisy: (N, C, H, W), in the dtype of `clean`.
    """

    noisy: Tensor = dataclasses.field(kw_only=True)

    def _all_noisy(self, clean: Tensor) -> Tensor:
        return self._to_unit_range(self.noisy)

    def _add_noise(self, images: Tensor, index: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor | None]:
        noisy_images, sigmas = self.noisy.index_select(0, index), _select(self.sigmas, index, generator.device)
        count = 0
        if self.augmentation is not None:
            both = self.augmentation(torch.cat([images, noisy_images], dim=1), generator)
            images, noisy_images = both.chunk(2, dim=1)
            count = self.augmentation.num_gray(len(both))
        clean, noisy = (self._to_unit_range(part, generator.device) for part in (images, noisy_images))
        gray, gray_noisy = _make_first_gray(clean, count), _make_first_gray(noisy, count)
        if sigmas is not None and gray is not clean:
            # How much of the noise luma keeps depends on how similar it is in the three channels.
            before, after = rms_difference(clean, noisy), rms_difference(gray, gray_noisy)
            sigmas = sigmas * (after / before).where(before > 0, 1)
        return gray, gray_noisy, sigmas


@dataclass(frozen=True)
class Concat(NoisyImages):
    """Pairs and clean images with synthetic noise in one set; a batch has the pairs first.

    Attributes:
        pairs: all images as pairs, of which those with `has_noisy` are used.
        synthetic: all images with synthetic noise, of which the others are used.
        has_noisy: bool (N,), which images have a noisy image of their own.
    """

    pairs: Pairs = dataclasses.field(kw_only=True)
    synthetic: SyntheticNoise = dataclasses.field(kw_only=True)
    has_noisy: Tensor = dataclasses.field(kw_only=True)

    @property
    def has_sigmas(self) -> bool:
        """Whether batches come with their noise level."""
        return True

    def with_fixed_noise(self, seed: int, split: str) -> SyntheticNoise:
        """Return the set with its noise made once for all, and the noisy images of the pairs in their place."""
        noisy, sigmas = self.synthetic.make_fixed_noise(seed, split)
        clean, own = (self._to_unit_range(images[self.has_noisy]) for images in (self.clean, self.pairs.noisy))
        noisy[self.has_noisy], sigmas[self.has_noisy] = own, rms_difference(clean, own)
        return dataclasses.replace(self.synthetic, fixed_noisy=noisy, sigmas=sigmas)

    def batch(self, index: Tensor, generator: Generator) -> TrainingBatch:
        """Return the images at `index` (B,), first those with a noisy image of their own, then the others."""
        has_noisy = self.has_noisy.index_select(0, index)
        parts = ((self.pairs, index[has_noisy]), (self.synthetic, index[~has_noisy]))
        batches = [images.batch(part, generator) for images, part in parts if len(part)]
        if not batches:
            return self.synthetic.batch(index, generator)
        sigmas = [rms_difference(part.clean, part.noisy) if part.sigma is None else part.sigma for part in batches]
        clean, noisy = torch.cat([part.clean for part in batches]), torch.cat([part.noisy for part in batches])
        labels = [part.label for part in batches if part.label is not None]
        return TrainingBatch(clean, noisy, torch.cat(sigmas), torch.cat(labels) if labels else None, generator)


def training_sets(recipe: Recipe) -> tuple[NoisyImages, NoisyImages]:
    """Load the training images of a recipe and its validation images, which the dataset has or which are split off.

    Validation noise is always fixed, so that epochs can be compared.

    Raises:
        PellucidError: if the data is missing or broken.
        UsageError: if there are too few images to split, or noise or augmentation do not suit them.
    """
    train_images, validation_images = _split(recipe)
    training = _make_noisy_images(recipe, train_images, _make_augmentation(recipe, train_images))
    if recipe.noise and not recipe.noise.fresh:
        training = training.with_fixed_noise(recipe.train.seed, "training")
    validation = _make_noisy_images(recipe, validation_images)
    return training, validation.with_fixed_noise(recipe.train.seed, "validation")


def fixed_training_set(recipe: Recipe, seed: int, rng_key: str, max_images: int = 0) -> NoisyImages:
    """Load the training images of a recipe, then its validation images, with fixed noise and without augmentation.

    Args:
        recipe: names the data and the noise.
        seed: the noise depends on the seed and `rng_key` alone.
        rng_key: what the images are used for.
        max_images: how many images are used, the first of the training split, which is shuffled; 0 uses all.
    """
    images = ImageSet.concatenate(_split(recipe)).select(slice(max_images or None))
    return _make_noisy_images(recipe, images).with_fixed_noise(seed, rng_key)


def test_set(recipe: Recipe, seed: int) -> NoisyImages:
    """Load the test images of a recipe with noise fixed by the seed, or with the noise that they have."""
    source = recipe.build("data").load("test")
    count = min(recipe.data.test_images or len(source), len(source))
    return _make_noisy_images(recipe, source.select(np.arange(count))).with_fixed_noise(seed, "test")


def _split(recipe: Recipe) -> tuple[ImageSet, ImageSet]:
    """Load the training and the validation images."""
    data = recipe.build("data")
    source = data.load("train")
    count = min(recipe.data.train_images or len(source), len(source))
    if getattr(data, "has_validation", False):
        return source.select(slice(count)), data.load("validation")
    order = np.random.default_rng(recipe.data.split_seed).permutation(count)
    held_out = max(1, round(count * recipe.data.validation))
    if count - held_out < 1:
        raise UsageError(f'recipe "{recipe.name}": {count} images are too few to train on: add images')
    return source.select(order[held_out:]), source.select(order[:held_out])


def _make_augmentation(recipe: Recipe, source: ImageSet) -> Augmentation | None:
    data = recipe.data
    if not (data.crop or data.augment or data.gray):
        return None
    if recipe.noise and not recipe.noise.fresh:
        raise UsageError(
            f'recipe "{recipe.name}": data.crop, augment and gray change the images at every step, which fixed noise '
            "cannot follow: set noise.fresh = true"
        )
    if data.gray and source.images.shape[1] not in (1, 3):
        raise UsageError(
            f'recipe "{recipe.name}": data.gray = {data.gray:g} makes red, green and blue gray, but the images have '
            f"{source.images.shape[1]} channels: set data.gray = 0"
        )
    if data.gray and source.is_noisy_only and source.sigmas is not None:
        raise UsageError(
            f'recipe "{recipe.name}": data.gray = {data.gray:g} changes the noise level of noisy images, by how much '
            "cannot be measured without a clean or a second image: set data.gray = 0"
        )
    return Augmentation(data.crop, data.augment, data.gray)


def _make_noisy_images(recipe: Recipe, source: ImageSet, augmentation: Augmentation | None = None) -> NoisyImages:
    """Return the images of a dataset with the recipe's noise, or with the noise that they have."""
    if recipe.noise and source.has_noisy is None and (source.noisy is not None or source.sigmas is not None):
        raise UsageError(
            f'recipe "{recipe.name}": the images of data "{recipe.data.name}" have noise of their own, to which that '
            "of [noise] would be added: remove the table [noise]"
        )
    if not recipe.noise and source.has_noisy is not None:
        raise UsageError(
            f'recipe "{recipe.name}": some images of data "{recipe.data.name}" have no noise of their own: add a table '
            '[noise], such as name = "document"'
        )
    shared: dict[str, Any] = {
        "clean": torch.from_numpy(source.images),
        "labels": _as_tensor(source.labels),
        "classes": source.classes or (),
        "data_range": source.data_range,
        "augmentation": augmentation,
    }
    synthetic = SyntheticNoise(**shared, noise=recipe.build("noise"), clip=not recipe.noise or recipe.noise.clip)
    if source.noisy is None:
        return synthetic
    sigmas = _as_tensor(source.sigmas)
    if source.is_noisy_only:
        return NoisyOnly(**shared, sigmas=sigmas)
    pairs = Pairs(**shared, sigmas=sigmas, noisy=torch.from_numpy(source.noisy))
    if source.has_noisy is None:
        return pairs
    return Concat(**shared, pairs=pairs, synthetic=synthetic, has_noisy=torch.from_numpy(source.has_noisy))


def _as_tensor(array: np.ndarray | None) -> Tensor | None:
    return None if array is None else torch.from_numpy(array)


def _select(values: Tensor | None, index: Tensor, device: torch.device) -> Tensor | None:
    return None if values is None else to_device(values.index_select(0, index), device)


def _join(parts: Sequence[Tensor], channels: int) -> Tensor:
    """Return images (B, C, H, W) or (B, 1, H, W) as one batch of C channels."""
    return torch.cat([part.expand(-1, channels, -1, -1) for part in parts])


def _make_first_gray(images: Tensor, count: int) -> Tensor:
    """Return images (B, C, H, W) with the first `count` gray; the same tensor where that changes nothing."""
    channels = images.shape[1]
    return _join([to_gray(images[:count]), images[count:]], channels) if count and channels == 3 else images
