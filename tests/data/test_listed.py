"""Patches of the files of a list: in their depth, with their noisy images, in proportion to the areas of the files."""

from typing import Any

import numpy as np
import pytest

from pellucid import registry
from pellucid.data.base import DatasetInfo
from pellucid.data.files_json import Entry, FileList, write_file_list
from pellucid.data.listed import Listed
from pellucid.errors import PellucidError, UsageError
from pellucid.image import write_image

DEPTHS = ((np.uint8, ".png", 255), (np.uint16, ".tif", 4000), (np.float32, ".tif", 900.0))


def scene(height, width, dtype: Any = np.uint8, offset=0, channels=1):
    """A random image of values from `offset` to `offset` + 119, with no two equal patches."""
    pixels = np.random.default_rng(height + width).integers(0, 120, (height, width, channels)) + offset
    return (pixels if channels > 1 else pixels[..., 0]).astype(dtype)


@pytest.fixture
def listed(tmp_path):
    """Write files and their list, and return the dataset."""

    def make(kind, images, dtype=np.uint8, channels=1, data_range=255.0, suffix=".tif", **options):
        entries = []
        for number, (split, sigma, roles) in enumerate(images):
            for role, pixels in roles.items():
                write_image(tmp_path / f"{number}-{role}{suffix}", pixels, overwrite=True)
            names = [str(tmp_path / f"{number}-{role}{suffix}") for role in ("noisy", "clean", "second_capture")]
            files = [
                name if role in roles else None
                for name, role in zip(names, ("noisy", "clean", "second_capture"), strict=True)
            ]
            entries.append(Entry(*files, group=str(number), split=split, sigma=sigma))
        files = FileList(kind, channels, np.dtype(dtype).name, data_range, tuple(entries))
        write_file_list(tmp_path / "files.json", files)
        return Listed(str(tmp_path / "files.json"), **{"patch": 16, "num_patches": 40} | options)

    return make


@pytest.mark.parametrize(("dtype", "suffix", "data_range"), DEPTHS)
def test_samples_keep_their_depth_and_pairs_stay_together(listed, dtype, suffix, data_range):
    clean = [scene(40, 50, dtype), scene(30, 30, dtype, 100)]
    data = listed(
        "pairs",
        [
            ("train", 0.1, {"clean": clean[0], "noisy": clean[0] + dtype(3)}),
            ("validation", 0.2, {"clean": clean[1], "noisy": clean[1] + dtype(3)}),
        ],
        dtype,
        data_range=data_range,
        suffix=suffix,
    )
    found = data.load("train")
    assert found.images.dtype == dtype and found.images.shape == (40, 1, 16, 16) and found.data_range == data_range
    assert found.noisy is not None and (found.noisy == found.images + dtype(3)).all()
    windows = np.lib.stride_tricks.sliding_window_view(clean[0], (16, 16)).reshape(-1, 16, 16)
    known = {window.tobytes() for window in windows}
    assert all(patch.tobytes() in known for patch in found.images) and len(np.unique(found.images, axis=0)) == 40
    assert found.sigmas is not None and found.sigmas.tolist() == pytest.approx([0.1] * 40)
    validation = data.load("validation")
    assert len(validation) == 5 and validation.sigmas is not None and validation.sigmas[0] == np.float32(0.2)
    assert np.array_equal(data.load("test").images, validation.images)


def test_of_two_captures_the_second_is_the_target_and_the_first_the_input(listed):
    first, second = scene(32, 32), scene(32, 32, offset=50)
    found = listed("captures", [("train", None, {"noisy": first, "second_capture": second})]).load("train")
    assert found.noisy is not None and found.sigmas is None
    assert (found.images == found.noisy + 50).all()


def test_noisy_images_alone_are_both(listed):
    found = listed("noisy", [("train", 0.1, {"noisy": scene(32, 32)})]).load("train")
    assert found.noisy is found.images and found.sigmas is not None


def test_clean_images_have_no_noisy_image_and_no_sigma(listed):
    found = listed("clean", [("train", 0.1, {"clean": scene(32, 32)})]).load("train")
    assert found.noisy is None and found.sigmas is None and found.names is not None
    assert found.names[0].endswith("0-clean.tif")


def test_patches_are_in_proportion_to_the_area_and_textured_ones_more_likely(listed):
    large, small = scene(160, 160), scene(80, 80, offset=128)
    images = [("train", None, {"clean": large}), ("train", None, {"clean": small})]
    found = listed("clean", images, num_patches=900).load("train")
    fraction = (found.images.min(axis=(1, 2, 3)) >= 128).mean()
    assert fraction == pytest.approx(0.2, abs=0.05)
    half = np.full((160, 160), 90, np.uint8)
    half[:, :80] = scene(160, 80)
    for texture, low, high in ((0.0, 0.35, 0.65), (1.0, 0.0, 0.1)):
        found = listed("clean", [("train", None, {"clean": half})], num_patches=300, texture=texture).load("train")
        assert low < (np.ptp(found.images.reshape(len(found), -1), axis=1) == 0).mean() < high


def test_the_sample_depends_on_the_seed_alone_and_a_small_one_is_a_part_of_a_large_one(listed):
    images = [("train", None, {"clean": scene(64, 64)})]
    first, again, other = (listed("clean", images, seed=seed).load("train").images for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    few = listed("clean", images, num_patches=10).load("train").images
    assert np.array_equal(few, first[:10])


def test_files_that_hold_fewer_patches_give_fewer(listed):
    found = listed("clean", [("train", None, {"clean": scene(16, 18)})]).load("train")
    assert len(found) == 3


def test_pages_of_stacks_are_images_and_many_channels_are_kept(listed, tmp_path):
    import tifffile

    stack = np.stack([scene(20, 20, np.uint16, offset, 5) for offset in (0, 1000, 2000)])
    data = listed("clean", [("train", None, {"clean": scene(20, 20, np.uint16)})], np.uint16, 5, 65535.0)
    tifffile.imwrite(tmp_path / "0-clean.tif", stack, photometric="minisblack", planarconfig="contig")
    found = data.load("train")
    assert found.images.shape == (40, 5, 16, 16) and data.describe("train") == DatasetInfo(5, 16, 16)
    assert set((found.images.max(axis=(1, 2, 3)) // 1000).tolist()) <= {0, 1, 2} and found.images.max() > 2000


def test_gray_is_repeated_and_colors_become_luma(listed):
    gray, color = scene(20, 20), scene(20, 20, channels=3)
    found = listed("clean", [("train", None, {"clean": gray})], channels=3).load("train")
    assert found.images.shape[1] == 3 and (found.images == found.images[:, :1]).all()
    found = listed("clean", [("train", None, {"clean": color})], channels=1).load("train")
    assert found.images.shape[1] == 1


def test_patches_that_are_not_finite_are_skipped(listed):
    broken = scene(40, 40, np.float32)
    broken[:, 20] = np.nan
    found = listed("clean", [("train", None, {"clean": broken})], np.float32, data_range=1.0).load("train")
    assert len(found) and np.isfinite(found.images).all()
    broken[:, ::10] = np.inf
    with pytest.raises(PellucidError, match="no train file holds a patch of finite values"):
        listed("clean", [("train", None, {"clean": broken})], np.float32, data_range=1.0).load("train")


def refused(data, *words):
    with pytest.raises(PellucidError) as caught:
        data.load("train")
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_file_that_became_corrupt_is_named_with_the_remedy(listed, tmp_path):
    data = listed("clean", [("train", None, {"clean": scene(32, 32)})])
    path = tmp_path / "0-clean.tif"
    path.write_bytes(path.read_bytes()[:200])
    refused(data, str(path), "damaged", "start train on the folders again")
    path.unlink()
    refused(data, str(path), "does not exist")


def test_files_that_do_not_fit_are_named_with_the_remedy(listed, tmp_path):
    fine = ("validation", None, {"clean": scene(32, 32)})
    refused(listed("clean", [("train", None, {"clean": scene(15, 40)})]), "0-clean.tif is 40x15", "data.patch to 15")
    refused(listed("clean", [("train", None, {"clean": scene(32, 32, np.uint16)})]), "uint16", "of uint8")
    refused(listed("clean", [("train", None, {"clean": scene(32, 32)})], channels=4), "has 1 channels, not 4")
    refused(listed("clean", [fine]), 'split = "train"', "files.json")
    unequal = {"clean": scene(32, 32), "noisy": scene(32, 33)}
    refused(listed("pairs", [("train", None, unequal)]), "32x32", "33x32", "crop them alike")


def test_options_and_splits_that_cannot_be_are_refused(listed):
    with pytest.raises(UsageError, match='unknown split "dev": choose train, validation or test'):
        listed("clean", []).load("dev")
    for options in ({"patch": 7}, {"num_patches": 0}, {"texture": -1.0}):
        with pytest.raises(UsageError, match=r"give \d"):
            registry.build("data", "listed", {"path": "files.json"} | options)
