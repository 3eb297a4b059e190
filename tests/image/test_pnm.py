"""PNM of any depth, plain or raw."""

import numpy as np
import pytest

from pellucid.image import read_image, write_image

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize(("shape", "top"), [((5, 7), 255), ((5, 7, 3), 255), ((5, 7), 1023), ((5, 7, 3), 65_535)])
def test_pnm_of_any_depth_plain_or_raw(tmp_path, text, shape, top):
    values = RNG.integers(0, top + 1, shape)
    mark = {(2, False): 5, (3, False): 6, (2, True): 2, (3, True): 3}[(len(shape), text)]
    body = (
        " ".join(map(str, values.ravel())).encode() if text else values.astype(">u2" if top > 255 else "u1").tobytes()
    )
    (tmp_path / "a.pnm").write_bytes(f"P{mark}\n# by hand\n7 5 #x\n{top}\n".encode() + body)
    found = read_image(tmp_path / "a.pnm")
    full = 255 if top == 255 else 65_535
    np.testing.assert_array_equal(found.pixels, np.rint(values * (full / top)))
    assert found.bit_depth == top.bit_length()


def test_a_plain_bitmap(tmp_path):
    (tmp_path / "a.pbm").write_bytes(b"P1\n3 2\n101\n0 1 0\n")
    np.testing.assert_array_equal(read_image(tmp_path / "a.pbm").pixels, [[0, 255, 0], [255, 0, 255]])


@pytest.mark.parametrize("mark", [b"P2", b"P3"])
def test_comments_among_the_values_are_passed_over(tmp_path, mark):
    values = b"1 2 # first row\n3\n" * (1 if mark == b"P2" else 3)
    (tmp_path / "a.pnm").write_bytes(mark + b"\n3 1\n255\n" + values)
    assert read_image(tmp_path / "a.pnm").pixels.ravel().tolist() == [1, 2, 3] * (1 if mark == b"P2" else 3)


def test_several_images_in_a_file_are_refused(refusal, random, tmp_path):
    write_image(tmp_path / "a.ppm", random((4, 5, 3)))
    data = (tmp_path / "a.ppm").read_bytes()
    (tmp_path / "a.ppm").write_bytes(data * 2)
    assert "several images" in refusal(read_image, tmp_path / "a.ppm")
    (tmp_path / "a.ppm").write_bytes(data + b"\n")
    assert read_image(tmp_path / "a.ppm").pixels.shape == (4, 5, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"P2\n2 2\n9\n1 2 3 10", "up to 10, not 9"),
        (b"P2\n2 2\n9\n1 2 3", "too few for 4 samples"),
        (b"P2\n2 2\n9\n1 2      3", "it holds 3 of 4 samples"),
        (b"P2\n2 2\n9\n1 2 3 -4", "cut short or damaged"),
        (b"P2\n2 2\n9\n1 2 3 x", "cut short or damaged"),
        (b"P1\n2 2\n1 0 1 7", "up to 7, not 1"),
        (b"P1\n2 2\n1 0 1", "too few for 4 samples"),
        (b"P3\n15000 15000\n255\n1 2 3", "too few for 675000000 samples"),
    ],
)
def test_plain_samples_that_are_missing_or_cannot_be_are_said(refusal, tmp_path, text, words):
    (tmp_path / "a.pnm").write_bytes(text)
    assert words in refusal(read_image, tmp_path / "a.pnm")
