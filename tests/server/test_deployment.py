"""The systemd unit, the Dockerfile and the documentation start what there is."""

import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from typer.main import get_command

from pellucid.cli import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCUMENT = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")


def options() -> dict[str, str]:
    """Return the options of `pellucid serve`, each with its default as a text."""
    command = get_command(app).commands["serve"]  # type: ignore[attr-defined]
    return {option: str(each.default).removesuffix(".0") for each in command.params for option in each.opts}


def code(mark: str) -> str:
    (block,) = re.findall(rf"^```python {mark}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return block


def test_the_unit_starts_the_command_with_options_that_it_has():
    (started,) = re.findall(r"^ExecStart=(.*)$", (DEPLOY / "pellucid.service").read_text("utf-8"), re.MULTILINE)
    program, command, *given = shlex.split(started)
    assert program.endswith("/pellucid") and command == "serve"
    assert {word for word in given if word.startswith("-")} <= set(options())


def test_systemd_understands_the_unit(tmp_path):
    tool = shutil.which("systemd-analyze")
    if not tool:
        pytest.skip("systemd is not installed")
    unit = (DEPLOY / "pellucid.service").read_text("utf-8").replace("/opt/pellucid/bin/pellucid", "/bin/true")
    (tmp_path / "pellucid.service").write_text(unit)
    command = [tool, "verify", "--man=no", str(tmp_path / "pellucid.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "pellucid.service" not in done.stderr, done.stderr


def test_the_image_starts_the_command_as_somebody_else_than_root():
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    (user,) = re.findall(r"^USER (\d+)", text, re.MULTILINE)
    assert int(user) > 0
    (entry,) = re.findall(r"^ENTRYPOINT \[(.*)\]$", text, re.MULTILINE)
    program, command, *given = re.findall(r'"([^"]*)"', entry)
    assert (program, command) == ("pellucid", "serve")
    assert {word for word in given if word.startswith("-")} <= set(options())


def test_the_image_gets_every_file_that_it_copies():
    text, kept = (DEPLOY / "Dockerfile").read_text("utf-8"), (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8")
    copied = [name for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    for name in copied:
        assert (ROOT / name).exists() and f"!{name}\n" in kept


def test_every_limit_is_an_option_with_the_default_that_is_written():
    rows = re.findall(r"^\| (`--.*?) \| (.*?) \|", DOCUMENT, re.MULTILINE)
    listed = {name: defaults for names, defaults in rows for name in re.findall(r"`(--[\w-]+)`", names)}
    assert len(listed) > 12
    for name, defaults in listed.items():
        default = {"86400": "a day"}.get(options()[name], options()[name])
        assert re.search(rf"(^|\W){default}(\W|$)", defaults), name


def test_four_lines_of_python_are_a_client(service, picture, tmp_path, monkeypatch):
    text = code("client").replace("http://127.0.0.1:8000", service.address)
    assert sum(bool(line) for line in text.split("\n")) == 4 and service.address in text
    monkeypatch.chdir(tmp_path)
    Path("photo.jpg").write_bytes(picture("JPEG"))
    exec(compile(text, "docs/service.md", "exec"), {})
    assert Path("clean.jpg").read_bytes()[:3] == b"\xff\xd8\xff"


def test_a_job_is_followed_as_written(service, picture, tmp_path, monkeypatch):
    text = code("job").replace("http://127.0.0.1:8000", service.address)
    assert service.address in text
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Path(name).write_bytes(picture())
    exec(compile(text, "docs/service.md", "exec"), {"time": time})
    assert Path("clean.zip").read_bytes()[:2] == b"PK"
