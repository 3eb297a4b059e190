import numpy as np
import pytest

from pellucid.data import ImageSet
from pellucid.data.base import check_test_fraction, split_indices
from pellucid.errors import UsageError


def images(count=4):
    pixels = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 3), np.uint8)
    return ImageSet(pixels, np.arange(count), ("a", "b", "c", "d"), tuple(f"{index}.png" for index in range(count)))


@pytest.mark.parametrize("indices", [np.array([2, 0]), slice(1, 3)])
def test_select_keeps_images_labels_and_names_together(indices):
    chosen = images().select(indices)
    assert chosen.labels is not None and chosen.classes == ("a", "b", "c", "d")
    assert chosen.images[:, 0, 0, 0].tolist() == chosen.labels.tolist() == np.arange(4)[indices].tolist()
    assert chosen.names == tuple(f"{label}.png" for label in chosen.labels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_select_keeps_noisy_images_sigmas_and_data_range_together(dtype):
    pixels = np.arange(4).astype(dtype)[:, None, None, None] * np.ones((1, 1, 2, 3), dtype)
    sigmas = np.arange(4, dtype=np.float32) / 10
    chosen = ImageSet(pixels, noisy=pixels + dtype(10), sigmas=sigmas, data_range=7.0).select(np.array([3, 1]))
    assert chosen.noisy is not None and chosen.sigmas is not None
    assert chosen.noisy[:, 0, 0, 0].tolist() == [13, 11] and chosen.noisy.dtype == chosen.images.dtype == dtype
    assert np.array_equal(chosen.sigmas, sigmas[[3, 1]]) and chosen.data_range == 7


def test_noisy_images_alone_stay_one_array():
    pixels = np.zeros((3, 1, 2, 2), np.uint8)
    chosen = ImageSet(pixels, noisy=pixels).select(slice(2))
    assert chosen.noisy is chosen.images


def test_select_without_labels():
    chosen = ImageSet(np.zeros((3, 1, 2, 2), np.uint8)).select(slice(2))
    assert len(chosen) == 2 and chosen.labels is None and chosen.names is None


@pytest.mark.parametrize(
    "arguments",
    [
        (np.zeros((2, 1, 2, 2), np.float64),),
        (np.zeros((2, 1, 2, 2), np.int16),),
        (np.zeros((2, 2, 2), np.uint8),),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros(3, np.int64)),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros(2, np.int32)),
        (np.zeros((2, 1, 2, 2), np.uint8), None, None, ("one",)),
        (np.zeros((2, 1, 2, 2), np.uint8), None, None, None, np.zeros((2, 1, 2, 3), np.uint8)),
        (np.zeros((2, 1, 2, 2), np.uint8), None, None, None, np.zeros((2, 1, 2, 2), np.uint16)),
        (np.zeros((2, 1, 2, 2), np.uint8), None, None, None, None, np.zeros(3, np.float32)),
        (np.zeros((2, 1, 2, 2), np.uint8), None, None, None, None, np.zeros(2)),
        (np.zeros((2, 1, 2, 2), np.uint8), None, None, None, None, None, 0.0),
    ],
)
def test_refuses_what_does_not_fit(arguments):
    with pytest.raises(ValueError, match="give"):
        ImageSet(*arguments)


@pytest.mark.parametrize("fraction", [0, 0.2, 0.5, 0.99])
def test_the_splits_are_disjoint_and_together_all(fraction):
    train, test = (split_indices(101, fraction, 3, split) for split in ("train", "test"))
    assert sorted([*train, *test]) == list(range(101)) and len(test) == round(101 * fraction)
    assert np.array_equal(train, split_indices(101, fraction, 3, "train"))
    assert not fraction or not np.array_equal(test, split_indices(101, fraction, 4, "test"))


def test_unknown_split_and_fraction():
    with pytest.raises(UsageError, match='unknown split "dev": choose train or test'):
        split_indices(3, 0.2, 0, "dev")
    for fraction in (-0.1, 1, float("nan")):
        with pytest.raises(ValueError, match=f"test_fraction is {fraction}"):
            check_test_fraction(fraction)
