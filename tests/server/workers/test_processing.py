"""The work on an image, without the worker process around it."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from pellucid.errors import Cancelled, TooLarge
from pellucid.image import formats, read_image, write_image
from pellucid.inference import frames
from pellucid.server.settings import Settings
from pellucid.server.workers.processing import ModelHost
from pellucid.server.workers.tasks import WorkRefused, WorkRequest

RNG = np.random.default_rng(0)


def go_on(done: int, total: int) -> bool:
    return True


@pytest.fixture(scope="module")
def model_host(exported, reader):
    settings = Settings(models=(str(exported),), classifiers=(reader,), engine="onnxruntime", threads=1)
    return ModelHost(replace(settings, max_pixels=1_000_000, max_frames=3, max_text=10_000))


@pytest.fixture
def work_request(tmp_path):
    """A request to denoise a noisy image."""
    clean = np.tile(np.linspace(20, 230, 90, dtype=np.float32), (80, 1))[..., None].repeat(3, axis=2)
    noisy = clean + 25 * RNG.standard_normal(clean.shape)
    for name, pixels in (("clean.png", clean), ("noisy.png", noisy)):
        write_image(tmp_path / name, np.rint(pixels.clip(0, 255)).astype(np.uint8))
    return WorkRequest("denoise", tmp_path / "noisy.png", tmp_path / "out", "small", 0.1, name="photo.png")


def test_available_models_are_described(model_host):
    models = model_host.available_models()
    assert models["denoisers"] == {"small": {"channels": [3], "fixed_size": None, "conditional": True}}
    assert models["classifiers"] == {"brightness": {"classes": []}}


def test_denoising_returns_metadata(model_host, work_request):
    fractions = []
    metadata = model_host.process(work_request, lambda done, total: fractions.append(done / total) or True)
    assert metadata.pop("sigma_255") == pytest.approx(25.5) and metadata.pop("seconds") > 0
    assert metadata == {
        **{"width": 90, "height": 80, "frames": 1, "channels": 3, "has_alpha": False, "dtype": "uint8"},
        **{"bit_depth": 8, "format": "PNG", "written": "PNG", "media_type": "image/png", "suffix": ".png"},
        **{"engine": "onnxruntime fp32", "warnings": []},
    }
    assert fractions[-1] == 1 and read_image(work_request.target).pixels.shape == (80, 90, 3)


def test_a_reference_is_compared_with_before_and_after(model_host, work_request, tmp_path):
    metadata = model_host.process(replace(work_request, reference=tmp_path / "clean.png"), go_on)
    pixels = [
        read_image(path).pixels / 255.0 for path in (work_request.source, work_request.target, tmp_path / "clean.png")
    ]
    for name, image in (("psnr_before", pixels[0]), ("psnr", pixels[1])):
        assert metadata[name] == pytest.approx(-10 * np.log10(np.square(image - pixels[2]).mean()), abs=1e-3)
    assert 0 < metadata["ssim_before"] < 1 and 0 < metadata["ssim"] < 1
    same = model_host.process(
        replace(work_request, source=tmp_path / "clean.png", reference=tmp_path / "clean.png", strength=0.0), go_on
    )
    assert same["psnr"] is None and same["ssim"] == pytest.approx(1)


def test_a_reference_of_another_size_is_refused_before_the_work(model_host, work_request, tmp_path):
    write_image(tmp_path / "other.png", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(WorkRefused, match=r"the reference of photo\.png has another size"):
        model_host.process(replace(work_request, reference=tmp_path / "other.png"), go_on)
    assert work_request.target and not work_request.target.exists()


def test_previews_show_before_after_and_difference(model_host, work_request, tmp_path):
    (tmp_path / "previews").mkdir()
    metadata = model_host.process(replace(work_request, previews=tmp_path / "previews"), go_on)
    images = {path.stem: read_image(path).pixels.astype(int) for path in (tmp_path / "previews").iterdir()}
    np.testing.assert_array_equal(images["before"], read_image(work_request.source).pixels)
    np.testing.assert_array_equal(images["after"], read_image(work_request.target).pixels)
    expected = 127.5 + metadata["difference_gain"] * (images["before"] - images["after"])
    assert np.abs(images["difference"] - expected.clip(0, 255)).max() <= 1 and metadata["size_note"] is None


@pytest.mark.parametrize(("value", "label"), [(10, "0"), (240, "1")])
def test_a_classifier_predicts_before_and_after(model_host, work_request, tmp_path, value, label):
    write_image(tmp_path / "flat.png", np.full((8, 8), value, np.uint8))
    flat = replace(work_request, kind="classify", source=tmp_path / "flat.png", model="", classifier="brightness")
    metadata = model_host.process(flat, go_on)
    assert metadata["labels"] == {"before": label}
    assert metadata["scores"]["before"]["1"] == pytest.approx(value / 255) and sum(
        metadata["scores"]["before"].values()
    ) == pytest.approx(1)
    both = model_host.process(replace(flat, model="small"), go_on)
    assert set(both["labels"]) == set(both["scores"]) == {"before", "after"}


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"model": "photo"}, 'no model "photo" any more: choose one of small'),
        ({"kind": "classify", "classifier": "cats"}, 'no classifier "cats" any more'),
    ],
)
def test_a_model_that_is_no_longer_available_is_refused(model_host, work_request, changed, text):
    with pytest.raises(WorkRefused, match=text):
        model_host.process(replace(work_request, **changed), go_on)


def test_the_limits_are_the_settings(model_host, work_request, tmp_path):
    tifffile.imwrite(tmp_path / "many.tif", np.zeros((4, 9, 9), np.uint8), photometric="minisblack", metadata=None)
    write_image(tmp_path / "large.png", np.zeros((1001, 1000), np.uint8))
    for name, text in (("many.tif", "4 pages, more than the 3"), ("large.png", "raise the service's --max-pixels")):
        with pytest.raises(TooLarge, match=text):
            model_host.process(replace(work_request, source=tmp_path / name), go_on)


def test_warnings_name_the_image_as_its_sender_does(model_host, work_request, tmp_path):
    pixels = RNG.random((80, 90)).astype(np.float32)
    pixels[4, 5] = np.nan
    write_image(tmp_path / "odd.tif", pixels)
    metadata = model_host.process(replace(work_request, source=tmp_path / "odd.tif", name="mine.tif"), go_on)
    assert len(metadata["warnings"]) == 1 and metadata["warnings"][0].startswith(
        "mine.tif holds values that are not finite"
    )


def test_the_data_range_is_computed_once(model_host, work_request, tmp_path, monkeypatch):
    calls = []
    for module in (formats, frames):
        monkeypatch.setattr(module, "data_range_of", lambda pixels: calls.append(pixels) or 4095.0)
    write_image(tmp_path / "camera.tif", RNG.integers(0, 4096, (80, 90, 3), np.uint16))
    metadata = model_host.process(replace(work_request, source=tmp_path / "camera.tif"), go_on)
    assert len(calls) == 1 and metadata["warnings"] == ["12 bits in 16: white is taken to be 4095"]


def test_it_stops_when_progress_returns_false(model_host, work_request):
    with pytest.raises(Cancelled):
        model_host.process(work_request, lambda done, total: False)
    assert work_request.target and not work_request.target.exists()
