import numpy as np
import pytest
from PIL import Image

from pellucid import registry
from pellucid.data.base import DatasetInfo
from pellucid.data.dead_leaves import DeadLeaves
from pellucid.data.pages import Pages
from pellucid.data.photos import Photos
from pellucid.errors import PellucidError, UsageError

FOLDER = "shots/free"


def photos(**options):
    """Return a data set of all patches of 16 pixels in the folder, but for what the options say."""
    plain = {"folders": [FOLDER], "patch": 16, "test_fraction": 0, "num_dead_leaves": 0}
    return registry.build("data", "photos", plain | options)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def shots(data_root):
    """Ten photographs of 48x40, red from 0 to 225; the even ones are plain, the odd ones rough."""
    random = np.random.default_rng(0)
    for number in range(10):
        pixels = np.full((48, 40, 3), (25 * number, 100, 100), np.uint8)
        if number % 2:
            pixels[..., 1:] += random.integers(0, 100, (48, 40, 1), np.uint8)
        save(data_root / FOLDER / ("deep" if number > 7 else "") / f"{number}.png", pixels)
    return data_root / FOLDER


def numbers(images):
    """Return which photograph each patch is from, by its red."""
    return images[:, 0].mean((1, 2)).round().astype(int) // 25


def test_patches_come_from_all_files_and_never_twice(shots):
    images = photos(num_patches=1000, scales=(1.0,)).load("train").images
    # On a grid of half a patch, 5 by 4 lie in each photograph.
    assert images.shape == (10 * 5 * 4, 3, 16, 16) and images.dtype == np.uint8
    assert np.bincount(numbers(images)).tolist() == [20] * 10
    rough = images[numbers(images) % 2 == 1]
    assert len({patch.tobytes() for patch in rough}) == 100


def test_the_stride_says_how_far_apart_the_patches_may_lie(shots):
    images = photos(num_patches=10_000, scales=(1.0,), stride=4).load("train").images
    assert len(images) == 10 * 9 * 7


def test_the_texture_of_a_candidate_is_its_mean_absolute_gradient():
    photo = np.random.default_rng(0).integers(0, 256, (40, 33, 3), np.uint8)
    luma = photo.astype(np.float64) @ [0.299, 0.587, 0.114] / 255
    for row, column, texture in Photos(patch=16, stride=5)._candidates(photo):
        part = luma[row : row + 16, column : column + 16]
        down, across = np.abs(np.diff(part, axis=0))[:, :-1], np.abs(np.diff(part, axis=1))[:-1]
        assert texture == pytest.approx((down + across).mean(), rel=1e-5)


def test_textured_patches_are_preferred_by_their_texture(shots):
    fractions = [
        (numbers(photos(num_patches=80, scales=(1.0,), texture=power).load("train").images) % 2).mean()
        for power in (0.0, 0.3, 1.0)
    ]
    assert (
        fractions[0] == pytest.approx(0.5, abs=0.15)
        and fractions[0] + 0.1 < fractions[1] < fractions[2]
        and fractions[2] > 0.9
    )


def test_each_photograph_is_used_at_every_scale(shots):
    for path in [*shots.glob("*.png")][1:]:
        path.unlink()
    (path,) = shots.glob("*.png")
    for deep in (shots / "deep").iterdir():
        deep.unlink()
    images = photos(num_patches=100, scales=(1.0, 0.5)).load("train").images
    assert len(images) == 5 * 4 + 2 * 1
    with Image.open(path) as whole:
        half = np.asarray(whole.resize((20, 24), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    assert any(np.array_equal(patch, half[:, 8:24, :16]) for patch in images)


def test_files_are_split_and_not_patches(shots):
    dataset = photos(test_fraction=0.3, num_patches=60, scales=(1.0,), texture=0)
    train, test = (dataset.load(split).images for split in ("train", "test"))
    assert len(train) == 42 and len(test) == 18
    assert not set(numbers(train)) & set(numbers(test)) and len(set(numbers(test))) == 3


def test_the_same_seed_chooses_the_same_patches(shots):
    first, again, other = (photos(num_patches=30, texture=0, seed=seed).load("train").images for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_dead_leaves_of_the_same_split_follow(shots):
    for split, count in (("train", 8), ("test", 2)):
        images = photos(num_dead_leaves=10, test_fraction=0.2, num_patches=20).load(split).images
        np.testing.assert_array_equal(images[-count:], DeadLeaves(10, 16, 0, 0.2).load(split).images)
        assert len(images) == 20 * count // 10 + count


def test_pages_and_constant_colors_follow_the_dead_leaves(shots):
    extra = {"num_dead_leaves": 4, "num_pages": 10, "num_constant": 10, "test_fraction": 0.2, "num_patches": 20}
    train, test = (photos(**extra).load(split).images for split in ("train", "test"))
    np.testing.assert_array_equal(train[-16:-8], Pages(10, 16, seed=0, test_fraction=0.2).load("train").images)
    assert len(test) == 4 + 1 + 2 + 2
    constant = np.concatenate([train[-8:], test[-2:]])
    assert (constant == constant[:, :, :1, :1]).all()
    colors = constant[:, :, 0, 0]
    assert {tuple(color) for color in colors} >= {(0, 0, 0), (255, 255, 255)}
    assert len(np.unique(colors, axis=0)) == 2 + 4


def test_gray_photographs_become_color_and_small_ones_are_passed_over(data_root):
    save(data_root / FOLDER / "gray.png", np.full((16, 16), 77, np.uint8))
    save(data_root / FOLDER / "narrow.png", np.full((1, 90, 3), 200, np.uint8))
    images = photos().load("train").images
    assert images.shape == (1, 3, 16, 16) and (images == 77).all()


def test_folders_are_looked_for_in_the_cache_too_and_several_are_joined(data_root, tmp_path, shots):
    save(tmp_path / "cache/pellucid/more/1.png", np.full((16, 16, 3), 250, np.uint8))
    dataset = photos(folders=[FOLDER, "more"], num_patches=1000, scales=[1.0])
    assert dataset.available() and dataset.describe("train") == DatasetInfo(3, 16, 16)
    assert np.bincount(numbers(dataset.load("train").images))[-1] == 1


def test_a_missing_folder_is_named_with_the_remedy(data_root):
    dataset = Photos()
    assert not dataset.available()
    with pytest.raises(PellucidError, match="the photographs are not available"):
        dataset.describe("train")
    with pytest.raises(PellucidError, match=r"not available: looked for .*data/train-photos/free, .*set PELLUCID_DATA"):
        dataset.load("train")


def test_photographs_that_give_no_patch_are_an_error(shots):
    with pytest.raises(PellucidError, match=f"no photograph in {FOLDER} holds a patch of 64 pixels"):
        photos(patch=64).load("train")
    with pytest.raises(PellucidError, match=r"10 photograph\(s\) leave none for the test split at test_fraction 0"):
        photos().load("test")


def test_a_file_that_is_no_image_is_named(shots):
    (shots / "bad.png").write_bytes(b"no image")
    with pytest.raises(PellucidError, match=r"bad\.png"):
        photos().load("train")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("folders", "train-photos/free"),
        ("folders", ()),
        ("patch", 4),
        ("num_patches", 0),
        ("scales", ()),
        ("scales", 0.5),
        ("scales", (1.0, 2.0)),
        ("texture", -1),
        ("num_dead_leaves", -1),
        ("num_pages", -1),
        ("num_constant", -1),
        ("test_fraction", 1.0),
    ],
)
def test_refuses_impossible_options(option, value):
    with pytest.raises(UsageError, match=f'data "photos": {option} is '):
        registry.build("data", "photos", {option: value})
