"""Folders of tiny images: scenes of soft discs, and noisy captures of them."""

from pathlib import Path

import numpy as np
import pytest

from pellucid.image import write_image


def scene(seed: int, height: int = 64, width: int = 64, channels: int = 1) -> np.ndarray:
    """Return (H, W) or (H, W, C) in [0.1, 0.9], smooth and different for every seed."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    light = np.full((height, width, channels), 0.2)
    for _ in range(6):
        top, left = rng.uniform(0, height), rng.uniform(0, width)
        disc = np.exp(-((rows - top) ** 2 + (columns - left) ** 2) / (2 * rng.uniform(4, 12) ** 2))
        light += disc[..., None] * rng.uniform(0.1, 0.5, channels)
    return np.clip(light, 0.1, 0.9)[..., 0] if channels == 1 else np.clip(light, 0.1, 0.9)


def with_noise(light: np.ndarray, seed: int, sigma: float = 0.1) -> np.ndarray:
    return light + np.random.default_rng((seed, 1)).normal(0, sigma, light.shape)


def bits(light: np.ndarray, dtype: str = "uint8", data_range: float = 255) -> np.ndarray:
    """Return light in [0, 1] as samples of a dtype."""
    if dtype == "float32":
        return (light * data_range).astype(np.float32)
    return np.clip(np.rint(light * data_range), 0, np.iinfo(dtype).max).astype(dtype)


@pytest.fixture
def save(tmp_path):
    """Write an array of light as an image below the test's folder; returns the path."""

    def save(name: str, light: np.ndarray, dtype: str = "uint8", data_range: float = 255) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, bits(light, dtype, data_range), overwrite=True)
        return path

    return save


@pytest.fixture
def pairs(save, tmp_path):
    """Ten pairs in `noisy` and `clean`, with white noise of sigma 0.1; returns their parent folder."""
    for number in range(10):
        light = scene(number)
        save(f"clean/{number}.png", light)
        save(f"noisy/{number}.png", with_noise(light, number))
    return tmp_path
