import numpy as np
import pytest
from PIL import ImageDraw

from pellucid.data.dead_leaves import DeadLeaves, dead_leaves


def made(number, size=96, seed=0):
    return dead_leaves(np.random.default_rng((seed, number)), size)


def test_sizes_and_splits_are_as_asked():
    dataset = DeadLeaves(num_images=10, size=40, test_fraction=0.3)
    train, test = dataset.load("train").images, dataset.load("test").images
    assert train.shape == (7, 3, 40, 40) and test.shape == (3, 3, 40, 40)
    distinct = {image.tobytes() for image in np.concatenate([train, test])}
    assert len(distinct) == 10 and dataset.available()


def test_an_image_depends_on_the_seed_and_its_number_alone():
    few, more = (DeadLeaves(count, size=32, test_fraction=0).load("train").images for count in (3, 6))
    np.testing.assert_array_equal(few, more[:3])
    np.testing.assert_array_equal(few[2], made(2, 32))
    assert not np.array_equal(few, DeadLeaves(3, size=32, seed=1, test_fraction=0).load("train").images)


def test_radii_have_the_density_of_an_inverse_cube(monkeypatch):
    radii = []
    monkeypatch.setattr(
        ImageDraw.ImageDraw,
        "ellipse",
        lambda self, box, fill: radii.append(min(box[2] - box[0], box[3] - box[1]) / 2 / 2),
    )
    for number in range(40):
        made(number, 64)
    found = np.array(radii)
    assert len(found) > 2000 and found.min() >= 1.5 - 1e-6 and found.max() > 0.15 * 64
    # With a density of r**-3, a fraction of k**-2 lies above k times the minimum; the upper bound is far off.
    for times in (1.5, 2, 3):
        assert (found > times * 1.5).mean() == pytest.approx(times**-2, rel=0.15)


def test_structures_of_all_sizes_show():
    """Patches that are plain, and edges one pixel wide, are found in nearly every image."""
    images = np.stack([made(number).astype(float) for number in range(8)])
    assert (images.std(axis=(1, 2, 3)) > 15).all()
    blocks = images.reshape(8, 3, 12, 8, 12, 8).std(axis=(1, 3, 5))
    assert (blocks.min(axis=(1, 2)) < 12).all() and (blocks.max(axis=(1, 2)) > 30).all()
    steps = np.abs(np.diff(images, axis=3)).mean(1)
    assert (np.quantile(steps, 0.3, axis=(1, 2)) < 12).all() and (steps.max(axis=(1, 2)) > 40).all()


@pytest.mark.parametrize(("option", "value"), [("num_images", 0), ("size", 4), ("test_fraction", 1.0)])
def test_refuses_impossible_options(option, value):
    with pytest.raises(ValueError, match=f"{option} is {value}"):
        DeadLeaves(**{option: value})
