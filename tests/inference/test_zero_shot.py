"""A network that learns from the image itself: nothing is lost, chance is repeatable, and noise of photons suits it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import pellucid
from pellucid.errors import Cancelled, PellucidError, UsageError
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.fine_tuning import AdaptedNetwork
from pellucid.inference.frames import Frames
from pellucid.inference.functional import load_denoiser
from pellucid.inference.zero_shot import TestTimeAdaptation, correlation, sample_tiles
from pellucid.weights import catalog


def psnr(image, clean):
    return -10 * np.log10(np.square(image.astype(np.float64) - clean).mean())


def cells(size=96):
    """Bright blobs on a dark ground."""
    random, rows, columns = np.random.default_rng(0), *np.mgrid[:size, :size]
    image = np.full((size, size), 0.04)
    for _ in range(25):
        y, x, width, height = random.uniform([0, 0, 3, 0.2], [size, size, 7, 0.8])
        image += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * width**2))
    return (0.9 * image / image.max()).astype(np.float32)


def photons(clean, peak=25, seed=1):
    return (np.random.default_rng(seed).poisson(clean * peak) / peak).astype(np.float32)


def adapting(steps=2, **options):
    return TestTimeAdaptation(steps=steps, threads=1, **options)


def test_noise_of_photons_is_taken_out_better_than_by_the_network_it_started_from():
    clean = cells()
    noisy = photons(clean)
    before, after = Denoiser.load("photo", threads=1)(noisy), adapting(steps=10)(noisy)
    assert psnr(after, clean) > psnr(before, clean) + 0.3 > psnr(noisy, clean) + 5
    assert abs(float(after.mean() - noisy.mean())) < 0.002


def test_noise_that_is_correlated_is_learned():
    clean = 0.2 + 0.6 * cells()
    noise = gaussian_filter(np.random.default_rng(1).standard_normal(clean.shape), 0.8)
    noisy = (clean + 0.06 * noise / noise.std()).astype(np.float32)
    before, after = Denoiser.load("photo", threads=1)(noisy), adapting(steps=30)(noisy)
    assert psnr(after, clean) > psnr(before, clean) + 0.1


@pytest.mark.parametrize("kind", ["photons", "gaussian"])
def test_stronger_noise_than_the_network_knows_is_shown_to_it_at_a_fifth_of_white(kind, monkeypatch):
    clean, sigmas, train = cells(), [], AdaptedNetwork.fine_tune

    def recorded(network, planes, sigma, *arguments):
        sigmas.append(sigma)
        return train(network, planes, sigma, *arguments)

    monkeypatch.setattr(AdaptedNetwork, "fine_tune", recorded)
    noise = 0.4 * np.random.default_rng(1).standard_normal(clean.shape).astype(np.float32)
    adapting(steps=1)(photons(clean, 2) if kind == "photons" else clean + noise)
    assert sigmas == [pytest.approx(0.2, rel=0.15)]


@pytest.mark.parametrize(("blur", "low", "high"), [((0, 0), 0, 0.05), ((0, 1), 0.6, 0.9), ((1, 0), 0.6, 0.9)])
def test_correlation_is_that_of_adjacent_pixels_along_either_axis(blur, low, high):
    residual = gaussian_filter(np.random.default_rng(0).standard_normal((1, 2, 100, 90)), (0, 0, *blur))
    assert low <= correlation([residual, residual[..., :50]]) < high
    assert correlation([np.zeros((1, 1, 9, 9))]) == 0


def test_a_clean_image_comes_back_almost_unchanged():
    clean = cells()
    assert psnr(adapting()(clean), clean) > 45


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((40, 50), None), ((2, 40, 50), None), ((40, 50, 4), -1), ((5, 40, 50), 0)]
)
def test_dtype_shape_and_alpha_are_kept(dtype, shape, axis):
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    image = ((0.5 + 0.1 * np.random.default_rng(0).standard_normal(shape)) * top).astype(dtype)
    denoised = adapting(steps=1)(image, channel_axis=axis)
    assert (denoised.dtype, denoised.shape) == (image.dtype, image.shape)
    assert denoised[..., :3].astype(float).std() < 0.7 * image[..., :3].astype(float).std()
    if shape[-1] == 4:
        assert np.array_equal(denoised[..., 3], image[..., 3])


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 9), (31, 200)])
def test_small_images_are_denoised_without_training(shape):
    image = 0.5 + 0.1 * np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    denoised = adapting(steps=10**6)(image)
    assert denoised.shape == shape and np.isfinite(denoised).all()


def test_the_image_the_seed_and_the_steps_decide_alone():
    noisy = photons(cells(48))
    first, again, other = (adapting(steps=3, seed=seed)(noisy) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_time_ends_it_and_the_first_network_stays_as_shipped():
    noisy = photons(cells(48))
    denoiser = TestTimeAdaptation(minutes=0.002, threads=1)
    assert psnr(denoiser(noisy), cells(48)) > psnr(noisy, cells(48)) + 5
    assert np.array_equal(adapting(steps=1)(noisy), adapting(steps=1)(noisy))


def test_progress_runs_from_nothing_to_all_and_may_cancel():
    noisy, calls = photons(cells(48)), []
    adapting(steps=4)(noisy, progress=lambda *now: calls.append(now))
    fractions = [done / total for done, total in calls]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1 and len(set(fractions)) > 5
    with pytest.raises(Cancelled, match="of the training"):
        adapting(steps=4)(noisy, progress=lambda done, total: done < total / 2)


def test_strength_0_returns_the_input_at_once():
    noisy = photons(cells(48))
    assert np.array_equal(adapting(steps=10**9)(noisy, strength=0), noisy)


def test_batches_learn_together():
    noisy = np.stack([photons(cells(48), seed=seed) for seed in (0, 1)])[:, None]
    assert np.array_equal(adapting(steps=2).batch(noisy)[:, 0], adapting(steps=2)(noisy[:, 0]))


@pytest.mark.timeout(300)  # two adaptations of sixty steps
def test_a_stretched_image_is_stretched_again_unless_turned_off():
    clean = cells(160)
    noisy = photons(clean, 8)
    top = np.quantile(noisy, 0.998)
    stretched = (np.clip(noisy / top, 0, 1) * 255).astype(np.uint8)
    with pytest.warns(UserWarning, match="a.png was stretched to the peaks of its noise"):
        denoised = adapting(60)(stretched, name="a.png")
    assert np.quantile(denoised, 0.998) > 250
    with pytest.warns(UserWarning):
        plain = adapting(60)(stretched, stretch=False)
    assert abs(float(plain.mean()) - float(stretched.mean())) < 1 < float(denoised.mean() - plain.mean())


def test_large_images_are_sampled_all_over():
    image = np.zeros((3, 1200, 1300), np.uint8)
    tiles = sample_tiles(Frames(image))
    assert {tile.shape for tile in tiles} == {(1, 1, 256, 256)}
    assert 0.8 * 2**21 < sum(tile.size for tile in tiles) <= 2**21
    whole = sample_tiles(Frames(image[:1, :900]))
    assert [tile.shape for tile in whole] == [(1, 1, 900, 1300)]


def test_by_its_name_it_is_a_model_like_others(monkeypatch):
    monkeypatch.setattr("pellucid.inference.zero_shot.DEFAULT_MINUTES", 0.001)
    denoiser = load_denoiser("self", threads=1)
    assert not denoiser.conditional and denoiser.engine.startswith("torch ")
    image = photons(cells(48))
    assert pellucid.denoise(image[:20, :20], model="self").shape == (20, 20)
    with pytest.raises(UsageError, match="does not run on openvino"):
        load_denoiser("self", engine="openvino")
    with pytest.raises(UsageError, match='"self" is no network yet'):
        catalog.find("self")


@pytest.mark.parametrize(("options", "words"), [({"minutes": 0}, "minutes is 0"), ({"steps": -1}, "steps is -1")])
def test_lengths_that_cannot_be_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        TestTimeAdaptation(**options)


def test_without_torch_the_error_names_the_extra(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("pellucid.utils.optional_imports.importlib.import_module", absent)
    with pytest.raises(PellucidError, match=r'the model self needs torch: pip install "pellucid\[train\]"'):
        load_denoiser("self")
