import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.errors import UsageError
from pellucid.inference.tiling import by_columns, pad_planes, plan, stitch


def stitched(tiles, outputs):
    bands = list(stitch(tiles, outputs))
    assert bands[0][0] == 0 and all(a[1] == b[0] for a, b in itertools.pairwise(bands))
    assert all(band.shape[-2] == stop - start for start, stop, band in bands)
    return np.concatenate([band for _, _, band in bands], axis=-2)


@st.composite
def layouts(draw):
    multiple_of = draw(st.sampled_from([1, 2, 4, 8]))
    tile = multiple_of * draw(st.integers(1, 12))
    overlap = draw(st.integers(0, tile - multiple_of))
    return draw(st.integers(1, 130)), draw(st.integers(1, 130)), tile, overlap, multiple_of


def spans(tiles):
    return [sorted({(tile.top, tile.bottom) for tile in tiles}), sorted({(tile.left, tile.right) for tile in tiles})]


@given(layouts())
def test_weights_sum_to_one_everywhere(layout):
    height, width = layout[:2]
    total = np.zeros((height, width))
    for tile in plan(*layout):
        weights = np.outer(tile.row_weights, tile.column_weights)
        assert weights.min() >= 0
        total[tile.top : tile.bottom, tile.left : tile.right] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(layouts())
def test_tiles_lie_on_the_grid_within_the_image_and_overlap_enough(layout):
    height, width, tile, overlap, multiple_of = layout
    for length, axis in zip((height, width), spans(plan(*layout)), strict=True):
        assert axis[0][0] == 0 and axis[-1][1] == length
        assert len({start for start, _ in axis}) == len(axis)
        for start, stop in axis:
            assert start % multiple_of == 0 and 0 < stop - start <= tile
            assert stop - start == axis[0][1] or stop == length
        for (_, stop), (start, _) in itertools.pairwise(axis):
            assert stop - start >= min(overlap, length - start)


@given(layouts())
def test_cropping_and_stitching_gives_the_image_back(layout):
    image = np.random.default_rng(0).random((2, 3, *layout[:2]), dtype=np.float32)
    tiles = plan(*layout)
    np.testing.assert_allclose(stitched(tiles, (tile.crop(image) for tile in tiles)), image, atol=1e-6)


def blur(image, reach):
    """A filter that sees `reach` pixels and takes zeros beyond the border, as a convolution does."""
    sides = [(0, 0)] * (image.ndim - 2) + [(reach, reach)] * 2
    padded, size = np.pad(image, sides), 2 * reach + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(-2, -1))
    return windows.mean(axis=(-2, -1))


@given(layouts().filter(lambda layout: layout[3] >= 3))
def test_tiled_equals_whole_for_what_sees_a_third_of_the_overlap(layout):
    height, width, _, overlap, _ = layout
    reach = min(overlap // 3, 4)
    image = np.random.default_rng(1).random((1, 1, height, width), dtype=np.float32)
    tiles = plan(*layout)
    outputs = [blur(tile.crop(image), reach) for tile in tiles]
    np.testing.assert_allclose(stitched(tiles, outputs), blur(image, reach), atol=1e-5)


def test_networks_with_strides_see_the_same_grid():
    image = np.random.default_rng(0).random((1, 1, 83, 61), dtype=np.float32)

    def halved_and_back(part):
        rows, columns = part.shape[-2:]
        padded = np.pad(part, [(0, 0), (0, 0), (0, -rows % 4), (0, -columns % 4)], mode="edge")
        coarse = padded[..., ::4, ::4]
        return coarse.repeat(4, -2).repeat(4, -1)[..., :rows, :columns]

    tiles = plan(83, 61, 32, 8, 4)
    assert len(tiles) > 4
    whole = stitched(tiles, map(halved_and_back, (tile.crop(image) for tile in tiles)))
    np.testing.assert_allclose(whole, halved_and_back(image), atol=1e-6)


def test_blending_leaves_no_seam():
    tiles = plan(8, 96, 48, 24)
    outputs = [np.full((8, 48), value, np.float32) for value in range(len(tiles))]
    row = stitched(tiles, outputs)[0]
    assert np.all(np.diff(row) >= 0) and np.diff(row).max() < 0.2


def test_a_small_image_is_one_tile():
    (tile,) = plan(5, 7, 64, 16, 8)
    assert (tile.top, tile.bottom, tile.left, tile.right) == (0, 5, 0, 7)


def test_tiles_are_no_more_than_needed():
    assert len(plan(512, 512, 256, 0)) == 4
    assert len(plan(512, 512, 256, 1)) == 9


def test_a_crop_is_a_view():
    image = np.zeros((64, 64))
    tile = plan(64, 64, 32, 8)[1]
    assert np.shares_memory(tile.crop(image), image)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 5, 8, 0, 1), "0x5"),
        ((5, 5, 10, 0, 4), "tile=10"),
        ((5, 5, 0, 0, 1), "tile=0"),
        ((5, 5, 8, 8, 1), "overlap=8"),
        ((5, 5, 8, -1, 1), "overlap=-1"),
        ((5, 5, 8, 5, 4), "give 0 to 4"),
    ],
)
def test_sizes_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(UsageError, match=words):
        plan(*arguments)


def test_tiles_are_no_larger_than_needed():
    assert {(tile.right - tile.left) for tile in plan(8, 1200, 1024, 160, 8)} == {680}


def test_bands_are_done_before_the_next_row_of_tiles_is_asked_for():
    tiles = plan(100, 100, 40, 10)
    requested = []

    def outputs():
        for tile in tiles:
            requested.append(tile.top)
            yield np.ones((tile.bottom - tile.top, tile.right - tile.left), np.float32)

    for _, stop, band in stitch(tiles, outputs()):
        assert max(requested) <= stop
        np.testing.assert_allclose(band, 1, atol=1e-6)


@given(layouts())
def test_by_columns_gives_the_same_image(layout):
    image = np.random.default_rng(0).random((2, *layout[:2]), dtype=np.float32)
    tiles = by_columns(plan(*layout))
    bands = list(stitch(tiles, (tile.crop(image) for tile in tiles), columns=True))
    assert all(band.shape[-1] == stop - start for start, stop, band in bands)
    np.testing.assert_allclose(np.concatenate([band for _, _, band in bands], axis=-1), image, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 1), (8, 16), (13, 30)])
def test_padding_mirrors_at_the_right_and_the_bottom(size):
    planes = np.random.default_rng(0).random((2, *size), dtype=np.float32)
    larger = pad_planes(planes, 8, 16)
    assert larger.shape[0] == 2 and all(side % 8 == 0 and side >= 16 for side in larger.shape[1:])
    assert np.array_equal(larger[:, : size[0], : size[1]], planes)
    assert set(larger.ravel()) == set(planes.ravel())
    assert pad_planes(larger, 8, 16) is larger


def test_outputs_that_do_not_match_their_tiles_are_refused():
    tiles = plan(64, 64, 32, 8)
    with pytest.raises(ValueError, match="crop the padding"):
        stitched(tiles, [np.zeros((40, 40))] * len(tiles))
    with pytest.raises(ValueError, match="shorter"):
        stitched(tiles, [np.zeros((tiles[0].bottom, tiles[0].right))])
