"""What everyone expects of the networks that ship for pages and for JPEG files, whatever they were last trained on."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid import registry
from pellucid.data.dead_leaves import dead_leaves
from pellucid.data.pages import render_page
from pellucid.inference.denoiser import Denoiser
from pellucid.noise.document import Document

pytestmark = pytest.mark.filterwarnings("ignore:pages are set")
WIDTH, HEIGHT = 320, 200


@pytest.fixture(scope="module")
def document() -> Denoiser:
    return Denoiser.load("document", engine="onnxruntime", threads=1)


@pytest.fixture(scope="module")
def jpeg() -> Denoiser:
    return Denoiser.load("jpeg", engine="onnxruntime", threads=1)


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    """Print (200, 320), black on white."""
    return np.ascontiguousarray(render_page(3, WIDTH, HEIGHT, 20)[0][..., 0])


def damaged(page: np.ndarray, kind: str) -> np.ndarray:
    noise = Document(kinds=(kind,), probability=1.0, strength=(0.7, 0.7), scale=(1.0, 1.0))
    noisy, _ = noise(torch.from_numpy(page).float().div(255)[None, None], torch.Generator().manual_seed(5))
    return noisy[0, 0].clamp(0, 1).mul(255).round().to(torch.uint8).numpy()


def rmse(image: np.ndarray, clean: np.ndarray) -> float:
    return float(np.sqrt(np.mean((image.astype(float) - clean) ** 2)) / 255)


def coded(image: np.ndarray, quality: int) -> np.ndarray:
    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


@pytest.mark.parametrize("kind", ["stains", "light", "shadow", "wrinkles", "water"])
def test_damage_goes_and_print_stays(document, page, kind):
    noisy = damaged(page, kind)
    denoised = document(noisy)
    assert rmse(denoised, page) < 0.5 * rmse(noisy, page)
    assert denoised[page < 30].mean() < 60 and denoised[page > 250].mean() > 245


def test_a_clean_page_stays_as_it_is_in_gray_and_in_color(document, page):
    assert rmse(document(page), page) < 0.02
    blue = np.stack([page, page, np.maximum(page, 120)], axis=-1)
    denoised = document(blue, channel_axis=-1)
    assert rmse(denoised, blue) < 0.06
    ink = denoised[page < 30].mean(0)
    assert ink[2] > ink[0] + 60


@pytest.mark.parametrize("quality", [10, 30])
def test_blocks_go_at_any_quality_in_gray_and_in_color(jpeg, quality):
    clean = np.ascontiguousarray(dead_leaves(np.random.default_rng(5), 128).transpose(1, 2, 0))
    for image, axis in ((clean, -1), (np.asarray(Image.fromarray(clean).convert("L")), None)):
        noisy = coded(image, quality)
        assert rmse(jpeg(noisy, channel_axis=axis), image) < 0.95 * rmse(noisy, image)


def test_what_was_never_coded_stays_as_it_is(jpeg):
    clean = np.ascontiguousarray(dead_leaves(np.random.default_rng(6), 128).transpose(1, 2, 0))
    assert rmse(jpeg(clean, channel_axis=-1), clean) < 0.02


@pytest.mark.parametrize("name", ["document", "jpeg"])
def test_engines_agree(name, page):
    first, *others = (
        Denoiser.load(name, engine=engine, threads=1)(page.astype(np.float32) / 255)
        for engine in registry.names("engine")
    )
    for other in others:
        np.testing.assert_allclose(other, first, atol=1 / 255)
