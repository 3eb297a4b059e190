import numpy as np
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss

from pellucid.noise.camera import Camera, demosaic, process, unprocess

EXACT = {"blur": 0.0, "chroma_blur": 0.0, "chroma": 1.0, "quality": 100}
EIGHT_BITS = 1 / 255 / 12**0.5  # what rounding the cosine coefficients to whole numbers leaves


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def developed(light):
    """Brooks et al., CVPR 2019, section 3, in NumPy: gamma, then the smooth step."""
    image = np.clip(light, 1e-4**2.2, 1) ** (1 / 2.2)
    return 3 * image**2 - 2 * image**3


def expected(light, shot, read):
    """Return mean and standard deviation of the noise in the image by quadrature over the sensor noise."""
    nodes, weights = hermegauss(60)
    weights = weights / weights.sum()
    added = developed(light + nodes * np.sqrt(shot * light + read**2)) - developed(light)
    mean = weights @ added
    return mean, np.sqrt(weights @ (added - mean) ** 2)


def test_unprocess_and_process_are_each_others_inverse():
    images = torch.linspace(0, 1, 1001, dtype=torch.float64)
    np.testing.assert_allclose(process(unprocess(images)), images, atol=1e-7)
    light = torch.linspace(1e-6, 1, 1001, dtype=torch.float64)
    np.testing.assert_allclose(unprocess(process(light)), light, rtol=1e-6)
    np.testing.assert_allclose(process(light), developed(light.numpy()), rtol=1e-12)


@pytest.mark.parametrize("size", [(8, 12), (7, 5)])
def test_the_demosaic_keeps_a_constant_and_the_mosaics_own_samples(size):
    colors = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1)
    np.testing.assert_allclose(demosaic(colors.expand(2, 3, *size)), colors.expand(2, 3, *size), rtol=1e-6)
    images = torch.rand(2, 3, *size, generator=seeded())
    filled = demosaic(images)
    torch.testing.assert_close(filled[:, 0, ::2, ::2], images[:, 0, ::2, ::2])
    torch.testing.assert_close(filled[:, 2, 1::2, 1::2], images[:, 2, 1::2, 1::2])
    torch.testing.assert_close(filled[:, 1, ::2, 1::2], images[:, 1, ::2, 1::2])
    torch.testing.assert_close(filled[:, 1, 1::2, ::2], images[:, 1, 1::2, ::2])


def test_the_demosaic_takes_means_of_neighbors():
    images = torch.rand(1, 3, 8, 8, generator=seeded(), dtype=torch.float64)
    red, green, blue = images[0].numpy()
    filled = demosaic(images)[0].numpy()
    assert filled[0, 2, 3] == pytest.approx((red[2, 2] + red[2, 4]) / 2)
    assert filled[0, 3, 3] == pytest.approx((red[2, 2] + red[2, 4] + red[4, 2] + red[4, 4]) / 4)
    assert filled[2, 4, 3] == pytest.approx((blue[3, 3] + blue[5, 3]) / 2)
    assert filled[1, 2, 4] == pytest.approx((green[1, 4] + green[3, 4] + green[2, 3] + green[2, 5]) / 4)
    assert filled[1, 2, 3] == pytest.approx(green[2, 3])


@pytest.mark.parametrize(("shot", "read"), [(2e-3, 2e-3), (1e-4, 1e-2), (1e-2, 1e-3)])
def test_gray_noise_is_the_sensors_developed_and_so_stronger_in_the_shadows(shot, read):
    values = torch.tensor([0.15, 0.3, 0.5, 0.7, 0.85], dtype=torch.float64)
    clean = values.view(-1, 1, 1, 1).expand(-1, 1, 320, 320)
    noisy, sigmas = Camera(shot, read, **EXACT)(clean, seeded())
    noise = (noisy - clean).flatten(1).numpy()
    light = 0.5 - np.sin(np.arcsin(1 - 2 * values.numpy()) / 3)
    moments = np.array([expected(value, shot, read) for value in light**2.2])
    spread = np.hypot(moments[:, 1], EIGHT_BITS)
    np.testing.assert_allclose(noise.std(1), spread, rtol=0.03)
    np.testing.assert_allclose(noise.mean(1), moments[:, 0], atol=0.002)
    np.testing.assert_allclose(sigmas, np.sqrt((noise**2).mean(1)), rtol=1e-6)
    assert spread[1] > 1.3 * spread[4]


def test_color_noise_is_correlated_from_pixel_to_pixel_and_between_channels():
    clean = torch.full((1, 3, 256, 256), 0.5, dtype=torch.float64)
    noise = (Camera(5e-3, 5e-3, **EXACT | {"quality": 95})(clean, seeded())[0] - clean)[0].numpy()
    assert abs(noise.mean()) < 0.08 * noise.std()
    for axis in (1, 2):
        late, early = np.moveaxis(noise, axis, 0)[1:], np.moveaxis(noise, axis, 0)[:-1]
        assert np.corrcoef(late.ravel(), early.ravel())[0, 1] > 0.2
    assert np.corrcoef(noise.reshape(3, -1))[np.triu_indices(3, 1)].min() > 0.05
    # Gray pictures have no mosaic, and their noise stays white.
    gray = (Camera(5e-3, 5e-3, **EXACT)(clean[:, :1], seeded())[0] - clean[:, :1])[0, 0].numpy()
    assert abs(np.corrcoef(gray[1:].ravel(), gray[:-1].ravel())[0, 1]) < 0.02


def test_the_cameras_own_smoothing_weakens_the_noise_as_its_kernel_does():
    clean = torch.full((1, 1, 300, 300), 0.5, dtype=torch.float64)
    sharp, smooth = (
        (Camera(5e-3, 1e-3, **EXACT | {"blur": blur})(clean, seeded())[0] - clean).std().item() for blur in (0.0, 0.8)
    )
    side = np.exp(-0.5 * np.array([-1, 0, 1]) ** 2 / 0.8**2)
    assert smooth / sharp == pytest.approx(((side / side.sum()) ** 2).sum(), rel=0.03)


def test_chroma_is_blurred_and_weakened_and_luma_is_not():
    clean = torch.full((1, 3, 400, 400), 0.5, dtype=torch.float64)
    luma_weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64).view(3, 1, 1)

    def split(**options):
        noise = (Camera(1e-4, 5e-3, **EXACT | options)(clean, seeded())[0] - clean)[0]
        luma = (noise * luma_weights).sum(0)
        return luma, (noise[2] - luma).numpy()

    def lagged(plane, lag):
        return np.corrcoef(plane[lag:].ravel(), plane[:-lag].ravel())[0, 1]

    luma, chroma = split()
    same_luma, blurred = split(chroma_blur=3.0, chroma=0.3)
    assert (luma - same_luma).std() < 0.05 * luma.std()
    assert lagged(chroma, 4) < 0.1 and lagged(blurred, 4) == pytest.approx(np.exp(-16 / 36), abs=0.06)
    weakened = split(chroma=0.3)[1].std() / chroma.std()
    assert weakened == pytest.approx(0.3, rel=0.15)


def test_a_strong_gain_makes_a_color_noisier():
    clean = torch.full((1, 3, 256, 256), 0.5, dtype=torch.float64)
    noise = [
        (Camera(1e-4, 2e-2, red=red, blue=1, **EXACT)(clean, seeded())[0] - clean)[0, 0].std().item() for red in (1, 2)
    ]
    assert noise[1] > 1.5 * noise[0]


def test_the_image_keeps_its_sharpness_and_mean_where_there_is_hardly_noise():
    random = np.random.default_rng(0)
    clean = torch.from_numpy(random.uniform(0.1, 0.9, (2, 3, 1, 1)) + random.normal(0, 0.03, (2, 1, 64, 64)))
    noisy, _ = Camera(1e-8, 1e-8, blur=1, quality=100)(clean, seeded())
    # No more than the JPEG leaves, although demosaicing the picture itself would blur it.
    assert (noisy - clean).abs().max() < 3 / 255
    noisy, _ = Camera(1e-3, 5e-3)(clean, seeded())
    assert (noisy - clean).mean().abs() < 0.005


def test_every_option_is_sampled_for_each_image():
    clean = torch.full((60, 3, 32, 32), 0.4)
    sigmas = Camera()(clean, seeded())[1]
    assert sigmas.max() > 4 * sigmas.min() and len(sigmas.unique()) == 60


@pytest.mark.parametrize(
    "options",
    [
        {"shot": 0},
        {"read": 2},
        {"red": 0},
        {"blue": (2, 1)},
        {"blur": 5},
        {"chroma": -1},
        {"chroma_blur": 9},
        {"quality": 0},
    ],
    ids=str,
)
def test_wrong_options_are_refused_with_the_remedy(options):
    with pytest.raises(ValueError, match=r"(shot|read|red|blue|chroma|chroma_blur|blur|quality)=.*: (give|swap)"):
        Camera(**options)
