"""One call is enough to denoise: the network stays loaded, torch does not come with it, and others can call it."""

import subprocess
import sys

import numpy as np
import pytest

import pellucid
from pellucid.errors import PellucidError

LEVEL = 0.1


def noise(shape, dtype):
    """An image of noise around half the range."""
    return (0.5 + 0.1 * np.random.default_rng(0).standard_normal(shape)).astype(dtype)


def test_denoise_keeps_its_model_and_notices_a_new_file(exported, tmp_path):
    path = tmp_path / "copy.onnx"
    path.write_bytes(exported.read_bytes())
    image = noise((9, 9), np.float32)
    first = pellucid.denoise(image, LEVEL, path)
    assert np.array_equal(pellucid.denoise(image, LEVEL, str(path)), first)
    path.write_bytes(b"no network")
    with pytest.raises(PellucidError, match="is cut short or no ONNX file"):
        pellucid.denoise(image, LEVEL, path)


def test_torch_is_not_loaded(exported):
    code = (
        "import sys, numpy, pellucid\n"
        f"pellucid.denoise(numpy.zeros((9, 9, 3), 'u1'), 0.1, {str(exported)!r}, channel_axis=-1)\n"
        "assert not {'torch', 'typer', 'skimage', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore:The optional dask dependency")
@pytest.mark.parametrize("channels", [(), (3,)])
def test_inside_scikit_image(exported, channels):
    restoration = pytest.importorskip("skimage.restoration")
    image = noise((32, 36, *channels), np.float64)
    axis = -1 if channels else None
    options = {"model": exported, "channel_axis": axis}
    tried = {"sigma": [0.05, 0.1], **{key: [value] for key, value in options.items()}}
    best = restoration.calibrate_denoiser(image, pellucid.denoise, tried)
    denoised = best(image)
    assert denoised.shape == image.shape and denoised.dtype == np.float64 and np.isfinite(denoised).all()
    spun = restoration.cycle_spin(
        image, pellucid.denoise, max_shifts=1, func_kw={"sigma": LEVEL, **options}, channel_axis=axis
    )
    assert spun.shape == image.shape and np.isfinite(spun).all()
