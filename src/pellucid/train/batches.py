"""Images with their noise: the training, validation and test parts of a recipe's data, and seeded batches of them."""

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pellucid.data import Images
from pellucid.errors import UsageError
from pellucid.noise import corrupt
from pellucid.objectives.batch import TrainingBatch
from pellucid.recipes.recipe import Recipe
from pellucid.train.augmentation import Variation, to_gray
from pellucid.utils.seeding import make_generator

CHUNK = 4096


@dataclass(frozen=True)
class NoisyImages:
    """A set of images and what makes them noisy.

    Attributes:
        clean: (N, C, H, W), uint8, uint16 or floats, what is learnt towards; noisy ones if there are no others.
        labels: (N,) class numbers, or None.
        noise: a noise model, or None for clean input and for noisy takes that are given.
        clip: whether the noisy images are cut to [0, 1].
        fixed: the noisy images and their levels, drawn once; None where the noise is fresh for every batch.
        classes: the name of each class number, if the data set has names.
        variation: how images are changed anew for every batch, before the noise; None leaves them.
        given: a noisy take of each image, of the shape and dtype of `clean`, or `clean` itself; or None.
        levels: (N,), the noise level of each given take in [0, 1] units; or None.
        white: the value that becomes 1.
        taken: (N,), which images have a given take, where `noise` makes the others' noisy; or None.
    """

    clean: Tensor
    labels: Tensor | None
    noise: Any = None
    clip: bool = True
    fixed: tuple[Tensor, Tensor] | None = None
    classes: tuple[str, ...] = ()
    variation: Variation | None = None
    given: Tensor | None = None
    levels: Tensor | None = None
    white: float = 255.0
    taken: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.clean)

    @property
    def is_noisy_alone(self) -> bool:
        """Whether there are noisy images and nothing beside them."""
        return self.given is self.clean

    @property
    def knows_levels(self) -> bool:
        """Whether batches come with their noise level."""
        return self.noise is not None or self.levels is not None

    @property
    def told_range(self) -> dict[str, Any]:
        """The `dtype` and the `white` that a network is to keep in mind; nothing for 8 bits with white at 255."""
        dtype = str(self.clean.dtype).removeprefix("torch.")
        return {} if (dtype, self.white) == ("uint8", 255) else {"dtype": dtype, "white": self.white}

    @property
    def mean_level(self) -> float | None:
        """The mean level, in [0, 1] units, of the noise that was drawn once or given; None if it is not known."""
        levels = self.fixed[1] if self.fixed is not None else self.levels
        return None if levels is None else float(levels.mean())

    def with_fixed_noise(self, seed: int, part: str) -> "NoisyImages":
        """Return the set with its noise drawn once, from the seed and the name of the part."""
        if self.noise is None:
            return self
        drawn = make_generator(seed, "fixed noise", part)
        noisy, levels = [], []
        for chunk in self.clean.split(CHUNK):
            image, level = corrupt(self.noise, self._unit(chunk), drawn, self.clip)
            noisy.append(image)
            levels.append(level)
        image, level = torch.cat(noisy), torch.cat(levels)
        if self.taken is not None and self.given is not None:
            image[self.taken] = self._unit(self.given[self.taken])
            level[self.taken] = _distance(self._unit(self.clean[self.taken]), image[self.taken])
        return replace(self, fixed=(image, level))

    def in_bf16(self) -> "NoisyImages":
        """Return the set with its fixed noisy images in bfloat16: half the memory, and half of it read at every step.

        Under bfloat16 autocast a network rounds its input so in any case.
        """
        if self.fixed is None:
            return self
        return dataclasses.replace(self, fixed=(self.fixed[0].bfloat16(), self.fixed[1]))

    def whole(self) -> TrainingBatch:
        """Return all images as they are, with the noise that was drawn once or given, as one batch."""
        clean = self._unit(self.clean)
        noisy, levels = clean, self.levels
        if self.fixed is not None:
            noisy, levels = self.fixed
        elif self.given is not None and not self.is_noisy_alone:
            noisy = self._unit(self.given)
        return TrainingBatch(clean, noisy, levels, self.labels)

    def batch(self, index: Tensor, drawn: torch.Generator) -> TrainingBatch:
        """Return the images at `index` (B,), none at all allowed, as float32 in [0, 1], with their noise."""
        if self.taken is not None and self.fixed is None and len(index):
            return self._mixed_batch(index, drawn, self.taken.index_select(0, index))
        # index_select copies whole images, and takes a fifth of the time that indexing takes, or less.
        images = self.clean.index_select(0, index)
        labels = None if self.labels is None else self.labels.index_select(0, index)
        levels = None if self.levels is None else self.levels.index_select(0, index)
        if not len(index):
            return TrainingBatch(self._unit(images), self._unit(images), levels, labels, drawn)
        if self.given is not None and self.taken is None:
            takes = images if self.is_noisy_alone else self.given.index_select(0, index)
            return self._given_batch(images, takes, levels, labels, drawn)
        if self.variation is not None:
            return self._varied(self.variation, images, labels, drawn)
        clean = self._unit(images)
        if self.noise is None:
            return TrainingBatch(clean, clean, None, labels, drawn)
        if self.fixed is not None:
            noisy, level = (part.index_select(0, index) for part in self.fixed)
        else:
            noisy, level = corrupt(self.noise, clean, drawn, self.clip)
        return TrainingBatch(clean, noisy, level, labels, drawn)

    def _varied(
        self, variation: Variation, images: Tensor, labels: Tensor | None, drawn: torch.Generator
    ) -> TrainingBatch:
        """Return a batch of images (B, C, H, W) that were varied; the first of them are gray, each with gray noise."""
        clean = self._unit(variation(images, drawn))
        count = variation.num_gray(len(clean))
        colours = clean.shape[1]
        parts = [to_gray(clean[:count]), clean[count:]] if count else [clean]
        corrupted = [
            (part, part.new_zeros(len(part))) if self.noise is None else corrupt(self.noise, part, drawn, self.clip)
            for part in parts
        ]
        noisy = torch.cat([image.expand(-1, colours, -1, -1) for image, _ in corrupted])
        levels = torch.cat([level for _, level in corrupted])
        clean = torch.cat([part.expand(-1, colours, -1, -1) for part in parts])
        return TrainingBatch(clean, noisy, None if self.noise is None else levels, labels, drawn)

    def _mixed_batch(self, index: Tensor, drawn: torch.Generator, taken: Tensor) -> TrainingBatch:
        """Return the images at `index` (B,): first those with a given take, of which `taken` says which they are."""
        parts = (
            (replace(self, taken=None, noise=None), index[taken]),
            (replace(self, taken=None, given=None, levels=None), index[~taken]),
        )
        batches = [images.batch(chosen, drawn) for images, chosen in parts if len(chosen)]
        levels = [_distance(one.clean, one.noisy) if one.sigma is None else one.sigma for one in batches]
        clean, noisy = (torch.cat([getattr(one, name) for one in batches]) for name in ("clean", "noisy"))
        labels = None if self.labels is None else torch.cat([self.labels[chosen] for _, chosen in parts])
        return TrainingBatch(clean, noisy, torch.cat(levels), labels, drawn)

    def _given_batch(
        self, images: Tensor, takes: Tensor, levels: Tensor | None, labels: Tensor | None, drawn: torch.Generator
    ) -> TrainingBatch:
        """Return a batch of images and their noisy takes, both (B, C, H, W), varied as one; the first are gray."""
        channels, count = images.shape[1], 0
        if self.variation is not None:
            both = self.variation(images if self.is_noisy_alone else torch.cat([images, takes], dim=1), drawn)
            images, takes = both[:, :channels], both[:, -channels:]
            count = self.variation.num_gray(len(both))
        clean = self._unit(images)
        noisy = clean if self.is_noisy_alone else self._unit(takes)
        if not count or channels == 1:
            return TrainingBatch(clean, noisy, levels, labels, drawn)
        gray = _with_gray(clean, count)
        gray_noisy = gray if self.is_noisy_alone else _with_gray(noisy, count)
        if levels is not None:
            # How much of the noise luma keeps depends on how alike it is in the three channels.
            before, after = _distance(clean, noisy), _distance(gray, gray_noisy)
            levels = levels * (after / before).where(before > 0, 1)
        return TrainingBatch(gray, gray_noisy, levels, labels, drawn)

    def _unit(self, images: Tensor) -> Tensor:
        """Return images as floats with black and white at 0 and 1."""
        if images.is_floating_point():
            return images if self.white == 1 else images / self.white
        return images.float().div_(self.white)


def training_sets(recipe: Recipe) -> tuple[NoisyImages, NoisyImages]:
    """Load the training images of a recipe, and its validation part: the data set's own, or split off.

    Validation noise is always drawn once, so that epochs can be compared.

    Raises:
        PellucidError: if the data is absent or broken.
        UsageError: if there are too few images to split, or noise or variation do not go with them.
    """
    training, validation = (_noisy(recipe, images) for images in _split(recipe))
    training = replace(training, variation=_variation(recipe, training))
    if recipe.noise and not recipe.noise.fresh:
        training = training.with_fixed_noise(recipe.train.seed, "training")
    return training, validation.with_fixed_noise(recipe.train.seed, "validation")


def test_set(recipe: Recipe, seed: int) -> NoisyImages:
    """Load the test images of a recipe with noise drawn once from the seed, or with the noise that they have."""
    source = recipe.build("data").load("test")
    count = min(recipe.data.test_images or len(source), len(source))
    return _noisy(recipe, source.select(np.arange(count))).with_fixed_noise(seed, "test")


def _split(recipe: Recipe) -> tuple[Images, Images]:
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


def _variation(recipe: Recipe, images: NoisyImages) -> Variation | None:
    data = recipe.data
    if not (data.crop or data.augment or data.gray):
        return None
    if recipe.noise and not recipe.noise.fresh:
        raise UsageError(
            f'recipe "{recipe.name}": data.crop, augment and gray change the images at every step, which noise that is '
            "drawn once cannot follow: set noise.fresh = true"
        )
    if data.gray and images.clean.shape[1] not in (1, 3):
        raise UsageError(
            f'recipe "{recipe.name}": data.gray = {data.gray:g} makes red, green and blue gray, but the images have '
            f"{images.clean.shape[1]} channels: set data.gray = 0"
        )
    if data.gray and images.is_noisy_alone and images.knows_levels:
        raise UsageError(
            f'recipe "{recipe.name}": data.gray = {data.gray:g} changes the noise level of noisy images by as much as '
            "only a clean or a second one tells: set data.gray = 0"
        )
    return Variation(data.crop, data.augment, data.gray)


def _noisy(recipe: Recipe, source: Images) -> NoisyImages:
    """Return images of a data set with the recipe's noise, or with what noise they have."""
    if recipe.noise and source.taken is None and (source.noisy is not None or source.levels is not None):
        raise UsageError(
            f'recipe "{recipe.name}": the images of data "{recipe.data.name}" have noise of their own, to which that '
            "of [noise] would be added: take the table [noise] out"
        )
    if not recipe.noise and source.taken is not None:
        raise UsageError(
            f'recipe "{recipe.name}": some images of data "{recipe.data.name}" have no noise of their own: add a table '
            '[noise], such as name = "document"'
        )
    clean = torch.from_numpy(source.images)
    given = clean if source.noisy is source.images else None
    if given is None and source.noisy is not None:
        given = torch.from_numpy(source.noisy)
    return NoisyImages(
        clean,
        None if source.labels is None else torch.from_numpy(source.labels),
        recipe.build("noise"),
        recipe.noise.clip if recipe.noise else True,
        classes=source.classes or (),
        given=given,
        levels=None if source.levels is None else torch.from_numpy(source.levels),
        white=source.white,
        taken=None if source.taken is None else torch.from_numpy(source.taken),
    )


def _with_gray(images: Tensor, count: int) -> Tensor:
    """Return colour images (B, 3, H, W), the first of them gray."""
    return torch.cat([to_gray(images[:count]).expand(-1, 3, -1, -1), images[count:]])


def _distance(images: Tensor, others: Tensor) -> Tensor:
    """Return the root mean square of the difference of each two images, (B,)."""
    return (images - others).flatten(1).square().mean(1).sqrt()
