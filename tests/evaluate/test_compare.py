import numpy as np
import pytest

from pellucid.errors import UsageError
from pellucid.evaluate.compare import compare
from pellucid.inference.frames import Frames
from pellucid.metrics.psnr import PSNR
from pellucid.metrics.ssim import SSIM


def pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    reference = rng.random(shape, dtype=np.float32)
    return reference + 0.05 * rng.standard_normal(shape, np.float32), reference


@pytest.mark.parametrize("shape", [(40, 50), (8, 8), (1, 1), (1, 30), (1050, 20)])
def test_the_figures_are_those_of_the_whole_image(shape, monkeypatch):
    monkeypatch.setattr("pellucid.evaluate.compare.ROWS", 64)
    image, reference = pair(shape)
    found = compare(Frames(image), Frames(reference))
    assert found.psnr == pytest.approx(float(PSNR()(image[None, None], reference[None, None])[0]), abs=1e-6)
    assert found.ssim == pytest.approx(float(SSIM()(image[None, None], reference[None, None])[0]), abs=1e-6)
    assert found.rmse == pytest.approx(float(np.sqrt(np.square(image - reference).mean())))
    assert found.max_difference == pytest.approx(float(np.abs(image - reference).max()))
    assert found.mean_shift == pytest.approx(float((image - reference).mean()), abs=1e-7)


def test_colors_and_stacks():
    image, reference = pair((2, 30, 31, 3))
    found = compare(Frames(image, -1), Frames(reference, -1))
    pages = [compare(Frames(image[page], -1), Frames(reference[page], -1)) for page in range(2)]
    assert found.psnr == pytest.approx(np.mean([page.psnr for page in pages]))
    assert found.ssim == pytest.approx(sum(page.ssim or 0 for page in pages) / 2)


def test_identical_images_of_two_depths():
    image = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    found = compare(Frames(image), Frames(image.astype(np.uint16) * 257))
    assert found.psnr > 120 and found.ssim == pytest.approx(1)
    assert compare(Frames(image), Frames(image)).psnr == float("inf")


def test_without_scipy_there_is_no_ssim(monkeypatch):
    monkeypatch.setattr("pellucid.evaluate.compare.find_spec", lambda name: None)
    found = compare(*(Frames(part) for part in pair((20, 20))))
    assert found.ssim is None and found.psnr > 20


@pytest.mark.parametrize(
    ("other", "words"), [((9, 8), "8x9, gray"), ((8, 8, 3), "8x8, 3 channels"), ((2, 8, 8), "2 pages")]
)
def test_images_that_do_not_match_are_named(other, words):
    axis = -1 if other[-1] == 3 else None
    with pytest.raises(UsageError, match=f"a.png is 8x8, gray, b.png is .*{words}.*: compare images of one size"):
        compare(Frames(np.zeros((8, 8)), name="a.png"), Frames(np.zeros(other), axis, name="b.png"))
