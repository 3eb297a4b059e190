"""What is on offer."""

import hashlib

from pellucid import weights
from pellucid.server.api.models import _described


def test_what_is_on_offer_is_told_with_the_limits(service, exported, reader):
    found = service.client.get("/v1/models").raise_for_status().json()
    (denoiser,), (classifier,) = found["denoisers"], found["classifiers"]
    assert denoiser["name"] == "small" and denoiser["default"] and denoiser["channels"] == [3]
    assert denoiser["conditional"] and denoiser["card"] is None
    assert denoiser["sha256"] == {exported.name: hashlib.sha256(exported.read_bytes()).hexdigest()}
    assert classifier["name"] == "brightness" and list(classifier["sha256"]) == [reader.name]
    assert {"PNG", "JPEG", "TIFF"} <= set(found["formats"])
    assert found["limits"]["max_bytes"] == 1_000_000 and found["limits"]["max_batch_bytes"] == 3_000_000
    assert found["limits"]["max_frames"] == 5


def test_a_shipped_network_comes_with_its_card():
    found = _described("photo")
    card = weights.cards()["photo"]
    assert found["summary"] == card["summary"] and found["licence"] == card["licence"]
    assert found["sha256"] == card["sha256"] and found["card"]["limits"] == card["limits"]


def test_what_learns_from_each_image_has_no_file():
    assert _described("self")["sha256"] == {}
