"""What everyone expects of the networks for photographs that ship, whatever they were last trained on."""

import importlib.util

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pellucid import registry
from pellucid.data.dead_leaves import dead_leaves
from pellucid.inference import noise_estimation
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.frames import Frames
from pellucid.weights import catalog

PHOTO = [name for name in catalog.names() if name.startswith("photo")]
SIDE, STEP = 128, 1 / 255
PAPER, INK = 235, 25
WORDS = "Sphinx of black quartz, judge my vow: 0123456789 jumps over the lazy dog."


@pytest.fixture(scope="module", params=PHOTO)
def denoiser(request) -> Denoiser:
    return Denoiser.load(request.param, engine="onnxruntime", threads=1)


def scene(seed: int) -> np.ndarray:
    """A color image (H, W, 3) with edges and textures of all sizes, white at 1."""
    leaves = dead_leaves(np.random.default_rng(seed), SIDE)
    return leaves.transpose(1, 2, 0).astype(np.float32) / 255


def page(size: int) -> np.ndarray:
    """Lines of print (H, W), `size` pixels high, dark gray on light, white at 1."""
    sheet = Image.new("L", (2 * SIDE, SIDE), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    for line, top in enumerate(range(4, SIDE - size, size * 3 // 2)):
        pen.text((6, top), WORDS[5 * line :], INK, font)
    return np.asarray(sheet, np.float32) / 255


def noisy(clean: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """Add Gaussian noise; `sigma` is for white at 255."""
    return clean + np.float32(sigma * STEP) * np.random.default_rng(seed).standard_normal(clean.shape, np.float32)


def psnr(image: np.ndarray, clean: np.ndarray) -> float:
    return float(-10 * np.log10(np.square(image - clean, dtype=np.float64).mean() + 1e-20))


def contrast(image: np.ndarray, clean: np.ndarray) -> float:
    """How much darker the strokes of a clean page are in an image than its paper."""
    return float(image[clean > 0.9].mean() - image[clean < 0.4].mean())


@pytest.mark.parametrize("size", [11, 14])
def test_small_print_stays_readable(denoiser, size):
    clean = page(size)
    denoised = denoiser(noisy(clean, 15))
    assert psnr(denoised, clean) > psnr(noisy(clean, 15), clean) + 0.5
    assert contrast(denoised, clean) > 0.85 * contrast(clean, clean)
    # A stroke that is lost or a blot that is made up would show where letters are: they stay what varies on the page.
    assert np.corrcoef(denoised.ravel(), clean.ravel())[0, 1] > 0.96


def test_larger_print_survives_strong_noise(denoiser):
    clean = page(22)
    denoised = denoiser(noisy(clean, 50))
    assert psnr(denoised, clean) > psnr(noisy(clean, 50), clean) + 5
    assert contrast(denoised, clean) > 0.8 * contrast(clean, clean)


@pytest.mark.parametrize("seed", range(3))
def test_a_scene_comes_closer_to_its_clean_self(denoiser, seed):
    clean = scene(seed)
    for sigma, gain in ((15, 2), (25, 4), (50, 6)):
        found = denoiser(noisy(clean, sigma), channel_axis=-1)
        assert psnr(found, clean) > psnr(noisy(clean, sigma), clean) + gain


@pytest.mark.parametrize("seed", range(3))
def test_a_clean_image_comes_back_almost_unchanged(denoiser, seed):
    clean = scene(seed)
    assert psnr(denoiser(clean, channel_axis=-1), clean) >= 40
    assert psnr(denoiser(clean[..., 0]), clean[..., 0]) >= 40


@pytest.mark.parametrize("value", [0, 40, 128, 255])
def test_flat_stays_flat(denoiser, value):
    image = np.full((70, 90, 3), value, np.uint8)
    denoised = denoiser(image, channel_axis=-1)
    assert np.abs(denoised.astype(int) - value).max() <= 2
    for sigma in (10, 50):  # a level far too high may move it a little, and never brings out a pattern of its own
        denoised = denoiser(image, sigma * STEP, channel_axis=-1)
        assert np.abs(denoised.astype(int) - value).max() <= sigma / 2 + 2


@pytest.mark.parametrize("value", [0, 0.5, 1])
@pytest.mark.parametrize("sigma", [25, 50])
def test_flat_noise_becomes_flat(denoiser, value, sigma):
    image = noisy(np.full((70, 90, 3), value, np.float32), sigma)
    denoised = denoiser(image, sigma * STEP, channel_axis=-1)
    assert denoised.std() < 5 * STEP
    assert abs(float(denoised.mean(dtype=np.float64)) - value) < 0.005


@pytest.mark.parametrize("sigma", [0, 15, 25])
def test_brightness_is_kept_within_a_thousandth_of_white(denoiser, sigma):
    for seed in range(3):
        image = noisy(scene(seed), sigma)
        denoised = denoiser(image, channel_axis=-1)
        assert abs(float(denoised.mean(dtype=np.float64) - image.mean(dtype=np.float64))) < 0.001


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("engine", [name for name in registry.names("engine") if name != "onnxruntime"])
@pytest.mark.parametrize("model", PHOTO)
def test_engines_agree_on_what_ships(model, engine, channels):
    kind = registry.load("engine", engine)
    if not importlib.util.find_spec(kind.library):
        pytest.skip(f"{kind.library} is not installed")
    reference, other = (
        Denoiser.load(model, engine=name, threads=1, precision="fp32") for name in ("onnxruntime", engine)
    )
    for sigma in (15, 50):
        image = noisy(scene(0)[..., :channels], sigma)
        found, expected = (each(image, sigma * STEP, channel_axis=-1) for each in (other, reference))
        assert np.abs(found - expected).max() < STEP


@pytest.mark.parametrize("sigma", [5, 10, 15, 25, 35, 50])
def test_the_noise_level_is_read_within_a_quarter_in_scenes_and_to_a_factor_in_print(sigma):
    for clean, factor in ((scene(0), 1.25), (scene(1)[..., :1], 1.25), (page(22)[..., None], 1.25), (page(14), 2)):
        frames = Frames(noisy(clean, sigma), -1 if clean.ndim == 3 else None, 1.0)
        assert sigma / factor < noise_estimation.estimate_sigma(frames, threads=1) * 255 < sigma * factor


def test_less_noise_is_read_in_less_noise():
    clean = scene(2)
    read = [
        noise_estimation.estimate_sigma(Frames(noisy(clean, sigma), -1, 1.0), threads=1) for sigma in (0, 5, 10, 25, 50)
    ]
    assert np.all(np.diff(read) > 0) and read[0] < 4 * STEP
