"""What people expect of a denoiser, whatever its network: nothing of the image is lost, and nothing surprises."""

import dataclasses
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.errors import Cancelled, PellucidError, UsageError
from pellucid.inference import noise_estimation
from pellucid.inference.denoiser import Denoiser
from pellucid.input_spec import InputSpec
from pellucid.metrics.sharpness import Sharpness
from pellucid.weights import catalog
from pellucid.weights.catalog import Weights

LEVEL = 0.1
SHIPPED = catalog.names()
# Of pages the white is meant to become whiter, and blocks of JPEG are no noise around a mean.
PHOTO = [name for name in SHIPPED if name.startswith("photo")]


class Smoothing:
    """Stands in for an engine with a perfect network: the mean of each pixel's neighbourhood, mirrored at the edges."""

    name, precision, conditional = "smoothing", "fp32", True

    def __init__(self, channels=(3,), multiple_of=8):
        self.input_spec = InputSpec(channels, multiple_of)
        self.calls = []

    def __call__(self, noisy, sigma=None):
        assert noisy.dtype == np.float32 and noisy.shape[1] in self.input_spec.channels
        assert not any(side % self.input_spec.multiple_of for side in noisy.shape[2:])
        self.calls.append((noisy.shape, sigma))
        larger = np.pad(noisy, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(larger, (3, 3), axis=(2, 3))
        return windows.mean(axis=(4, 5), dtype=np.float64).astype(np.float32)


@pytest.fixture
def standing_in(monkeypatch):
    """Make a denoiser run on a stand-in."""

    def standing_in(engine, **options) -> Denoiser:
        monkeypatch.setattr("pellucid.inference.denoiser.load_engine", lambda *arguments, **keywords: engine)
        return Denoiser(Weights("stand-in", Path("stand-in.onnx"), None), **options)

    return standing_in


@pytest.fixture
def smoothing(standing_in):
    return standing_in(Smoothing())


@pytest.fixture(params=["smoothing", "exported", *SHIPPED])
def denoiser(request, exported):
    """Each in turn: a stand-in, a network of random weights, and every shipped one."""
    if request.param == "smoothing":
        return request.getfixturevalue("smoothing")
    return Denoiser.load(exported if request.param == "exported" else request.param, threads=1)


@pytest.fixture(params=["smoothing", *PHOTO])
def good(request):
    """Those that denoise."""
    if request.param == "smoothing":
        return request.getfixturevalue("smoothing")
    return Denoiser.load(request.param, threads=1)


def noise(shape, seed=0, dtype: Any = "float32"):
    """An image of noise around half the range."""
    values = 0.5 + 0.1 * np.random.default_rng(seed).standard_normal(shape)
    kind = np.dtype(dtype).kind
    return (values * (np.iinfo(dtype).max if kind in "ui" else 1) if kind != "b" else values > 0.5).astype(dtype)


DTYPES = ["bool", "uint8", "int16", "uint16", ">u2", "int32", "uint32", "int64", "float16", "float32", "float64"]
LAYOUTS = [((9, 12), None), ((2, 9, 12), None), ((9, 12, 3), -1), ((3, 9, 12), 0), ((9, 12, 1), 2)]
LAYOUTS += [((2, 9, 12, 3), -1), ((2, 3, 9, 12), 1), ((9, 12, 2), -1), ((9, 12, 5), -1)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), LAYOUTS)
def test_dtype_shape_and_the_input_are_kept(smoothing, dtype, shape, axis):
    image = noise(shape, dtype=dtype)
    before = image.copy()
    denoised = smoothing(image, LEVEL, channel_axis=axis)
    assert (denoised.dtype, denoised.shape) == (image.dtype, image.shape)
    assert np.array_equal(image, before) and not np.shares_memory(image, denoised)
    assert dtype == "bool" or denoised.astype(float).std() < image.astype(float).std()


def test_views_and_read_only_arrays_are_taken(smoothing):
    image = noise((20, 30, 3))
    expected = smoothing(np.ascontiguousarray(image[::2, ::-1]), LEVEL, channel_axis=-1)
    view = image[::2, ::-1]
    view.flags.writeable = False
    assert np.array_equal(smoothing(view, LEVEL, channel_axis=-1), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_flat_stays_flat(good, dtype, value):
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    image = np.full((70, 90, 3), value * top, dtype)
    denoised = good(image, channel_axis=-1).astype(float) / top
    assert np.abs(denoised - image.astype(float) / top).max() < 2 / 255


@pytest.mark.parametrize("size", [(64, 64), (113, 75)])
def test_the_mean_is_kept_within_a_thousandth_of_the_range(good, size):
    image = noise((*size, 3))
    assert abs(float(good(image, LEVEL, channel_axis=-1).mean() - image.mean())) < 0.001


@pytest.mark.parametrize("size", [(601, 530), (300, 901)])
@pytest.mark.parametrize("model", ["exported", *SHIPPED])
def test_tiled_equals_whole_at_every_pixel(exported, size, model):
    image, model = noise((*size, 3)), exported if model == "exported" else model
    tiled, whole = (Denoiser.load(model, threads=1, tile=tile)(image, LEVEL, channel_axis=-1) for tile in (256, 1024))
    assert np.abs(tiled - whole).max() < 1 / 255


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 3), (7, 9)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_the_smallest_sizes(denoiser, shape, channels):
    image = noise((*shape, *channels))
    denoised = denoiser(image, LEVEL, channel_axis=-1 if channels else None)
    assert denoised.shape == image.shape and np.isfinite(denoised).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_filled_in_place(denoiser, value):
    image = noise((40, 50, 3))
    broken = image.copy()
    broken[5, 5] = value
    broken[30:33, 40, 1] = value
    with pytest.warns(RuntimeWarning, match="a.tif holds values that are not finite") as caught:
        denoised = denoiser(broken, LEVEL, channel_axis=-1, name="a.tif")
    assert len(caught) == 1 and np.isfinite(denoised).all()
    unbroken = denoiser(image, LEVEL, channel_axis=-1)
    assert abs(denoised[5, 5] - unbroken[5, 5]).max() < 0.5
    if denoiser.engine.startswith("smoothing"):
        far = np.s_[10:25, :30]
        assert np.array_equal(denoised[far], unbroken[far])


def test_what_overflows_in_the_network_stays_as_it_was(standing_in):
    class Overflowing(Smoothing):
        def __call__(self, noisy, sigma=None):
            return np.where(noisy > 1e30, np.float32(np.nan), noisy)

    image = np.ones((8, 8), np.float32)
    image[3, 3] = 1e38
    assert np.array_equal(standing_in(Overflowing())(image, LEVEL), image)


def test_a_handle_is_reused_from_small_to_large_to_medium(denoiser):
    images = [noise((*size, 3), seed) for seed, size in enumerate([(16, 16), (300, 280), (64, 90), (16, 16)])]
    denoised = [denoiser(image, LEVEL, channel_axis=-1) for image in images]
    again = [denoiser(image, LEVEL, channel_axis=-1) for image in reversed(images)]
    assert all(np.array_equal(a, b) for a, b in zip(denoised, reversed(again), strict=True))


def test_progress_moves_within_an_image_and_through_a_stack(standing_in):
    calls = []
    denoiser = standing_in(Smoothing(), tile=256)
    denoiser(noise((2, 400, 300)), LEVEL, progress=lambda *now: calls.append(now))
    assert calls == [(done, 8) for done in range(9)]


@pytest.mark.parametrize("moment", range(5))
def test_progress_may_cancel_at_any_moment(standing_in, moment):
    denoiser = standing_in(Smoothing(), tile=256)
    image = noise((400, 300))
    before = image.copy()
    with pytest.raises(Cancelled, match=f"cancelled after {moment} of 4 tiles"):
        denoiser(image, LEVEL, progress=lambda done, total: done < moment)

    def interrupt(done, total):
        if done == moment:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoiser(image, LEVEL, progress=interrupt)
    assert np.array_equal(image, before)
    assert denoiser(image, LEVEL).shape == image.shape


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_alpha_is_kept_to_the_bit(denoiser, dtype):
    image = noise((20, 30, 4), dtype=dtype)
    denoised = denoiser(image, LEVEL, channel_axis=-1)
    assert np.array_equal(denoised[..., 3], image[..., 3])
    colors = np.ascontiguousarray(image[..., :3])
    assert np.array_equal(denoised[..., :3], denoiser(colors, LEVEL, channel_axis=-1))
    apart = denoiser(image, LEVEL, channel_axis=-1, has_alpha=False)
    assert not np.array_equal(apart[..., 3], image[..., 3])


@pytest.mark.parametrize("dtype", DTYPES)
def test_strength_0_returns_the_input_to_the_bit(denoiser, dtype):
    image = noise((20, 30, 3), dtype=dtype)
    denoised = denoiser(image, LEVEL, strength=0, channel_axis=-1)
    assert denoised.dtype == image.dtype and denoised.tobytes() == image.tobytes()


@pytest.mark.parametrize("channels", [(), (3,)])
def test_sharpness_is_monotone_in_strength(good, channels):
    image, axis = noise((60, 80, *channels)), -1 if channels else None
    reference = image.transpose(2, 0, 1)[None] if channels else image[None, None]
    sharpness = []
    for strength in (0, 0.25, 0.5, 0.75, 1):
        denoised = good(image, LEVEL, strength=strength, channel_axis=axis)
        planes = denoised.transpose(2, 0, 1)[None] if channels else denoised[None, None]
        sharpness.append(float(Sharpness()(planes, reference)[0]))
    assert np.all(np.diff(sharpness) < 0)


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.75])
def test_color_noise_leaves_sooner_than_luma(smoothing, strength):
    """What strength 1 takes out comes back: its luma by 1 - strength, what differs from luma by the fourth power."""
    image = noise((20, 30, 3))
    clean = smoothing(image, LEVEL, channel_axis=-1)
    taken, back = image - clean, smoothing(image, LEVEL, strength=strength, channel_axis=-1) - clean
    luma, luma_back = (0.299 * part[..., 0] + 0.587 * part[..., 1] + 0.114 * part[..., 2] for part in (taken, back))
    np.testing.assert_allclose(luma_back, (1 - strength) * luma, atol=1e-6)
    color, color_back = taken - luma[..., None], back - luma_back[..., None]
    np.testing.assert_allclose(color_back, (1 - strength) ** 4 * color, atol=1e-6)


def test_values_above_white_survive(good):
    image = noise((40, 40, 3))
    image[10:30, 10:30] *= 8
    denoised = good(image, LEVEL, channel_axis=-1)
    assert denoised[15:25, 15:25].mean() == pytest.approx(4, rel=0.1) and denoised.max() > 4
    assert (good(image - 1, LEVEL, channel_axis=-1) < 0).any()


def test_the_range_is_the_users(smoothing):
    image = noise((16, 16))
    expected = smoothing(image, LEVEL)
    assert np.allclose(smoothing(image * 1000, LEVEL, data_range=1000) / 1000, expected, atol=1e-6)
    assert np.allclose(smoothing((image * 65535).astype(np.uint16), LEVEL) / 65535, expected, atol=2e-5)


def test_a_stack_has_one_range(smoothing):
    stack = np.stack([noise((16, 16), dtype=np.uint16) // 40, noise((16, 16), 1, dtype=np.uint16)])
    smoothing(stack, LEVEL)
    pages = smoothing(stack, LEVEL)
    for page, alone in zip(pages, stack, strict=True):
        assert np.array_equal(page, smoothing(alone, LEVEL, data_range=65535))


def test_the_level_is_estimated_once_a_stack_and_only_where_it_is_used(standing_in, monkeypatch):
    shapes = []

    def estimate_sigma(frames, threads):
        shapes.append(frames.shape)
        return 0.125

    monkeypatch.setattr(noise_estimation, "estimate_sigma", estimate_sigma)
    engine = Smoothing()
    denoiser = standing_in(engine, tile=256)
    denoiser(noise((2, 300, 300)))
    assert shapes == [(2, 1, 300, 300)]
    assert len(engine.calls) == 8 and all(sigma.tolist() == [0.125] for _, sigma in engine.calls)
    denoiser(noise((8, 8)), LEVEL)
    denoiser.batch(noise((4, 3, 8, 8)))
    assert shapes[1:] == [(4, 3, 8, 8)]
    engine.conditional = False
    standing_in(engine)(noise((8, 8)))
    assert len(shapes) == 2


def test_channels_that_the_network_does_not_know_go_one_by_one(smoothing):
    for count in (2, 5):
        image = noise((16, 24, count))
        denoised = smoothing(image, LEVEL, channel_axis=-1)
        for channel in range(count):
            gray = np.ascontiguousarray(image[..., channel])
            assert np.allclose(denoised[..., channel], smoothing(gray, LEVEL), atol=1e-6)


def test_gray_is_shown_to_a_color_network_three_times(standing_in):
    class Tinting(Smoothing):
        def __call__(self, noisy, sigma=None):
            return noisy + np.array([0, 0.3, 0.6], np.float32)[:, None, None]

    image = noise((9, 9))
    assert np.allclose(standing_in(Tinting())(image, LEVEL), image + 0.3, atol=1e-6)


def test_memory_does_not_grow_with_the_image(standing_in):
    denoiser = standing_in(Smoothing((1,)), tile=256)
    peaks = []
    for length in (2000, 8000):
        image = np.zeros((300, length), np.uint8)
        tracemalloc.start()
        denoiser(image, LEVEL)
        peaks.append(tracemalloc.get_traced_memory()[1] - image.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize("where", ["engine", "result"])
def test_too_little_memory_is_an_error_with_advice(standing_in, monkeypatch, where):
    class Hungry(Smoothing):
        def __call__(self, noisy, sigma=None):
            raise MemoryError

    denoiser = standing_in(Hungry() if where == "engine" else Smoothing())
    if where == "result":
        monkeypatch.setattr("pellucid.inference.frames._as_stack", lambda *arguments: bytearray(1 << 62))
    with pytest.raises(PellucidError, match=r"a.png does not fit into memory: .* smaller tiles \(now 1024\)"):
        denoiser(noise((8, 8)), LEVEL, name="a.png")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sigma": -0.1}, "sigma is -0.1"),
        ({"sigma": 25}, r"sigma is 25: give a fraction of the data range, from 0 to 1 \(25 of 255 is 0.098\)"),
        ({"sigma": float("nan")}, "sigma is nan"),
        ({"strength": 2}, "strength is 2"),
    ],
)
def test_arguments_out_of_range_are_refused(smoothing, options, words):
    with pytest.raises(UsageError, match=words):
        smoothing(noise((8, 8)), **({"sigma": LEVEL} | options))


def test_unknown_models_engines_and_tiles_are_refused(exported, tmp_path):
    with pytest.raises(UsageError, match='unknown model "foto"'):
        Denoiser.load("foto")
    with pytest.raises(PellucidError, match=r"cannot read .*gone.onnx"):
        Denoiser.load(tmp_path / "gone.onnx")
    with pytest.raises(UsageError, match="onnxruntim"):
        Denoiser.load(exported, engine="onnxruntim")
    with pytest.raises(UsageError, match="tile=64 is too small: give at least 256"):
        Denoiser.load(exported, tile=64)


def test_an_exported_network_has_no_codes(exported):
    denoiser = Denoiser.load(exported, threads=1)
    with pytest.raises(UsageError, match=r"small.onnx is an exported network: give a .safetensors"):
        denoiser.encode(noise((1, 3, 8, 8)))


def test_only_the_file_that_is_loaded_is_checked(standing_in, tmp_path):
    damaged = {suffix: tmp_path / f"photo.{suffix}" for suffix in ("onnx", "safetensors")}
    for path in damaged.values():
        path.write_bytes(b"another")
    standing_in(Smoothing())
    shipped = catalog.find("photo")
    assert Denoiser(dataclasses.replace(shipped, onnx=damaged["onnx"])).checkpoint.networks
    with pytest.raises(PellucidError, match=r"photo.safetensors is not the file that its card describes"):
        _ = Denoiser(dataclasses.replace(shipped, safetensors=damaged["safetensors"])).checkpoint


def test_the_engine_is_chosen_again_for_much_more_work(monkeypatch):
    announced = []

    def start(weights, engine, threads, precision, pixels=None):
        announced.append(pixels)
        return Smoothing((1,))

    monkeypatch.setattr("pellucid.inference.denoiser.load_engine", start)
    source = Weights("stand-in", Path("stand-in.onnx"), None)
    monkeypatch.setattr("pellucid.inference.denoiser.SWITCH_PIXELS", 100)
    denoiser = Denoiser(source)
    for _ in range(20):
        denoiser(noise((10, 10)), LEVEL)
    assert announced == [None, 500]
    denoiser(noise((100, 100)), LEVEL)
    assert announced == [None, 500, 12_000]
    fixed = Denoiser(source, engine="onnxruntime")
    fixed(noise((100, 100)), LEVEL)
    assert announced[3:] == [None]


def test_batches_are_denoised_as_images_are(exported):
    images = noise((3, 3, 20, 27))
    denoiser = Denoiser.load(exported, threads=1)
    denoised = denoiser.batch(images, LEVEL)
    for image, expected in zip(images, denoised, strict=True):
        assert np.allclose(denoiser(image, LEVEL, channel_axis=0), expected, atol=1e-6)
    tiled = Denoiser.load(exported, threads=1, tile=256).batch(noise((2, 3, 300, 100)), LEVEL)
    assert np.abs(tiled - denoiser.batch(noise((2, 3, 300, 100)), LEVEL)).max() < 1 / 255


@pytest.mark.parametrize("is_given", [True, False])
@pytest.mark.parametrize(("dtype", "data_range"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_a_stretched_image_is_stretched_again(standing_in, is_given, dtype, data_range):
    values = noise((48, 64, 4))
    low, high = np.quantile(values, [0.002, 0.998])
    image = (np.clip((values - low) / (high - low), 0, 1) * data_range).astype(dtype)
    engine = Smoothing()
    engine.input_spec = InputSpec((3,), 8, stretched=is_given)
    denoiser = standing_in(engine)
    once = denoiser(image, LEVEL, channel_axis=-1)
    other = denoiser(image, LEVEL, channel_axis=-1, stretch=not is_given)
    stretched, plain = (once, other) if is_given else (other, once)
    assert stretched.dtype == image.dtype and stretched.shape == image.shape
    np.testing.assert_array_equal(stretched[..., 3], image[..., 3])
    assert np.ptp(plain[..., :3].astype(float)) < 0.6 * data_range
    fractions = [((part <= 0).mean(), (part >= data_range * (1 - 1e-6)).mean()) for part in (image, stretched[..., :3])]
    np.testing.assert_allclose(fractions[1], fractions[0], atol=0.002)
