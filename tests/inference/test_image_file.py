import numpy as np
import pytest

from pellucid.errors import Cancelled
from pellucid.image import read_image, write_image
from pellucid.inference import noise_estimation
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.image_file import clean, frames_of, with_channels

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
def test_a_file_is_cleaned_as_its_array_is(denoiser, image, shape, dtype):
    file = image(shape, dtype)
    found = clean(file, denoiser, level=0.2, strength=0.7)
    options = {"channel_axis": -1 if len(shape) == 3 else None, "strength": 0.7}
    expected = denoiser(file.pixels, 0.2, data_range=found.before.white, **options)
    assert found.pixels.dtype == file.pixels.dtype
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.level == 0.2 and found.before.shape == found.after.shape == frames_of(file).shape
    np.testing.assert_array_equal(found.after.given.reshape(shape), found.pixels)


def test_the_level_is_estimated_where_it_is_needed(denoiser, image):
    file = image((80, 90))
    told = []
    found = clean(file, denoiser, progress=lambda done, total: told.append((done, total)))
    assert found.level == pytest.approx(noise_estimation.estimate(frames_of(file), 1)) and told[0] == (0, 1)
    untouched = clean(file, denoiser, strength=0.0)
    assert untouched.level is None
    np.testing.assert_array_equal(untouched.pixels, file.pixels)


def test_it_stops_when_told(denoiser, image):
    with pytest.raises(Cancelled):
        clean(image((40, 30)), denoiser, 0.1, progress=lambda done, total: False)


@pytest.mark.parametrize(("shape", "with_axis"), [((4, 5), (4, 5, 1)), ((4, 5, 3), (4, 5, 3))])
def test_channels_are_the_last_axis_also_where_there_is_one(image, shape, with_axis):
    assert with_channels(image(shape)).shape == with_axis
