"""Requests with one image: denoising keeps everything else, classifying, and errors as problem documents."""

import io
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from pellucid.image import read_image, write_image
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.image_file import denoise_image


def denoise(service, content: bytes, name: str = "photo.png", accept: str = "*/*", **fields):
    headers = {"Accept": accept}
    return service.client.post("/v1/denoise", files={"file": (name, content)}, data=fields, headers=headers)


def problem(response, status: int) -> str:
    """Return the detail of a problem document, once it is one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found = response.json()
    assert found["status"] == status and found["title"] and found["type"] == "about:blank"
    assert found["instance"] == response.headers["x-request-id"]
    assert "\n" not in found["detail"] and "/spool" not in found["detail"]
    return found["detail"]


def test_the_result_is_the_same_as_from_the_command_line(service, exported, picture, tmp_path):
    (tmp_path / "a.png").write_bytes(picture(size=(300, 200)))
    image = read_image(tmp_path / "a.png")
    denoiser = Denoiser.load(exported, "onnxruntime", threads=1)
    write_image(tmp_path / "b.png", denoise_image(image, denoiser, 25 / 255, 0.5).pixels, like=image)
    response = denoise(service, (tmp_path / "a.png").read_bytes(), sigma="25", strength="0.5")
    assert response.content == (tmp_path / "b.png").read_bytes()
    assert response.headers["content-type"] == "image/png"
    assert float(response.headers["x-noise-level"]) == 25 and response.headers["x-engine"] == "onnxruntime fp32"
    assert 'filename="photo-denoised.png"' in response.headers["content-disposition"]
    assert int(response.headers["content-length"]) == len(response.content)


def test_the_body_may_be_the_image_itself(service, picture):
    content = picture("JPEG")
    in_a_form = denoise(service, content, sigma="20").content
    for media_type in ("image/jpeg", "application/octet-stream", ""):
        headers = {"Content-Type": media_type}
        response = service.client.post("/v1/denoise?sigma=20", content=content, headers=headers)
        assert response.content == in_a_form and response.headers["content-type"] == "image/jpeg"


def test_depth_alpha_and_metadata_are_kept(service, picture, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera", 6
    (tmp_path / "a.jpg").write_bytes(picture("JPEG", exif=exif, dpi=(300, 300)))
    rng = np.random.default_rng(1)
    (tmp_path / "b.png").write_bytes(imagecodecs.png_encode(rng.integers(0, 65_536, (20, 30, 4), np.uint16)))
    tifffile.imwrite(tmp_path / "c.tif", rng.random((3, 20, 30), np.float32), photometric="minisblack")
    for path in sorted(tmp_path.iterdir()):
        before = read_image(path)
        (tmp_path / "after").write_bytes(denoise(service, path.read_bytes(), path.name).content)
        after = read_image(tmp_path / "after")
        assert after.pixels.shape == before.pixels.shape and after.pixels.dtype == before.pixels.dtype
        assert (after.exif, after.dpi, after.icc) == (before.exif, before.dpi, before.icc)
        assert (before.alpha is None) is (after.alpha is None)
        if before.alpha is not None and after.alpha is not None:
            np.testing.assert_array_equal(after.alpha, before.alpha)
        assert not np.array_equal(after.pixels, before.pixels)


def test_strength_0_returns_the_image(service, picture):
    content = picture()
    before, after = (
        np.asarray(Image.open(io.BytesIO(data))) for data in (content, denoise(service, content, strength="0").content)
    )
    np.testing.assert_array_equal(before, after)


def test_requests_have_ids(service, picture):
    answer = service.client.post("/v1/denoise", content=picture(), headers={"X-Request-ID": "abc-1.2"})
    assert answer.headers["x-request-id"] == "abc-1.2"
    for odd in ("a b", "x" * 65, "<script>"):
        made = service.client.get("/healthz", headers={"X-Request-ID": odd}).headers["x-request-id"]
        assert made != odd and made.isalnum()


@pytest.mark.parametrize(
    ("status", "text", "request_of"),
    [
        (415, "notes.txt is not an image", lambda image: {"files": {"file": ("notes.txt", b"Dear diary")}}),
        (415, "a PDF file", lambda image: {"files": {"file": ("a.png", b"%PDF-1.4 ...")}}),
        (
            415,
            "text/plain is not supported",
            lambda image: {"content": image, "headers": {"Content-Type": "text/plain"}},
        ),
        (422, "a.png is cut short or damaged", lambda image: {"files": {"file": ("a.png", image[:-90])}}),
        (422, "a.png is cut short or damaged", lambda image: {"files": {"file": ("../../a.png", image[:40])}}),
        (422, "no image", lambda image: {"content": b""}),
        (422, "a.png is empty", lambda image: {"files": {"file": ("a.png", b"")}}),
        (422, "file in the field other", lambda image: {"files": {"other": ("a.png", image)}}),
        (
            413,
            "more than the 1 files",
            lambda image: {"files": [("file", ("a.png", image)), ("file", ("b.png", image))]},
        ),
        (422, "model is nix: choose one of small", lambda image: {"content": image, "params": {"model": "nix"}}),
        (422, "sigma is 999", lambda image: {"files": {"file": image}, "data": {"sigma": "999"}}),
        (400, "boundary", lambda image: {"content": image, "headers": {"Content-Type": "multipart/form-data"}}),
        (
            400,
            "cut short",
            lambda image: {
                "content": b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + image,
                "headers": {"Content-Type": "multipart/form-data; boundary=x"},
            },
        ),
        (
            400,
            "cannot be read",
            lambda image: {"content": b"no form", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        ),
        (406, "one of image/avif", lambda image: {"content": image, "headers": {"Accept": "application/json"}}),
    ],
)
def test_an_invalid_request_gets_a_problem_document(service, picture, status, text, request_of):
    assert text in problem(service.client.post("/v1/denoise", **request_of(picture())), status)


def test_one_accepted_type_is_enough(service, picture):
    assert denoise(service, picture(), accept="text/html, image/*;q=0.5").status_code == 200


def test_too_many_bytes_are_refused_announced_or_not(service):
    assert "more than the 1000000 allowed" in problem(service.client.post("/v1/denoise", content=bytes(1_000_001)), 413)
    parts = (bytes(100_000) for _ in range(20))
    assert "more than the 1000000 bytes" in problem(service.client.post("/v1/denoise", content=parts), 413)


def test_pixels_frames_and_text_are_refused_from_the_header(service, picture):
    header = bytes(imagecodecs.png_encode(np.zeros((8, 8), np.uint8)))
    size = (60_000).to_bytes(4, "big")
    ihdr = b"IHDR" + size + size + header[24:29]
    bomb = header[:12] + ihdr + zlib.crc32(ihdr).to_bytes(4, "big") + header[33:]
    assert "60000x60000 = 3600 megapixels, more than the 0.1 allowed" in problem(
        denoise(service, bomb, "bomb.png"), 413
    )
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((6, 9, 9), np.uint8), photometric="minisblack", metadata=None)
    assert "6 pages, more than the 5" in problem(denoise(service, stream.getvalue(), "a.tif"), 413)
    assert "text and metadata" in problem(denoise(service, picture("JPEG", exif=b"Exif\0\0" + bytes(20_000))), 413)


def test_nothing_is_left_in_the_spool(service, picture):
    denoise(service, picture())
    denoise(service, b"nonsense")
    assert list((service.spool / "incoming").iterdir()) == []


def flat(value: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((20, 30), value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(("value", "label"), [(10, "0"), (250, "1")])
def test_classifying_returns_the_label_and_the_probabilities(service, value, label):
    found = service.client.post("/v1/classify", content=flat(value)).raise_for_status().json()
    assert found["model"] == "brightness" and found["label"] == label and "denoised" not in found
    assert found["scores"]["1"] == pytest.approx(value / 255)


def test_the_denoised_image_is_classified_too(service):
    answers = [
        service.client.post("/v1/classify?denoise=small&sigma=10", content=flat(200)),
        service.client.post("/v1/classify", files={"file": flat(200)}, data={"denoise": "small", "sigma": "10"}),
        service.client.post("/v1/classify?denoise=small&strength=0", content=flat(200)),
    ]
    found = [answer.raise_for_status().json() for answer in answers]
    assert found[0] == found[1] and found[0]["denoised"] != found[2]["denoised"]
    assert {key: found[2][key] for key in ("label", "scores")} == found[2]["denoised"]


@pytest.mark.parametrize(
    ("status", "text", "query"),
    [
        (422, "model is cats: choose one of brightness", {"model": "cats"}),
        (422, "denoise is nix: choose one of small", {"denoise": "nix"}),
        (422, "sigma is x", {"sigma": "x"}),
    ],
)
def test_a_model_that_is_not_available_is_refused(service, status, text, query):
    refused = service.client.post("/v1/classify", params=query, content=flat(9))
    assert refused.status_code == status and text in refused.json()["detail"]


def test_an_image_that_the_classifier_cannot_take_is_refused(service, picture):
    refused = service.client.post("/v1/classify", content=picture())
    assert refused.status_code == 422 and "brightness.onnx takes" in refused.json()["detail"]


def test_the_client_must_accept_json(service):
    refused = service.client.post("/v1/classify", content=flat(9), headers={"Accept": "image/png"})
    assert refused.status_code == 406
