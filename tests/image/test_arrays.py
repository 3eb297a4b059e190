import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pellucid.image import data_range_of, from_nchw, range_warning, to_nchw


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.zeros((2, 2), np.uint8), 255),
        (np.array([[9, 40_000]], np.uint16), 65_535),
        (np.array([[9, 4095]], np.uint16), 4095),
        (np.array([[9, 4096]], np.uint16), 65_535),
        (np.zeros((2, 2), np.uint16), 65_535),
        (np.array([[0.5, 1, 30]]), 1),
        (np.array([[np.nan, np.inf, 0.5]]), 1),
        (np.array([[np.nan]]), 1),
        (np.array([[80.0, 120, 200]]), 255),
        (np.array([[80.0, 120, 2000]]), 4095),
        (np.array([[80.0, 120, 60_000]]), 65_535),
        (np.array([[80.0, 1e6, 1e7]]), 1e7),
        (np.array([[True]]), 1),
    ],
)
def test_the_data_range(pixels, expected):
    assert data_range_of(pixels) == expected


@given(
    hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_side=5), elements=st.sampled_from([0, 1, 3, 300, np.nan]))
)
def test_the_data_range_of_floats_follows_their_median(pixels):
    finite = pixels[np.isfinite(pixels)]
    median = np.quantile(finite, 0.5, method="higher") if finite.size else 0
    assert data_range_of(pixels) == (1 if median <= 2 else 255 if finite.max() == 3 else 4095)
    assert data_range_of(pixels[::-1].swapaxes(0, 1)) == data_range_of(pixels)


def test_the_data_range_of_floats_takes_no_memory_that_grows_with_them():
    pixels = np.full((2000, 3000, 3), 80, np.float32)[:, 1:]
    pixels[0, 0] = 4000, np.inf, np.nan
    tracemalloc.start()
    assert data_range_of(pixels) == 4095
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pixels.nbytes / 20


def test_a_guessed_white_is_said():
    def warning(pixels):
        return range_warning(pixels.dtype, data_range_of(pixels))

    assert warning(np.array([[9, 4095]], np.uint16)) == "12 bits in 16: white is taken to be 4095"
    assert warning(np.array([[80.0, 120, 200]])) == "values far above 1: white is taken to be 255"
    for certain in (np.array([[9, 40_000]], np.uint16), np.array([[255]], np.uint8), np.array([[0.5]])):
        assert warning(certain) is None


dtypes = st.sampled_from(["uint8", "uint16", "int16", "float32", "bool"])
sides = st.integers(1, 6)
layouts = st.one_of(
    st.tuples(st.tuples(sides, sides), st.sampled_from([-1, None, 0])),
    st.tuples(st.tuples(sides, sides, sides), st.sampled_from([-1, 0, 1, 2, None])),
    st.tuples(st.tuples(sides, sides, sides, sides), st.sampled_from([-1, 1, 3])),
)


@given(data=st.data(), dtype=dtypes, layout=layouts)
def test_arrays_come_back_as_they_were(data, dtype, layout):
    shape, axis = layout
    finite = st.floats(width=32, allow_nan=False, allow_infinity=False) if dtype == "float32" else None
    pixels = data.draw(hnp.arrays(dtype, shape, elements=finite))
    before = pixels.copy()
    planes = to_nchw(pixels, data_range_of(pixels) if dtype != "float32" else 1.0, axis)
    assert planes.ndim == 4 and planes.dtype == np.float32 and planes.flags.c_contiguous
    back = from_nchw(planes, pixels, data_range_of(pixels) if dtype != "float32" else 1.0, axis)
    assert back.dtype == pixels.dtype
    np.testing.assert_array_equal(back, pixels)
    np.testing.assert_array_equal(pixels, before)


def test_the_axes_are_images_channels_rows_columns():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    planes = to_nchw(pixels, 255)
    assert planes.shape == (2, 3, 5, 7)
    assert planes[1, 2, 3, 4] == np.float32(pixels[1, 3, 4, 2]) / np.float32(255)
    assert to_nchw(pixels[0], 255).shape == (1, 3, 5, 7)
    assert to_nchw(pixels[0, ..., 0], 255).shape == (1, 1, 5, 7)
    assert to_nchw(pixels[..., 0], 255, channel_axis=None).shape == (2, 1, 5, 7)


def test_nothing_is_clipped_but_by_the_dtype():
    assert to_nchw(np.array([[-1.0, 7.0]]), 1.0).tolist() == [[[[-1.0, 7.0]]]]
    values = np.array([-0.4, 0.5, 1.2, np.nan, np.inf], np.float32)[None, None, None]
    assert from_nchw(values, np.zeros((1, 5), np.uint8), 255).tolist() == [[0, 128, 255, 0, 255]]
    assert from_nchw(values, np.zeros((1, 5), np.uint16), 1000).tolist() == [[0, 500, 1200, 0, 65_535]]
    floats = from_nchw(values[..., :3], np.zeros((1, 3), np.float32), 2.0)
    np.testing.assert_allclose(floats, [[-0.8, 1, 2.4]], rtol=1e-6)


@pytest.mark.parametrize(("shape", "axis"), [((4,), -1), ((2, 3, 4, 5), None), ((1, 2, 3, 4, 5), -1)])
def test_other_numbers_of_axes_are_refused(shape, axis):
    with pytest.raises(ValueError, match="is no image"):
        to_nchw(np.zeros(shape), 1.0, axis)
