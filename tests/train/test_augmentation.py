"""Augmented images: every transform occurs, and the generator alone decides."""

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.train.augmentation import Augmentation, dihedral, to_gray


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(count, height, width, channels=1):
    """Return images whose values all differ."""
    return torch.arange(count * channels * height * width).view(count, channels, height, width)


def test_the_eight_transforms_are_those_of_pillow():
    image = torch.randint(256, (3, 5, 5), generator=seeded(), dtype=torch.uint8)
    flips = Image.Transpose
    known = (None, flips.FLIP_LEFT_RIGHT, flips.FLIP_TOP_BOTTOM, flips.ROTATE_90, flips.ROTATE_180, flips.ROTATE_270)
    known += (flips.TRANSPOSE, flips.TRANSVERSE)
    whole = Image.fromarray(image.permute(1, 2, 0).numpy())
    expected = {np.asarray(whole if index is None else whole.transpose(index)).tobytes() for index in known}
    assert {dihedral(image, index).permute(1, 2, 0).contiguous().numpy().tobytes() for index in range(8)} == expected
    assert torch.equal(dihedral(image, 0), image)


def test_every_transform_occurs_as_often():
    image = numbered(1, 4, 4)
    augmented = Augmentation(0, True, 0)(image.expand(4000, -1, -1, -1), seeded())
    counts = {bytes(dihedral(image[0], index).contiguous().numpy()): 0 for index in range(8)}
    for found in augmented:
        counts[bytes(found.contiguous().numpy())] += 1
    assert len(counts) == 8 and min(counts.values()) > 400


def test_uint16_is_augmented_as_other_types_are():
    image = numbered(20, 6, 6).to(torch.int32) + 40_000
    augmented = Augmentation(4, True, 0)
    assert torch.equal(augmented(image.to(torch.uint16), seeded()).to(torch.int32), augmented(image, seeded()))


def test_images_that_are_not_square_keep_their_shape():
    image = numbered(1, 3, 5)
    augmented = Augmentation(0, True, 0)(image.expand(200, -1, -1, -1), seeded())
    assert augmented.shape == (200, 1, 3, 5)
    assert len({bytes(found.contiguous().numpy()) for found in augmented}) == 4


def test_crops_lie_inside_and_reach_every_position():
    image = numbered(1, 7, 9)
    crops = Augmentation(5, False, 0)(image.expand(500, -1, -1, -1), seeded())
    assert crops.shape == (500, 1, 5, 5)
    corners = crops[:, 0, 0, 0]
    assert {(corner // 9, corner % 9) for corner in corners.tolist()} == {(y, x) for y in range(3) for x in range(5)}
    assert torch.equal(crops - corners.view(-1, 1, 1, 1), (image[:, :, :5, :5]).expand(500, -1, -1, -1))


@pytest.mark.parametrize("crop", [0, 6, 20])
def test_without_a_smaller_crop_the_whole_image_stays(crop):
    images = numbered(3, 6, 6, 3)
    assert torch.equal(Augmentation(crop, False, 0)(images, seeded()), images)


def test_the_generator_alone_decides():
    images = numbered(20, 9, 9)
    augment = Augmentation(6, True, 0)
    assert torch.equal(augment(images, seeded(1)), augment(images, seeded(1)))
    assert not torch.equal(augment(images, seeded(1)), augment(images, seeded(2)))


def test_gray_is_the_luma_and_its_count_is_rounded():
    images = torch.rand(4, 3, 5, 6, generator=seeded(), dtype=torch.float64)
    pixels = (images.permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
    pillow = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in pixels])
    np.testing.assert_allclose(to_gray(images)[:, 0], pillow / 255, atol=1.5 / 255)
    weights = to_gray(torch.eye(3, dtype=torch.float64)[:, :, None, None]).flatten()
    assert weights.tolist() == pytest.approx([0.299, 0.587, 0.114])
    assert torch.equal(to_gray(images[:, :1]), images[:, :1])
    assert [Augmentation(0, False, fraction).num_gray(16) for fraction in (0, 0.25, 0.3, 1)] == [0, 4, 5, 16]
