"""What a worker does with an image, without the process around it."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from pellucid.errors import Cancelled, TooLarge
from pellucid.image import formats, read_image, write_image
from pellucid.inference import frames
from pellucid.server.settings import Settings
from pellucid.server.workers.processing import Workshop
from pellucid.server.workers.tasks import Order, Refused

RNG = np.random.default_rng(0)


def on(done: int, total: int) -> bool:
    return True


@pytest.fixture(scope="module")
def workshop(exported, reader):
    settings = Settings(models=(str(exported),), classifiers=(reader,), engine="onnxruntime", threads=1)
    return Workshop(replace(settings, max_pixels=1_000_000, max_frames=3, max_text=10_000))


@pytest.fixture
def order(tmp_path):
    """Order the denoising of an image of noise."""
    clean = np.tile(np.linspace(20, 230, 90, dtype=np.float32), (80, 1))[..., None].repeat(3, axis=2)
    noisy = clean + 25 * RNG.standard_normal(clean.shape)
    for name, pixels in (("clean.png", clean), ("noisy.png", noisy)):
        write_image(tmp_path / name, np.rint(pixels.clip(0, 255)).astype(np.uint8))
    return Order("denoise", tmp_path / "noisy.png", tmp_path / "out", "small", 0.1, name="photo.png")


def test_it_says_what_it_has(workshop):
    told = workshop.on_offer()
    assert told["denoisers"] == {"small": {"channels": [3], "fixed_size": None, "conditional": True}}
    assert told["classifiers"] == {"brightness": {"classes": []}}


def test_denoising_tells_what_it_did(workshop, order):
    shares = []
    facts = workshop.do(order, lambda done, total: shares.append(done / total) or True)
    assert facts.pop("sigma") == pytest.approx(25.5) and facts.pop("seconds") > 0
    assert facts == {
        **{"width": 90, "height": 80, "frames": 1, "channels": 3, "has_alpha": False, "dtype": "uint8"},
        **{"bit_depth": 8, "format": "PNG", "written": "PNG", "media_type": "image/png", "suffix": ".png"},
        **{"engine": "onnxruntime fp32", "remarks": []},
    }
    assert shares[-1] == 1 and read_image(order.target).pixels.shape == (80, 90, 3)


def test_a_reference_is_compared_with_before_and_after(workshop, order, tmp_path):
    facts = workshop.do(replace(order, reference=tmp_path / "clean.png"), on)
    pixels = [read_image(path).pixels / 255.0 for path in (order.source, order.target, tmp_path / "clean.png")]
    for name, shown in (("psnr_before", pixels[0]), ("psnr", pixels[1])):
        assert facts[name] == pytest.approx(-10 * np.log10(np.square(shown - pixels[2]).mean()), abs=1e-3)
    assert 0 < facts["ssim_before"] < 1 and 0 < facts["ssim"] < 1
    same = workshop.do(
        replace(order, source=tmp_path / "clean.png", reference=tmp_path / "clean.png", strength=0.0), on
    )
    assert same["psnr"] is None and same["ssim"] == pytest.approx(1)


def test_a_reference_of_another_size_is_refused_before_the_work(workshop, order, tmp_path):
    write_image(tmp_path / "other.png", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(Refused, match=r"the reference of photo\.png is of another size"):
        workshop.do(replace(order, reference=tmp_path / "other.png"), on)
    assert order.target and not order.target.exists()


def test_previews_show_before_after_and_what_was_taken_out(workshop, order, tmp_path):
    (tmp_path / "previews").mkdir()
    facts = workshop.do(replace(order, previews=tmp_path / "previews"), on)
    shown = {path.stem: read_image(path).pixels.astype(int) for path in (tmp_path / "previews").iterdir()}
    np.testing.assert_array_equal(shown["before"], read_image(order.source).pixels)
    np.testing.assert_array_equal(shown["after"], read_image(order.target).pixels)
    taken_out = 127.5 + facts["difference_gain"] * (shown["before"] - shown["after"])
    assert np.abs(shown["difference"] - taken_out.clip(0, 255)).max() <= 1 and facts["size_note"] is None


@pytest.mark.parametrize(("value", "label"), [(10, "0"), (240, "1")])
def test_a_classifier_reads_before_and_after(workshop, order, tmp_path, value, label):
    write_image(tmp_path / "flat.png", np.full((8, 8), value, np.uint8))
    flat = replace(order, kind="classify", source=tmp_path / "flat.png", model="", classifier="brightness")
    facts = workshop.do(flat, on)
    assert facts["labels"] == {"before": label}
    assert facts["scores"]["before"]["1"] == pytest.approx(value / 255) and sum(
        facts["scores"]["before"].values()
    ) == pytest.approx(1)
    both = workshop.do(replace(flat, model="small"), on)
    assert set(both["labels"]) == set(both["scores"]) == {"before", "after"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model": "photo"}, 'no model "photo" any more: choose one of small'),
        ({"kind": "classify", "classifier": "cats"}, 'no classifier "cats" any more'),
    ],
)
def test_what_is_no_longer_on_offer_is_refused(workshop, order, changed, words):
    with pytest.raises(Refused, match=words):
        workshop.do(replace(order, **changed), on)


def test_the_limits_are_the_settings(workshop, order, tmp_path):
    tifffile.imwrite(tmp_path / "many.tif", np.zeros((4, 9, 9), np.uint8), photometric="minisblack", metadata=None)
    write_image(tmp_path / "large.png", np.zeros((1001, 1000), np.uint8))
    for name, words in (("many.tif", "4 pages, more than the 3"), ("large.png", "raise the service's --max-pixels")):
        with pytest.raises(TooLarge, match=words):
            workshop.do(replace(order, source=tmp_path / name), on)


def test_remarks_name_the_image_as_its_sender_does(workshop, order, tmp_path):
    pixels = RNG.random((80, 90)).astype(np.float32)
    pixels[4, 5] = np.nan
    write_image(tmp_path / "odd.tif", pixels)
    facts = workshop.do(replace(order, source=tmp_path / "odd.tif", name="mine.tif"), on)
    assert len(facts["remarks"]) == 1 and facts["remarks"][0].startswith("mine.tif holds values that are not finite")


def test_what_is_white_is_looked_for_once(workshop, order, tmp_path, monkeypatch):
    looked = []
    for module in (formats, frames):
        monkeypatch.setattr(module, "data_range_of", lambda pixels: looked.append(pixels) or 4095.0)
    write_image(tmp_path / "camera.tif", RNG.integers(0, 4096, (80, 90, 3), np.uint16))
    facts = workshop.do(replace(order, source=tmp_path / "camera.tif"), on)
    assert len(looked) == 1 and facts["remarks"] == ["12 bits in 16: white is taken to be 4095"]


def test_it_stops_when_told(workshop, order):
    with pytest.raises(Cancelled):
        workshop.do(order, lambda done, total: False)
    assert order.target and not order.target.exists()
