import shutil

import numpy as np
import pytest

from pellucid.errors import PellucidError, UsageError
from pellucid.own_data.analysis import Wishes, look
from pellucid.own_data.noise_analysis import estimated_levels
from pellucid.own_data.sources import Sources

from .conftest import scene, with_noise


def both(folder):
    return Sources((folder / "noisy",), folder / "clean")


def test_pairs_are_listed_with_whole_groups_held_out(pairs, save):
    for number in range(10):
        save(f"noisy/{number}b.png", with_noise(scene(number), 100 + number))
        shutil.copy(pairs / "clean" / f"{number}.png", pairs / "clean" / f"{number}b.png")
    found = look(both(pairs), Wishes())
    files = found.file_list()
    assert (files.kind, files.channels, files.dtype, files.white) == ("pairs", 1, "uint8", 255)
    assert len(files.entries) == 20 and found.patch == 48
    parts = {}
    for entry in files.entries:
        parts.setdefault(entry.group, set()).add(entry.part)
    assert len(parts) == 10 and all(len(part) == 1 for part in parts.values())
    assert sum(entry.part == "validation" for entry in files.entries) == 4
    assert found.noise.level == pytest.approx(0.1, rel=0.1) and found.noise.axis == "none" and not found.look.swapped


def test_groups_by_name_and_another_share(pairs):
    found = look(both(pairs), Wishes(group_by=r"[02468]|odd|\d", validation=0.5))
    assert len(set(found.groups)) == 10 and len(found.validation) == 5
    with pytest.raises(PellucidError, match="leaves nothing to hold out"):
        look(both(pairs), Wishes(group_by=r"png"))
    with pytest.raises(UsageError, match=r"--validation 1\.5"):
        Wishes(validation=1.5)


def test_swapped_folders_are_noticed(pairs):
    assert look(Sources((pairs / "clean",), pairs / "noisy"), Wishes()).look.swapped


def test_images_stretched_to_the_peaks_of_their_noise_are_noticed(save, tmp_path):
    for number in range(6):
        noisy = with_noise(0.5 * scene(number, 128, 128), number, 0.08)
        save(f"n/{number}.png", np.clip(noisy / np.quantile(noisy, 0.998), 0, 1))
    assert look(Sources((tmp_path / "n",)), Wishes()).look.stretched


def test_a_bad_file_is_left_out_and_too_many_are_an_error(pairs):
    (pairs / "noisy" / "3.png").write_bytes(b"nothing")
    found = look(both(pairs), Wishes())
    assert len(found.used) == 9 and [one.file.name for one in found.left_out] == ["3.png"]
    assert found.file_list().left_out[0][0].endswith("3.png")
    (pairs / "noisy" / "4.png").write_bytes(b"nothing")
    with pytest.raises(PellucidError, match=r"2 of 10 images cannot be used.*the first: .*3\.png"):
        look(both(pairs), Wishes())


def test_mixed_depths_and_channels(pairs, save):
    save("noisy/3.png", with_noise(scene(3), 3), "uint16", 65535)
    save("clean/3.png", scene(3), "uint16", 65535)
    assert "most others uint8" in look(both(pairs), Wishes()).left_out[0].why
    shutil.rmtree(pairs / "clean")
    save("noisy/3.png", with_noise(scene(3, channels=3), 3))
    assert "has 3 channel(s), most others 1" in look(Sources((pairs / "noisy",)), Wishes()).left_out[0].why


def test_gray_among_colours_is_kept(save, tmp_path):
    for number in range(6):
        save(f"c/{number}.png", scene(number, channels=1 if number == 2 else 3))
    found = look(Sources((), tmp_path / "c", ("gaussian(sigma=25)",)), Wishes())
    assert found.channels == 3 and len(found.used) == 6 and not found.left_out


def test_the_patch_shrinks_for_small_images_and_leaves_the_smallest_out(save, tmp_path):
    for number in range(30):
        save(f"c/{number}.png", scene(number, 40 if number else 8, 50))
    found = look(Sources((), tmp_path / "c", ("gaussian(sigma=25)",)), Wishes())
    assert found.patch == 24 and "50x8, smaller than the patch of 24" in found.left_out[0].why
    with pytest.raises(PellucidError, match="30 of 30 images cannot be used"):
        look(Sources((), tmp_path / "c", ("gaussian(sigma=25)",)), Wishes(patch=64))


@pytest.mark.parametrize(
    ("dtype", "scale", "white"),
    [
        ("uint8", 30, 255),
        ("uint16", 65535, 65535),
        ("uint16", 4000, 4095),
        ("uint16", 800, 1023),
        ("uint16", 12000, 16383),
        ("float32", 1.0, 1),
        ("float32", 0.01, None),
        ("float32", 255, 255),
        ("float32", 3000, 4095),
    ],
)
def test_white_is_what_the_data_reach(save, tmp_path, dtype, scale, white):
    for number in range(4):
        save(f"n/{number}.tif", with_noise(scene(number), number, 0.02), dtype, scale)
    found = look(Sources((tmp_path / "n",)), Wishes())
    top = max(one.top for one in found.used)
    assert top <= found.white * 1.1
    assert found.white == (white or pytest.approx(top, rel=0.1))


def test_takes_have_half_the_difference_each(save, tmp_path):
    for number in range(5):
        for seed, folder in enumerate(("a", "b")):
            save(f"{folder}/{number}.png", with_noise(scene(number), 10 * number + seed, 0.08))
    found = look(Sources((tmp_path / "a", tmp_path / "b")), Wishes())
    assert found.sources.kind == "takes" and found.noise.level == pytest.approx(0.08, rel=0.1)
    assert all(entry.second and entry.clean is None for entry in found.file_list().entries)


def test_noise_that_leaves_nothing_is_refused(pairs):
    with pytest.raises(UsageError, match=r"gaussian\(sigma=1000\) leaves nothing of"):
        look(Sources((), pairs / "clean", ("gaussian(sigma=1000)",)), Wishes())
    found = look(Sources((), pairs / "clean", ("gaussian(sigma=20)",)), Wishes())
    assert found.noise.level == pytest.approx(20 / 255, rel=0.1)


def test_one_noisy_image_validates_itself_and_one_pair_is_too_few(save, tmp_path):
    save("n/1.png", with_noise(scene(0), 0))
    save("c/1.png", scene(0))
    found = look(Sources((tmp_path / "n",)), Wishes())
    assert found.is_alone and found.area == 64 * 64
    assert [entry.part for entry in found.file_list().entries] == ["train", "validation"]
    with pytest.raises(PellucidError, match="holds one image, which leaves nothing to hold out"):
        look(both_of(tmp_path), Wishes())


def both_of(folder):
    return Sources((folder / "n",), folder / "c")


def test_a_network_of_colours_is_shown_gray_in_three_channels(pairs):
    assert look(both(pairs), Wishes(channels=(3,))).file_list().channels == 3
    with pytest.raises(UsageError, match="--from names a network of 4 channels, the images have 1"):
        look(both(pairs), Wishes(channels=(4,)))


def test_the_levels_are_those_that_use_will_estimate(pairs):
    found = look(both(pairs), Wishes())
    levels = estimated_levels(found.used, found.white)
    np.testing.assert_allclose(np.array(levels, float), 0.1, atol=0.03)
    assert found.file_list(levels).entries[0].level == levels[0]


def test_nothing_is_written_into_the_folders(pairs):
    before = {path: path.stat().st_mtime_ns for path in pairs.rglob("*")}
    look(both(pairs), Wishes())
    assert {path: path.stat().st_mtime_ns for path in pairs.rglob("*")} == before
