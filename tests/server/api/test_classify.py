"""What is seen in an image, before and after denoising."""

import io

import numpy as np
import pytest
from PIL import Image


def flat(value: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((20, 30), value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(("value", "label"), [(10, "0"), (250, "1")])
def test_the_label_and_the_probability_of_each_class_come_back(service, value, label):
    found = service.client.post("/v1/classify", content=flat(value)).raise_for_status().json()
    assert found["model"] == "brightness" and found["label"] == label and "denoised" not in found
    assert found["scores"]["1"] == pytest.approx(value / 255)


def test_what_is_seen_in_the_image_denoised_comes_along(service):
    answers = [
        service.client.post("/v1/classify?denoise=small&sigma=10", content=flat(200)),
        service.client.post("/v1/classify", files={"file": flat(200)}, data={"denoise": "small", "sigma": "10"}),
        service.client.post("/v1/classify?denoise=small&strength=0", content=flat(200)),
    ]
    found = [answer.raise_for_status().json() for answer in answers]
    assert found[0] == found[1] and found[0]["denoised"] != found[2]["denoised"]
    assert {key: found[2][key] for key in ("label", "scores")} == found[2]["denoised"]


@pytest.mark.parametrize(
    ("status", "words", "query"),
    [
        (422, "model is cats: choose one of brightness", {"model": "cats"}),
        (422, "denoise is nix: choose one of small", {"denoise": "nix"}),
        (422, "sigma is x", {"sigma": "x"}),
    ],
)
def test_what_is_not_on_offer_is_refused(service, status, words, query):
    refused = service.client.post("/v1/classify", params=query, content=flat(9))
    assert refused.status_code == status and words in refused.json()["detail"]


def test_an_image_that_does_not_fit_is_refused(service, picture):
    refused = service.client.post("/v1/classify", content=picture())
    assert refused.status_code == 422 and "brightness.onnx takes" in refused.json()["detail"]


def test_json_has_to_be_accepted(service):
    refused = service.client.post("/v1/classify", content=flat(9), headers={"Accept": "image/png"})
    assert refused.status_code == 406
