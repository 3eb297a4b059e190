"""The OpenAPI document says what there is, and the service does what the document says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pellucid.server.app import create_app
from pellucid.server.settings import Settings

METHODS = ("get", "post", "delete")


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    spool = tmp_path_factory.mktemp("spool")
    return create_app(Settings(spool=spool, models=("photo", "runs/scans.onnx"))).openapi()


def operations(document):
    return [(path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def test_everything_that_is_answered_is_described(document):
    paths = {"/v1/denoise", "/v1/classify", "/v1/models", "/v1/jobs", "/healthz", "/readyz", "/metrics"}
    assert paths <= set(document["paths"]) and document["info"]["title"] == "Pellucid"
    for path, method, operation in operations(document):
        assert method in METHODS and operation["summary"] and operation.get("description"), path


def test_errors_are_described_as_problems(document):
    for path, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status[0] in "45" and status != "416":
                assert list(response["content"]) == ["application/problem+json"], (path, status)


def test_the_document_names_the_available_models(document):
    (model,) = [p for p in document["paths"]["/v1/denoise"]["post"]["parameters"] if p["name"] == "model"]
    assert model["schema"]["enum"] == ["photo", "scans"]
    form = document["paths"]["/v1/denoise"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["model"]["enum"] == ["photo", "scans"] and form["required"] == ["file"]
    (classifier,) = [p for p in document["paths"]["/v1/classify"]["post"]["parameters"] if p["name"] == "model"]
    assert classifier["schema"]["type"] == "string" and not {"enum", "anyOf"} & set(classifier["schema"])
    assert "x-available" not in str(document)


def test_the_document_is_there_and_nothing_that_needs_the_network(service):
    assert service.client.get("/openapi.json").json()["openapi"].startswith("3.1")
    for path in ("/docs", "/redoc"):
        assert service.client.get(path).status_code == 404


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_schemathesis_finds_nothing(serving, reader, tmp_path):
    service = serving("--max-bytes", "1M", "--max-pixels", "1M", "--classifier", str(reader))
    tool = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert tool
    command = [tool, "--config-file", str(Path(__file__).with_name("schemathesis.toml"))]
    command += ["run", f"{service.address}/openapi.json", "--max-examples", "20", "--seed", "1", "--no-color"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
    assert "Traceback" not in service.log
