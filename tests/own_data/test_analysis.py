import dataclasses
import shutil

import numpy as np
import pytest

from pellucid.errors import PellucidError, UsageError
from pellucid.own_data.analysis import (
    DatasetOptions,
    analyze,
    describe_dataset,
    describe_noise,
    format_sizes,
    list_warnings,
)
from pellucid.own_data.noise_analysis import estimate_sigmas
from pellucid.own_data.sources import Sources
from pellucid.own_data.validate_files import SkippedFile

from .conftest import scene, with_noise


def both(folder):
    return Sources((folder / "noisy",), folder / "clean")


def test_pairs_are_listed_with_whole_groups_held_out(pairs, save):
    for number in range(10):
        save(f"noisy/{number}b.png", with_noise(scene(number), 100 + number))
        shutil.copy(pairs / "clean" / f"{number}.png", pairs / "clean" / f"{number}b.png")
    analysis = analyze(both(pairs), DatasetOptions())
    files = analysis.file_list()
    assert (files.kind, files.channels, files.dtype, files.data_range) == ("pairs", 1, "uint8", 255)
    assert len(files.entries) == 20 and analysis.patch == 48
    splits = {}
    for entry in files.entries:
        splits.setdefault(entry.group, set()).add(entry.split)
    assert len(splits) == 10 and all(len(names) == 1 for names in splits.values())
    assert sum(entry.split == "validation" for entry in files.entries) == 4
    assert (
        analysis.noise.sigma == pytest.approx(0.1, rel=0.1)
        and analysis.noise.axis == "none"
        and not analysis.noise_analysis.swapped
    )


def test_groups_by_name_and_another_fraction(pairs):
    analysis = analyze(both(pairs), DatasetOptions(group_by=r"[02468]|odd|\d", validation=0.5))
    assert len(set(analysis.groups)) == 10 and len(analysis.validation_groups) == 5
    with pytest.raises(PellucidError, match="leaves nothing to hold out"):
        analyze(both(pairs), DatasetOptions(group_by=r"png"))
    with pytest.raises(UsageError, match=r"--validation 1\.5"):
        DatasetOptions(validation=1.5)


def test_swapped_folders_are_detected(pairs):
    assert analyze(Sources((pairs / "clean",), pairs / "noisy"), DatasetOptions()).noise_analysis.swapped


def test_images_stretched_to_the_peaks_of_their_noise_are_detected(save, tmp_path):
    for number in range(6):
        noisy = with_noise(0.5 * scene(number, 128, 128), number, 0.08)
        save(f"n/{number}.png", np.clip(noisy / np.quantile(noisy, 0.998), 0, 1))
    assert analyze(Sources((tmp_path / "n",)), DatasetOptions()).noise_analysis.stretched


def test_a_bad_file_is_skipped_and_too_many_are_an_error(pairs):
    (pairs / "noisy" / "3.png").write_bytes(b"nothing")
    analysis = analyze(both(pairs), DatasetOptions())
    assert len(analysis.images) == 9 and [file.file.name for file in analysis.skipped] == ["3.png"]
    assert analysis.file_list().skipped[0][0].endswith("3.png")
    (pairs / "noisy" / "4.png").write_bytes(b"nothing")
    with pytest.raises(PellucidError, match=r"2 of 10 images cannot be used.*the first: .*3\.png"):
        analyze(both(pairs), DatasetOptions())


def test_mixed_depths_and_channels(pairs, save):
    save("noisy/3.png", with_noise(scene(3), 3), "uint16", 65535)
    save("clean/3.png", scene(3), "uint16", 65535)
    assert "most others uint8" in analyze(both(pairs), DatasetOptions()).skipped[0].reason
    shutil.rmtree(pairs / "clean")
    save("noisy/3.png", with_noise(scene(3, channels=3), 3))
    assert "has 3 channel(s), most others 1" in analyze(Sources((pairs / "noisy",)), DatasetOptions()).skipped[0].reason


def test_gray_images_among_color_images_are_kept(save, tmp_path):
    for number in range(6):
        save(f"c/{number}.png", scene(number, channels=1 if number == 2 else 3))
    analysis = analyze(Sources((), tmp_path / "c", ("gaussian(sigma=25)",)), DatasetOptions())
    assert analysis.channels == 3 and len(analysis.images) == 6 and not analysis.skipped


def test_the_patch_shrinks_for_small_images_and_the_smallest_are_skipped(save, tmp_path):
    for number in range(30):
        save(f"c/{number}.png", scene(number, 40 if number else 8, 50))
    analysis = analyze(Sources((), tmp_path / "c", ("gaussian(sigma=25)",)), DatasetOptions())
    assert analysis.patch == 24 and "50x8, smaller than the patch of 24" in analysis.skipped[0].reason
    with pytest.raises(PellucidError, match="30 of 30 images cannot be used"):
        analyze(Sources((), tmp_path / "c", ("gaussian(sigma=25)",)), DatasetOptions(patch=64))


@pytest.mark.parametrize(
    ("dtype", "scale", "data_range"),
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
def test_the_data_range_follows_the_largest_value(save, tmp_path, dtype, scale, data_range):
    for number in range(4):
        save(f"n/{number}.tif", with_noise(scene(number), number, 0.02), dtype, scale)
    analysis = analyze(Sources((tmp_path / "n",)), DatasetOptions())
    maximum = max(image.maximum for image in analysis.images)
    assert maximum <= analysis.data_range * 1.1
    assert analysis.data_range == (data_range or pytest.approx(maximum, rel=0.1))


def test_captures_have_half_of_the_squared_difference_each(save, tmp_path):
    for number in range(5):
        for seed, folder in enumerate(("a", "b")):
            save(f"{folder}/{number}.png", with_noise(scene(number), 10 * number + seed, 0.08))
    analysis = analyze(Sources((tmp_path / "a", tmp_path / "b")), DatasetOptions())
    assert analysis.sources.kind == "captures" and analysis.noise.sigma == pytest.approx(0.08, rel=0.1)
    assert all(entry.second_capture and entry.clean is None for entry in analysis.file_list().entries)


def test_noise_that_hides_the_image_is_refused(pairs):
    with pytest.raises(UsageError, match=r"gaussian\(sigma=1000\) leaves nothing of"):
        analyze(Sources((), pairs / "clean", ("gaussian(sigma=1000)",)), DatasetOptions())
    analysis = analyze(Sources((), pairs / "clean", ("gaussian(sigma=20)",)), DatasetOptions())
    assert analysis.noise.sigma == pytest.approx(20 / 255, rel=0.1)


def test_one_noisy_image_is_trained_on_and_held_out_and_one_pair_is_too_few(save, tmp_path):
    save("n/1.png", with_noise(scene(0), 0))
    save("c/1.png", scene(0))
    analysis = analyze(Sources((tmp_path / "n",)), DatasetOptions())
    assert analysis.has_one_group and analysis.num_training_pixels == 64 * 64
    assert [entry.split for entry in analysis.file_list().entries] == ["train", "validation"]
    with pytest.raises(PellucidError, match="holds one image, which leaves nothing to hold out"):
        analyze(both_of(tmp_path), DatasetOptions())


def both_of(folder):
    return Sources((folder / "n",), folder / "c")


def test_a_color_network_gets_gray_images_in_three_channels(pairs):
    assert analyze(both(pairs), DatasetOptions(channels=(3,))).file_list().channels == 3
    with pytest.raises(UsageError, match="--from names a network of 4 channels, the images have 1"):
        analyze(both(pairs), DatasetOptions(channels=(4,)))


def test_the_sigmas_are_those_that_a_denoiser_estimates(pairs):
    analysis = analyze(both(pairs), DatasetOptions())
    sigmas = estimate_sigmas(analysis.images, analysis.data_range)
    np.testing.assert_allclose(np.array(sigmas), 0.1, atol=0.03)
    assert analysis.file_list(sigmas).entries[0].sigma == sigmas[0]


def test_nothing_is_written_into_the_folders(pairs):
    before = {path: path.stat().st_mtime_ns for path in pairs.rglob("*")}
    analyze(both(pairs), DatasetOptions())
    assert {path: path.stat().st_mtime_ns for path in pairs.rglob("*")} == before


@pytest.fixture
def pair_analysis(pairs):
    return analyze(Sources((pairs / "noisy",), pairs / "clean"), DatasetOptions())


def test_the_dataset_is_described_in_three_lines(pair_analysis, pairs):
    files, noise, held_out = describe_dataset(pair_analysis)
    assert files == f"10 pairs in {pairs / 'noisy'} and {pairs / 'clean'}, 64x64, gray, 8 bits, white at 255"
    assert noise.startswith("noise of 25") and "independent from pixel to pixel, the same in dark and bright" in noise
    assert held_out.startswith("2 of 10 images are held out;")
    assert list_warnings(pair_analysis) == []


def test_the_kind_of_noise_is_described(pair_analysis):
    noise = dataclasses.replace(
        pair_analysis.noise,
        axis="rows",
        correlation_length=(2, 0),
        is_signal_dependent=True,
        sigma_dark=0.02,
        sigma_bright=0.1,
        mean_shift=-0.1,
        impulse_fraction=0.03,
    )
    text = describe_noise(noise)
    assert "correlated from left to right (over 2 pixels)" in text
    assert "5.1 where it is dark and 25.5 where it is bright" in text
    assert "25.5 darker than the clean images" in text and "3.0% of the pixels are black or white dots" in text


def test_warnings_name_possible_problems(pair_analysis, tmp_path):
    bad = tuple(SkippedFile(tmp_path / f"{number}.png", f"{number}.png is cut short") for number in range(7))
    noise_analysis = dataclasses.replace(pair_analysis.noise_analysis, swapped=True, stretched=True)
    lines = list_warnings(
        dataclasses.replace(
            pair_analysis, skipped=bad, unmatched=(tmp_path / "x.png",), num_unread=9, noise_analysis=noise_analysis
        )
    )
    assert "are --noisy and --clean swapped?" in lines[0]
    assert lines[1] == "10 of 17 used, 7 skipped:" and lines[2] == "  0.png is cut short"
    assert lines[7] == "  and 2 more, in files.json"
    assert "x.png not matched" in lines[8] and lines[9].startswith("9 more images were not read")
    assert "stretched to the peaks of their noise" in lines[10]


def test_sizes_from_the_smallest_to_the_largest():
    assert format_sizes([(3, 4), (3, 4)]) == "3x4"
    assert format_sizes([(481, 321), (321, 481), (481, 321)]) == "321x481 and 481x321"
    assert format_sizes([(30, 4), (3, 4), (300, 400)]) == "3x4 to 300x400"
