"""The JPEG model beside libjpeg's own, which Pillow brings."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from pellucid.noise.jpeg import Jpeg, compress

QUALITIES = (10, 30, 50, 75, 92)


def picture(size, channels):
    """Return smooth and rough structure, uint8 (H, W, C)."""
    random = np.random.default_rng(0)
    scales = ((12, 0.2), (4, 0.15), (1.5, 0.1))
    waves = [
        strength * scale * gaussian_filter(random.standard_normal((*size, channels)), (scale, scale, 0))
        for scale, strength in scales
    ]
    return np.round(np.clip(sum(waves) + 0.5, 0, 1) * 255).astype(np.uint8)


def from_libjpeg(pixels, quality):
    """Return pixels (H, W, C) through a real file with chroma halved, as floats from 0 to 1."""
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality, subsampling=2)
    with Image.open(file) as image:
        return np.asarray(image).reshape(pixels.shape) / 255


def from_model(pixels, quality):
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255
    coded = compress(images, torch.tensor([quality], dtype=torch.float64)).clamp(0, 1)
    return coded[0].permute(1, 2, 0).numpy()


def psnr(first, second):
    return -10 * np.log10(np.mean((first - second) ** 2))


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("size", [(96, 128), (61, 83)])
@pytest.mark.parametrize(("channels", "min_psnr"), [(1, 45), (3, 39)])
def test_it_agrees_with_libjpeg(quality, size, channels, min_psnr):
    pixels = picture(size, channels)
    model, real = from_model(pixels, quality), from_libjpeg(pixels, quality)
    assert psnr(model, real) > min_psnr
    # libjpeg also rounds to 8 bits, which counts at high quality.
    assert psnr(np.round(model * 255) / 255, pixels / 255) == pytest.approx(psnr(real, pixels / 255), abs=0.15)


def test_channels_that_are_no_colors_are_coded_as_luma():
    pixels = picture((32, 40), 2)
    both = from_model(pixels, 40)
    alone = [from_model(pixels[..., channel : channel + 1], 40) for channel in range(2)]
    np.testing.assert_allclose(both, np.concatenate(alone, axis=-1), atol=1e-12)


def test_each_image_has_its_own_quality_and_sigma_is_its_rms_difference():
    clean = torch.from_numpy(picture((64, 64), 3)).permute(2, 0, 1).float().div(255).expand(200, -1, -1, -1)
    noisy, sigmas = Jpeg((10, 90))(clean, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(sigmas, (noisy - clean).flatten(1).square().mean(1).sqrt(), rtol=1e-5)
    worst, best = (compress(clean[:1], torch.tensor([quality])) for quality in (10.0, 90.0))
    measured = [(image - clean[:1]).square().mean().sqrt().item() for image in (best, worst)]
    assert measured[0] <= sigmas.min() < 1.3 * measured[0] and 0.8 * measured[1] < sigmas.max() <= measured[1] * 1.01


def test_values_out_of_range_are_limited_first_as_the_format_does():
    clean = torch.tensor([-0.5, 0.0, 1.0, 1.5]).view(4, 1, 1, 1).expand(4, 1, 16, 16)
    noisy, sigmas = Jpeg(100)(clean, torch.Generator())
    assert noisy.mean((1, 2, 3)).tolist() == pytest.approx([0, 0, 1, 1], abs=1 / 255)
    assert sigmas.tolist() == pytest.approx([0.5, 0, 0, 0.5], abs=1 / 255)


@pytest.mark.parametrize("quality", [0, 101, (90, 10), "high"])
def test_qualities_that_libjpeg_does_not_know_are_refused_with_the_remedy(quality):
    with pytest.raises(ValueError, match=r"quality=.*: (give|swap)"):
        Jpeg(quality)


def shifted_differences(fraction, count=60):
    """Return how far from libjpeg's grid at the corner, or at each place of a shifted one, every sample is."""
    pixels = torch.from_numpy(picture((48, 56), 1)).permute(2, 0, 1)[None].double() / 255
    clean = pixels.expand(count, -1, -1, -1)
    noisy, sigmas = Jpeg(quality=20, shift=fraction)(clean, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(sigmas, (noisy - clean).square().mean((1, 2, 3)).sqrt())
    inner = (slice(None), slice(None), slice(16, 32), slice(16, 40))
    places = []
    for row in range(8):
        for column in range(8):
            padded = torch.nn.functional.pad(pixels, (column, 0, row, 0), mode="replicate")
            coded = compress(padded, torch.tensor([20.0], dtype=torch.float64))[..., row:, column:]
            places.append((noisy[inner] - coded[inner]).abs().amax((1, 2, 3)))
    return torch.stack(places).numpy()


def test_blocks_begin_at_the_corner_or_anywhere_in_the_given_fraction():
    assert (shifted_differences(0.0)[0] < 1e-9).all()
    found = shifted_differences(0.6)
    nearest = found.argmin(0)
    assert (found.min(0) < 1e-9).all()
    assert 0.4 < (nearest != 0).mean() < 0.75 and len(set(nearest.tolist())) > 20


@pytest.mark.parametrize("size", [(1, 1), (7, 40), (17, 3)])
def test_shifted_blocks_keep_any_size(size):
    images = torch.rand(3, 3, *size)
    assert Jpeg(shift=1.0)(images, torch.Generator().manual_seed(0))[0].shape == images.shape


def test_a_shift_that_is_no_fraction_is_refused():
    with pytest.raises(ValueError, match="shift=2 is not a number from 0 to 1: give a fraction"):
        Jpeg(shift=2)
