import numpy as np
import pytest

from pellucid.image import write_image
from pellucid.own_data import validate_files as module
from pellucid.own_data.sources import Item
from pellucid.own_data.validate_files import (
    ImageInfo,
    SkippedFile,
    center_planes,
    correlation,
    inspect_all,
    inspect_image,
    is_only_noise,
    limit_total_size,
)

from .conftest import bits, scene, with_noise

CLEAN = scene(0, 256, 256)[None]
NOISE = np.random.default_rng(0).normal(0, 0.05, CLEAN.shape)


def pair(save, noisy, clean, noisy_depth="uint8", clean_depth="uint8"):
    data_ranges = {"uint8": 255, "uint16": 65535, "float32": 1}
    noisy = save("n/1.tif", noisy, noisy_depth, data_ranges[noisy_depth])
    return Item("1", noisy, save("c/1.tif", clean, clean_depth, data_ranges[clean_depth]))


def test_the_info_of_a_pair(save):
    clean = scene(0, 40, 50, 3)
    info = inspect_image(pair(save, with_noise(clean, 0), clean))
    assert isinstance(info, ImageInfo)
    assert (info.pages, info.channels, info.height, info.width) == (1, 3, 40, 50)
    assert info.dtype == "uint8" and 0 <= info.minimum < info.median < info.maximum <= 255


def test_the_digest_is_that_of_the_clean_image(save):
    clean = scene(0)
    first, second = (inspect_image(pair(save, with_noise(clean, seed), clean)) for seed in (1, 2))
    other = inspect_image(pair(save, with_noise(scene(1), 1), scene(1)))
    assert isinstance(first, ImageInfo) and isinstance(second, ImageInfo) and isinstance(other, ImageInfo)
    assert first.digest == second.digest != other.digest


@pytest.mark.parametrize(
    ("noisy", "clean", "message"),
    [
        (scene(0), scene(0)[:32], "differ in size (64x64 and 64x32): crop them to the same size"),
        (scene(0), scene(0, channels=3), "have 1 and 3 channels: convert one"),
        (scene(0), scene(0), "are identical: noisy and clean should differ"),
        (with_noise(scene(0), 0, 0.02), with_noise(np.full((64, 64), 0.5), 5), "have nothing in common"),
        (np.full((64, 64), 0.5), scene(0), "is 128 everywhere"),
        (with_noise(np.full((128, 128), 0.5), 0), scene(0, 128, 128), "nothing in common"),
    ],
)
def test_pairs_that_do_not_belong_together(save, noisy, clean, message):
    info = inspect_image(pair(save, noisy, clean))
    assert isinstance(info, SkippedFile) and message in info.reason and str(info.file) in info.reason


def test_other_depths_and_values_that_are_not_finite(save):
    info = inspect_image(pair(save, with_noise(scene(0), 0), scene(0), "uint8", "uint16"))
    assert isinstance(info, SkippedFile) and "are uint8 and uint16: save both with the same bit depth" in info.reason
    light = scene(0)
    light[3, 4] = np.nan
    info = inspect_image(Item("1", save("x.tif", light, "float32", 1)))
    assert isinstance(info, SkippedFile) and "not finite" in info.reason


def test_a_damaged_file_and_one_of_only_noise(save, tmp_path):
    path = save("1.png", scene(0))
    path.write_bytes(path.read_bytes()[:200])
    info = inspect_image(Item("1", path))
    assert isinstance(info, SkippedFile) and "cut short" in info.reason
    info = inspect_image(Item("1", save("2.png", with_noise(np.full((128, 128), 0.5), 0))))
    assert isinstance(info, SkippedFile) and "nothing but noise" in info.reason


def test_stacks_count_their_pages(tmp_path):
    from pellucid.image.formats import ImageFile

    pages = np.stack([bits(with_noise(scene(number), number), "uint16", 900) for number in range(3)])
    like = ImageFile(pages, None, None, None, None, "TIFF", tmp_path, 16, is_stack=True)
    write_image(tmp_path / "stack.tif", pages, like=like)
    info = inspect_image(Item("stack", tmp_path / "stack.tif"))
    assert isinstance(info, ImageInfo)
    assert (info.pages, info.channels, info.height, info.dtype) == (3, 1, 64, "uint16")
    from pellucid.image import read_image

    image = read_image(tmp_path / "stack.tif")
    np.testing.assert_allclose(center_planes(image, 900.0, 2)[0], pages[2] / 900, rtol=1e-6)


def test_all_are_inspected_in_order_and_counted(save):
    items = [Item(str(number), save(f"{number}.png", scene(number))) for number in range(9)]
    items[4].files[0].write_bytes(b"")
    counts = []
    images, skipped = inspect_all(items, lambda done, total: counts.append((done, total)))
    assert [image.item.name for image in images] == [item.name for item in items if item.name != "4"]
    assert [file.file for file in skipped] == [items[4].noisy]
    assert counts == [(number, 9) for number in range(1, 10)]


def test_some_files_of_a_huge_folder_are_chosen_by_name(save, monkeypatch):
    items = tuple(Item(str(number), save(f"{number}.png", scene(number))) for number in range(8))
    assert limit_total_size(items) == items
    size = sum(item.files[0].stat().st_size for item in items)
    monkeypatch.setattr(module, "MAX_BYTES", size // 2)
    chosen = limit_total_size(items)
    assert 2 <= len(chosen) < 8 and chosen == limit_total_size(items[::-1])[::-1]
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    assert len(limit_total_size(items)) == 1


def test_only_white_noise_is_only_noise():
    both = (NOISE + np.roll(NOISE, 1, 1) + np.roll(NOISE, 1, 2) + np.roll(NOISE, (1, 1), (1, 2))) / 2
    assert is_only_noise(0.5 + NOISE)
    assert not is_only_noise(CLEAN + NOISE)
    assert not is_only_noise(CLEAN)
    assert not is_only_noise(0.5 + both)
    assert not is_only_noise(0.5 + NOISE[:, :40, :40])


def test_correlation_of_two_images():
    assert correlation(CLEAN, 3 * CLEAN + 1) == pytest.approx(1)
    assert abs(correlation(CLEAN, NOISE)) < 0.02
    assert correlation(CLEAN, np.ones_like(CLEAN)) == 0
