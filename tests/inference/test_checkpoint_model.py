"""A trained checkpoint as a denoiser, which also returns codes and classes."""

import numpy as np
import pytest
import torch

from pellucid import checkpoint, registry
from pellucid.checkpoint import Checkpoint
from pellucid.errors import UsageError
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits"},
    "model": {"name": "conv", "widths": [4, 8]},
    "loss": {"name": "bce"},
    "train": {"epochs": 1, "batch_size": 8, "lr": 0.1},
}
RECIPE = Recipe.from_dict(TABLES)


def denoiser_of(name: str, **options) -> Denoiser:
    torch.manual_seed(0)
    networks = {"denoiser": registry.build("model", name, options).eval()}
    return Denoiser(Checkpoint(RECIPE, networks))


@pytest.fixture(scope="module")
def conv() -> Denoiser:
    return denoiser_of("conv", widths=[4, 8])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize(("shape", "axis"), [((9, 12), None), ((9, 12, 3), -1), ((3, 9, 12), 0), ((9, 12, 1), -1)])
def test_dtype_and_shape_come_back(conv, dtype, shape, axis):
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    image = (np.random.default_rng(0).random(shape) * top).astype(dtype)
    before = image.copy()
    denoised = conv(image, channel_axis=axis)
    assert (denoised.dtype, denoised.shape) == (image.dtype, image.shape)
    assert np.array_equal(image, before)


def test_the_range_is_the_users(conv):
    image = np.random.default_rng(0).random((16, 16), dtype=np.float32)
    expected = conv(image)
    assert np.allclose(conv(image * 1000, data_range=1000) / 1000, expected, atol=1e-6)
    close = conv((image * 65535).astype(np.uint16)) / 65535
    assert np.allclose(close, expected, atol=2e-4)


def test_the_channels_of_a_color_image_are_denoised_one_by_one(conv):
    image = np.random.default_rng(0).random((16, 16, 3), dtype=np.float32)
    denoised = conv(image, channel_axis=-1)
    for channel in range(3):
        assert np.allclose(denoised[..., channel], conv(np.ascontiguousarray(image[..., channel])), atol=1e-6)


@pytest.mark.parametrize("name", ["conv", "unet"])
def test_tiled_equals_whole(name):
    networks = {"denoiser": registry.build("model", name, {"widths": [4, 8, 8]}).eval()}
    image = np.random.default_rng(0).random((300, 331), dtype=np.float32)
    tiled, whole = (Denoiser(Checkpoint(RECIPE, networks), tile=tile)(image) for tile in (256, 0))
    assert np.abs(tiled - whole).max() < 1 / 255 / 10


def test_a_fixed_size_is_never_tiled(monkeypatch):
    monkeypatch.setattr("pellucid.inference.denoiser.TILE_SIZE", 4)
    denoiser = denoiser_of("dense", image=[1, 8, 8], widths=[4])
    assert denoiser(np.zeros((8, 8))).shape == denoiser.batch(np.zeros((1, 1, 8, 8), np.float32)).shape[2:]
    with pytest.raises(UsageError, match="the image is 9x8, the model takes 8x8 alone"):
        denoiser(np.zeros((9, 8)))
    with pytest.raises(UsageError, match="has 3 channels, the model takes 1"):
        denoiser(np.zeros((8, 8, 3)), channel_axis=-1)


def test_codes_decode_to_the_denoised_image(conv):
    images = np.random.default_rng(0).random((5, 1, 10, 9), dtype=np.float32)
    codes = conv.encode(images)
    assert codes.shape == (5, 8, 3, 3)
    assert np.allclose(conv.decode(codes, (10, 9)), conv.batch(images), atol=1e-6)


def test_what_a_checkpoint_lacks_is_named(conv, tmp_path):
    with pytest.raises(UsageError, match="holds no classifier: give a combined checkpoint"):
        conv.classify(np.zeros((1, 1, 8, 8), np.float32))
    with pytest.raises(UsageError, match="has skip connections"):
        denoiser_of("unet").encode(np.zeros((1, 1, 8, 8), np.float32))
    path = tmp_path / "classifier.safetensors"
    network = registry.build("model", "classifier", {"image": [1, 8, 8], "widths": [4]})
    checkpoint.save(path, Checkpoint(RECIPE, {"classifier": network}))
    with pytest.raises(UsageError, match="holds no denoiser"):
        Denoiser.load(path)


def test_a_combined_checkpoint_classifies(tmp_path):
    path = tmp_path / "combined.safetensors"
    networks = {
        "denoiser": registry.build("model", "conv", {"widths": [4]}),
        "classifier": registry.build("model", "classifier", {"image": [1, 8, 8], "widths": [4]}),
    }
    checkpoint.save(path, Checkpoint(RECIPE, networks))
    probabilities = Denoiser.load(path).classify(np.zeros((3, 1, 8, 8), np.float32))
    assert probabilities.shape == (3, 10)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)
