import numpy as np
import pytest

from pellucid.image import write_image
from pellucid.own_data import validate_files as module
from pellucid.own_data.sources import Item
from pellucid.own_data.validate_files import Examined, LeftOut, examine, examine_all, view, within_budget

from .conftest import bits, scene, with_noise


def pair(save, noisy, clean, noisy_depth="uint8", clean_depth="uint8"):
    white = {"uint8": 255, "uint16": 65535, "float32": 1}
    noisy = save("n/1.tif", noisy, noisy_depth, white[noisy_depth])
    return Item("1", noisy, save("c/1.tif", clean, clean_depth, white[clean_depth]))


def test_facts_of_a_pair(save):
    clean = scene(0, 40, 50, 3)
    found = examine(pair(save, with_noise(clean, 0), clean))
    assert isinstance(found, Examined)
    assert (found.pages, found.channels, found.height, found.width) == (1, 3, 40, 50)
    assert found.dtype == "uint8" and 0 <= found.low < found.median < found.top <= 255


def test_the_digest_is_that_of_the_clean_image(save):
    clean = scene(0)
    first, second = (examine(pair(save, with_noise(clean, seed), clean)) for seed in (1, 2))
    other = examine(pair(save, with_noise(scene(1), 1), scene(1)))
    assert isinstance(first, Examined) and isinstance(second, Examined) and isinstance(other, Examined)
    assert first.digest == second.digest != other.digest


@pytest.mark.parametrize(
    ("noisy", "clean", "said"),
    [
        (scene(0), scene(0)[:32], "differ in size (64x64 and 64x32): crop them alike"),
        (scene(0), scene(0, channels=3), "have 1 and 3 channels: convert one"),
        (scene(0), scene(0), "are identical: noisy and clean should differ"),
        (with_noise(scene(0), 0, 0.02), with_noise(np.full((64, 64), 0.5), 5), "have nothing in common"),
        (np.full((64, 64), 0.5), scene(0), "is 128 all over"),
        (with_noise(np.full((128, 128), 0.5), 0), scene(0, 128, 128), "nothing in common"),
    ],
)
def test_pairs_that_do_not_go_together(save, noisy, clean, said):
    found = examine(pair(save, noisy, clean))
    assert isinstance(found, LeftOut) and said in found.why and str(found.file) in found.why


def test_other_depths_and_values_that_are_not_finite(save):
    found = examine(pair(save, with_noise(scene(0), 0), scene(0), "uint8", "uint16"))
    assert isinstance(found, LeftOut) and "are uint8 and uint16: save both at one depth" in found.why
    light = scene(0)
    light[3, 4] = np.nan
    found = examine(Item("1", save("x.tif", light, "float32", 1)))
    assert isinstance(found, LeftOut) and "not finite" in found.why


def test_a_damaged_file_and_one_of_nothing_but_noise(save, tmp_path):
    path = save("1.png", scene(0))
    path.write_bytes(path.read_bytes()[:200])
    found = examine(Item("1", path))
    assert isinstance(found, LeftOut) and "cut short" in found.why
    found = examine(Item("1", save("2.png", with_noise(np.full((128, 128), 0.5), 0))))
    assert isinstance(found, LeftOut) and "nothing but noise" in found.why


def test_stacks_count_their_pages(tmp_path):
    from pellucid.image.formats import ImageFile

    pages = np.stack([bits(with_noise(scene(number), number), "uint16", 900) for number in range(3)])
    like = ImageFile(pages, None, None, None, None, "TIFF", tmp_path, 16, is_stack=True)
    write_image(tmp_path / "stack.tif", pages, like=like)
    found = examine(Item("stack", tmp_path / "stack.tif"))
    assert isinstance(found, Examined)
    assert (found.pages, found.channels, found.height, found.dtype) == (3, 1, 64, "uint16")
    from pellucid.image import read_image

    image = read_image(tmp_path / "stack.tif")
    np.testing.assert_allclose(view(image, 900.0, 2)[0], pages[2] / 900, rtol=1e-6)


def test_all_are_examined_in_order_and_counted(save):
    items = [Item(str(number), save(f"{number}.png", scene(number))) for number in range(9)]
    items[4].files[0].write_bytes(b"")
    told = []
    used, left_out = examine_all(items, lambda done, total: told.append((done, total)))
    assert [one.item.name for one in used] == [item.name for item in items if item.name != "4"]
    assert [one.file for one in left_out] == [items[4].noisy]
    assert told == [(number, 9) for number in range(1, 10)]


def test_of_a_huge_folder_some_are_chosen_by_name(save, monkeypatch):
    items = tuple(Item(str(number), save(f"{number}.png", scene(number))) for number in range(8))
    assert within_budget(items) == items
    size = sum(item.files[0].stat().st_size for item in items)
    monkeypatch.setattr(module, "MOST_BYTES", size // 2)
    chosen = within_budget(items)
    assert 2 <= len(chosen) < 8 and chosen == within_budget(items[::-1])[::-1]
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    assert len(within_budget(items)) == 1
