import dataclasses

import pytest

from pellucid.own_data import summary
from pellucid.own_data.analysis import Wishes, look
from pellucid.own_data.sources import Sources
from pellucid.own_data.validate_files import LeftOut


@pytest.fixture
def findings(pairs):
    return look(Sources((pairs / "noisy",), pairs / "clean"), Wishes())


def test_what_was_found_is_told_in_three_lines(findings, pairs):
    files, noise, held_out = summary.found(findings)
    assert files == f"10 pairs in {pairs / 'noisy'} and {pairs / 'clean'}, 64x64, gray, 8 bits, white at 255"
    assert noise.startswith("noise of 25") and "independent from pixel to pixel, alike in dark and bright" in noise
    assert held_out.startswith("2 of 10 images are held out;")
    assert summary.remarks(findings) == []


def test_the_kind_of_noise_is_told(findings):
    kind = dataclasses.replace(
        findings.noise, axis="rows", reach=(2, 0), depends=True, dark=0.02, bright=0.1, shift=-0.1, impulses=0.03
    )
    told = summary.noise(dataclasses.replace(findings, look=dataclasses.replace(findings.look, noise=kind)))
    assert "correlated from left to right (over 2 pixels)" in told
    assert "5.1 where it is dark and 25.5 where it is bright" in told
    assert "25.5 darker than the clean images" in told and "3.0% of the pixels are black or white dots" in told


def test_remarks_name_what_may_be_mended(findings, tmp_path):
    bad = tuple(LeftOut(tmp_path / f"{number}.png", f"{number}.png is cut short") for number in range(7))
    look = dataclasses.replace(findings.look, swapped=True, stretched=True)
    told = summary.remarks(
        dataclasses.replace(findings, left_out=bad, alone=(tmp_path / "x.png",), unread=9, look=look)
    )
    assert "are --noisy and --clean swapped?" in told[0]
    assert told[1] == "10 of 17 used, 7 left out:" and told[2] == "  0.png is cut short"
    assert told[7] == "  and 2 more, in files.json"
    assert "x.png not matched" in told[8] and told[9].startswith("9 more images were not read")
    assert "stretched to the peaks of their noise" in told[10]


def test_sizes_from_the_smallest_to_the_largest():
    assert summary.sizes([(3, 4), (3, 4)]) == "3x4"
    assert summary.sizes([(481, 321), (321, 481), (481, 321)]) == "321x481 and 481x321"
    assert summary.sizes([(30, 4), (3, 4), (300, 400)]) == "3x4 to 300x400"
