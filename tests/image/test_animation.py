"""Animations: stacks that come back as animations, frame for frame."""

import numpy as np
import pytest
from PIL import Image

from pellucid.image import read_image, write_image

KINDS = ["png", "webp", "avif"]


@pytest.fixture
def animated(tmp_path, icc, exif_block):
    def animated(frames, suffix, **options):
        pictures = [Image.fromarray(frame) for frame in frames]
        quality = {"quality": 100} if suffix == "avif" else {"lossless": True, "exact": True, "allow_mixed": False}
        path = tmp_path / f"a.{suffix}"
        pictures[0].save(path, save_all=True, append_images=pictures[1:], icc_profile=icc, **quality, **options)
        return path

    return animated


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("channels", [3, 4])
def test_frames_times_and_loop_come_back(again, random, icc, animated, suffix, channels):
    path = animated(random((3, 16, 24, channels)), suffix, duration=[100, 40, 250], loop=3)
    found = read_image(path)
    assert found.is_stack and found.pixels.shape == (3, 16, 24, 3) and found.channel_axis == -1
    assert found.native.durations == (100, 40, 250)
    written = again(found)
    assert written.native.durations == (100, 40, 250) and written.icc == icc
    if suffix == "avif":
        assert written.pixels.shape == found.pixels.shape
        return
    assert written.native.loop == found.native.loop == 3
    seen = True if found.alpha is None else found.alpha > 0
    assert ((written.pixels == found.pixels).all(axis=-1) | ~np.asarray(seen)).all()
    if channels == 4:
        np.testing.assert_array_equal(written.alpha, found.alpha)


def test_gray_frames_stay_gray(again, random, animated):
    found = read_image(animated(random((3, 16, 24)), "png", duration=50))
    assert found.pixels.shape == (3, 16, 24) and found.channel_axis is None
    np.testing.assert_array_equal(again(found).pixels, found.pixels)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_equal_frames_are_shown_as_long_as_before(again, random, animated, suffix):
    found = read_image(animated(random((4, 16, 24, 3)), suffix, duration=50))
    flat = np.full_like(found.pixels, 80)
    flat[3] = 90
    written = again(found, pixels=flat)
    assert sum(written.native.durations) == 200 and written.native.durations[-1] == 50
    assert (written.pixels[-1] == 90).all() and (written.pixels[:-1] == 80).all()


def test_an_image_for_readers_without_animations_stays_apart(again, random, animated):
    found = read_image(animated(random((3, 16, 24, 3)), "png", default_image=True, duration=[30, 60]))
    assert found.native.default_image and len(found.pixels) == 3
    written = again(found)
    assert written.native.default_image
    np.testing.assert_array_equal(written.pixels, found.pixels)


def test_an_animation_becomes_pages_but_no_other_format(refusal, random, animated, tmp_path):
    found = read_image(animated(random((3, 16, 24, 4)), "webp"))
    write_image(tmp_path / "b.tif", found.pixels, like=found)
    pages = read_image(tmp_path / "b.tif")
    np.testing.assert_array_equal(pages.pixels, found.pixels)
    np.testing.assert_array_equal(pages.alpha, found.alpha)
    for suffix in ("png", "bmp"):
        message = refusal(write_image, tmp_path / f"b.{suffix}", found.pixels, like=found)
        assert "a stack of 3" in message and "write TIFF" in message


@pytest.mark.parametrize("suffix", KINDS)
def test_all_frames_count_against_the_limits(refusal, random, animated, suffix):
    path = animated(random((3, 16, 24, 3)), suffix)
    assert "3 frames of 24x16" in refusal(read_image, path, max_pixels=3 * 16 * 24 - 1)
    assert "more than the 2 allowed" in refusal(read_image, path, max_frames=2)
    assert len(read_image(path, max_pixels=3 * 16 * 24, max_frames=3).pixels) == 3


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("keep", [0.3, 0.8])
def test_an_animation_cut_short_is_named(refusal, random, animated, suffix, keep):
    path = animated(random((3, 16, 24, 3)), suffix)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    assert str(path) in refusal(read_image, path)
