import math

import numpy as np
import pytest

import pellucid
from pellucid.errors import PellucidError
from pellucid.inference import noise_estimation
from pellucid.inference.frames import Frames
from pellucid.inference.noise_estimation import combine_tiles, estimate_sigma, tile_positions
from pellucid.weights import catalog

needs_network = pytest.mark.skipif(noise_estimation.NETWORK not in catalog.cards(), reason="the network is not here")


@pytest.fixture
def std_network(monkeypatch):
    """Stands in for the network: the standard deviation of each tile; returns the tiles that it was called with."""
    shown = []

    def read(tiles):
        shown.extend(tiles)
        return tiles.std(axis=(1, 2, 3)), np.full(len(tiles), 0.1, np.float32)

    monkeypatch.setattr(noise_estimation, "load_estimator", lambda threads: read)
    return shown


def noisy(shape, sigma=0.1, seed=0):
    return (0.5 + sigma * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("image", "axis"),
    [
        (noisy((300, 400)), None),
        (noisy((300, 400, 3)), -1),
        (noisy((30, 3)), None),
        (noisy((3, 90, 500)), None),
        (noisy((200, 200, 5)), -1),
        ((noisy((100, 130)) * 65535).astype(np.uint16), None),
    ],
)
def test_sigma_is_a_fraction_of_the_data_range(std_network, image, axis):
    assert pellucid.estimate_noise(image, axis) == pytest.approx(0.1, rel=0.15)
    assert all(tile.shape[0] == 3 and max(tile.shape) <= 96 for tile in std_network)


def test_gray_is_shown_three_times(std_network):
    estimate_sigma(Frames(noisy((64, 64))))
    assert np.array_equal(std_network[0][0], std_network[0][2])


def test_black_white_and_filled_tiles_do_not_count_unless_all_are(std_network):
    image = noisy((640, 640))
    image[:, :300] = 1
    image[:200] = 0
    image[500:] = 0.25
    assert 0.08 < estimate_sigma(Frames(image)) < 0.2
    assert all(tile.std() > 0.05 for tile in std_network)
    std_network.clear()
    assert estimate_sigma(Frames(np.ones((200, 200), np.float32))) == pytest.approx(0, abs=1e-9)
    assert len(std_network) == 9


@pytest.mark.parametrize(
    "shape", [(1, 3, 1, 1), (1, 1, 64, 64), (1, 3, 4000, 6000), (1, 1, 20, 90000), (100, 1, 512, 512), (5, 3, 300, 200)]
)
def test_places_are_spread_over_pages_rows_and_columns(shape):
    pages, _, height, width = shape
    found = tile_positions(shape)
    assert 1 <= len(found) <= 48 and len(set(found)) == len(found)
    assert all(0 <= page < pages and 0 <= top <= max(0, height - 96) for page, top, _ in found)
    assert all(0 <= left <= max(0, width - 96) for *_, left in found)
    assert found[0][0] == 0 and found[-1][0] == pages - 1
    if height * width > 48 * 200**2:
        assert len(found) > 24
        assert max(left for *_, left in found) > 0.7 * width


def test_sure_tiles_count_more_and_outliers_not_at_all():
    sigmas = np.array([0.1, 0.1, 0.1, 0.1, 0.4])
    assert combine_tiles(sigmas, np.full(5, 0.1)) == pytest.approx(0.1)
    assert combine_tiles(np.array([0.1, 0.12]), np.array([0.01, 1])) == pytest.approx(0.1, rel=0.01)
    assert combine_tiles(np.zeros(3), np.full(3, 0.1)) == pytest.approx(0, abs=1e-9)
    rng = np.random.default_rng(0)
    logs = np.log(0.1 + 0.5 / 255) + 0.2 * rng.standard_normal(48)
    assert combine_tiles(np.exp(logs) - 0.5 / 255, np.full(48, 0.2)) == pytest.approx(0.1, rel=0.1)


def test_votes_count_by_the_inverse_of_their_variance():
    sigmas, log_stds = [0.10, 0.11, 0.12], [0.1, 0.2, 0.3]
    weights = [1 / log_std**2 for log_std in log_stds]
    logs = [math.log(sigma + 0.5 / 255) for sigma in sigmas]
    mean = sum(weight * log for weight, log in zip(weights, logs, strict=True)) / sum(weights)
    sigma = combine_tiles(np.array(sigmas), np.array(log_stds))
    assert sigma == pytest.approx(math.exp(mean) - 0.5 / 255, rel=1e-6)


def test_without_its_network_the_estimate_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(catalog, "FOLDER", tmp_path)
    noise_estimation.load_estimator.cache_clear()
    with pytest.raises(PellucidError, match="noise-level"):
        estimate_sigma(Frames(noisy((9, 9))))


@needs_network
@pytest.mark.parametrize("sigma", [0, 15, 25, 50])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_the_shipped_network_reads_gaussian_noise(sigma, channels):
    ramp = np.linspace(0.2, 0.8, 256, dtype=np.float32) * np.ones((256, 1), np.float32)
    clean = ramp.reshape(256, 256, *(1 for _ in channels)) * np.ones(channels or 1, np.float32)
    image = clean + (sigma / 255 * np.random.default_rng(0).standard_normal(clean.shape)).astype(np.float32)
    image = image if channels else image.reshape(256, 256)
    read = pellucid.estimate_noise(image, -1 if channels else None) * 255
    assert read == pytest.approx(sigma, rel=0.15, abs=1.5)


@pytest.mark.parametrize("odd", [np.inf, np.nan, 1.3, -np.inf])
@pytest.mark.parametrize("log_std", [0.1, np.inf, np.nan, 0.0])
def test_a_level_is_one_that_denoising_takes_whatever_the_network_says(odd, log_std):
    for sigmas in ([odd] * 3, [0.1, 0.1, odd]):
        sigma = combine_tiles(np.array(sigmas, np.float32), np.array([0.1, 0.1, log_std], np.float32))
        assert 0 <= sigma <= 1
