import numpy as np
import pytest

from pellucid.errors import Cancelled
from pellucid.image import read_image, write_image
from pellucid.inference import noise_estimation
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.image_file import as_frames, denoise_image, with_channel_axis

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def denoiser(exported):
    return Denoiser.load(exported, "onnxruntime", threads=1)


@pytest.fixture
def image(tmp_path):
    def image(shape, dtype="uint8", suffix=".tif"):
        top = 1.0 if dtype == "float32" else np.iinfo(dtype).max
        write_image(tmp_path / f"a{suffix}", (RNG.random(shape) * top).astype(dtype))
        return read_image(tmp_path / f"a{suffix}")

    return image


@pytest.mark.parametrize(
    ("shape", "dtype"), [((40, 30), "uint8"), ((40, 30, 3), "uint16"), ((40, 30), "float32"), ((40, 30, 3), "uint8")]
)
def test_a_file_is_denoised_like_its_array(denoiser, image, shape, dtype):
    file = image(shape, dtype)
    found = denoise_image(file, denoiser, sigma=0.2, strength=0.7)
    options = {"channel_axis": -1 if len(shape) == 3 else None, "strength": 0.7}
    expected = denoiser(file.pixels, 0.2, data_range=found.before.data_range, **options)
    assert found.pixels.dtype == file.pixels.dtype
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.sigma == 0.2 and found.before.shape == found.after.shape == as_frames(file).shape
    np.testing.assert_array_equal(found.after.input_array.reshape(shape), found.pixels)


def test_sigma_is_estimated_if_it_is_needed(denoiser, image):
    file = image((80, 90))
    calls = []
    found = denoise_image(file, denoiser, progress=lambda done, total: calls.append((done, total)))
    assert found.sigma == pytest.approx(noise_estimation.estimate_sigma(as_frames(file), 1)) and calls[0] == (0, 1)
    untouched = denoise_image(file, denoiser, strength=0.0)
    assert untouched.sigma is None
    np.testing.assert_array_equal(untouched.pixels, file.pixels)


def test_progress_can_cancel(denoiser, image):
    with pytest.raises(Cancelled):
        denoise_image(image((40, 30)), denoiser, 0.1, progress=lambda done, total: False)


@pytest.mark.parametrize(("shape", "with_axis"), [((4, 5), (4, 5, 1)), ((4, 5, 3), (4, 5, 3))])
def test_channels_are_the_last_axis_also_where_there_is_one(image, shape, with_axis):
    assert with_channel_axis(image(shape)).shape == with_axis
