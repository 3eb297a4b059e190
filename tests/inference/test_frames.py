import warnings

import numpy as np
import pytest

from pellucid.errors import UsageError
from pellucid.inference.frames import Frames, fill_nonfinite

ALL = slice(None)


@pytest.mark.parametrize(
    ("shape", "axis", "seen"),
    [
        ((5, 7), None, (1, 1, 5, 7)),
        ((2, 5, 7), None, (2, 1, 5, 7)),
        ((5, 7, 3), -1, (1, 3, 5, 7)),
        ((3, 5, 7), 0, (1, 3, 5, 7)),
        ((2, 5, 7, 3), 3, (2, 3, 5, 7)),
        ((2, 3, 5, 7), 1, (2, 3, 5, 7)),
        ((3, 2, 5, 7), 0, (2, 3, 5, 7)),
        ((5, 7, 4), -1, (1, 3, 5, 7)),
    ],
)
def test_reading_and_writing_back_gives_the_array(shape, axis, seen):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    frames = Frames(image, axis)
    assert frames.shape == seen and frames.data_range == 1
    for page in range(seen[0]):
        planes = frames.read(page, ALL, ALL)
        assert planes.shape == (1, *seen[1:]) and planes.dtype == np.float32
        frames.write(page, 0, 0, planes + 1)
    changed = np.ones_like(image)
    if 4 in shape:
        changed[..., 3] = 0
    assert np.array_equal(frames.result, image + changed)


def test_parts_are_read_and_written_where_they_lie():
    image = np.arange(150 * 9, dtype=np.uint16).reshape(150, 9)
    frames = Frames(image, data_range=1000)
    part = frames.read(0, slice(10, 140), slice(2, 8))
    np.testing.assert_allclose(part[0, 0], image[10:140, 2:8] / 1000, rtol=1e-6)
    frames.write(0, 10, 2, np.zeros_like(part))
    expected = image.copy()
    expected[10:140, 2:8] = 0
    assert np.array_equal(frames.result, expected)


def test_a_stack_has_one_range_and_alpha_no_say_in_it():
    stack = np.full((2, 8, 8), 3000, np.uint16)
    assert Frames(stack).data_range == 4095
    stack[1, 0, 0] = 5000
    assert Frames(stack).data_range == 65535
    twelve = np.full((8, 8, 4), 65535, np.uint16)
    twelve[..., :3] = 3000
    assert Frames(twelve, -1).data_range == 4095
    assert Frames(twelve, -1, has_alpha=False).data_range == 65535


def test_integers_are_rounded_and_end_at_their_bounds_and_half_floats_too():
    frames = Frames(np.zeros((1, 4), np.uint8))
    frames.write(0, 0, 0, np.array([[[[-1, 0.5, 0.999, 2]]]], np.float32))
    assert frames.result.tolist() == [[0, 128, 255, 255]]
    half = Frames(np.zeros((1, 2), np.float16))
    half.write(0, 0, 0, np.array([[[[-1e9, 1e9]]]], np.float32))
    assert half.result.tolist() == [[-65504, 65504]]


def test_nonfinite_values_are_filled_in_with_one_warning():
    image = np.full((4, 4), 0.5)
    image[1, 1], image[3, 3] = np.nan, 1e300
    frames = Frames(image, name="a.tif")
    with pytest.warns(RuntimeWarning, match=r"a.tif holds values that are not finite"):
        assert (frames.read(0, ALL, ALL) == 0.5).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames.read(0, ALL, ALL)


@pytest.mark.parametrize(("shape", "axis"), [((0, 0), None), ((0, 5), None), ((5, 0, 3), -1), ((0, 5, 5), None)])
def test_no_pixels_are_an_error(shape, axis):
    with pytest.raises(UsageError, match="give one with at least 1x1 pixels"):
        Frames(np.zeros(shape), axis)


@pytest.mark.parametrize(
    ("shape", "axis"), [((8,), None), ((2, 2, 8, 8), None), ((2, 2, 2, 8, 8), -1), ((8, 8), 5), ((8, 8), -1)]
)
def test_arrays_that_are_no_images_are_refused(shape, axis):
    with pytest.raises(UsageError, match=r"a.png is an array of shape .* which is no image"):
        Frames(np.zeros(shape), axis, name="a.png")


def test_a_color_image_without_its_axis_is_refused():
    with pytest.raises(UsageError, match="looks like color: pass channel_axis=-1"):
        Frames(np.zeros((8, 8, 3)))


@pytest.mark.parametrize("values", [np.zeros((8, 8), complex), np.full((8, 8), "a"), np.full((8, 8), None)])
def test_values_that_are_no_numbers_are_refused(values):
    with pytest.raises(UsageError, match="holds values of type"):
        Frames(values)


@pytest.mark.parametrize("data_range", [0, -1, float("inf"), float("nan")])
def test_invalid_data_ranges_are_refused(data_range):
    with pytest.raises(UsageError, match="data_range is"):
        Frames(np.zeros((8, 8)), data_range=data_range)


def test_finite_images_are_left_alone():
    planes = np.random.default_rng(0).random((2, 3, 5, 7), dtype=np.float32)
    assert fill_nonfinite(planes) is planes


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (64, 64)])
def test_a_hole_takes_the_mean_of_its_neighbourhood(value, size):
    planes = np.full((1, 2, *size), 0.25, np.float32)
    planes[0, 0, -1, -1] = value
    filled = fill_nonfinite(planes)
    assert filled.dtype == np.float32 and filled.shape == planes.shape
    wanted = 0 if size == (1, 1) else 0.25
    assert filled[0, 0, -1, -1] == pytest.approx(wanted)
    assert np.array_equal(filled[0, 1], planes[0, 1])


def test_finite_values_stay_to_the_bit_and_the_fill_lies_between_its_neighbors():
    rng = np.random.default_rng(0)
    planes = rng.random((1, 1, 33, 47), dtype=np.float32)
    holes = rng.random(planes.shape) < 0.3
    holes[..., 8:24, 8:24] = True
    broken = np.where(holes, np.float32(np.nan), planes)
    filled = fill_nonfinite(broken)
    assert np.array_equal(filled[~holes], planes[~holes])
    assert np.isfinite(filled).all() and filled.min() >= 0 and filled.max() <= 1


def test_a_channel_without_a_finite_value_becomes_black():
    planes = np.full((1, 2, 6, 6), np.nan, np.float32)
    planes[:, 1] = 1
    filled = fill_nonfinite(planes)
    assert not filled[:, 0].any() and (filled[:, 1] == 1).all()
