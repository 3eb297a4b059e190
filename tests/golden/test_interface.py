"""Snapshots, as text to be reviewed: public names, each command's help and the service's OpenAPI document.

`scripts/golden --write tests/golden/test_interface.py` writes them, and `git diff tests/golden/snapshots` shows what
changed.
"""

import importlib
import importlib.metadata
import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import pellucid
from pellucid.cli import app

SNAPSHOTS = Path(__file__).parent / "snapshots"
SOURCE = Path(pellucid.__file__).parent
IS_WRITING = bool(os.environ.get("PELLUCID_WRITE_GOLDEN"))


def compare(name: str, text: str, *libraries: str) -> None:
    """Compare a text with its snapshot, where the libraries that shape it are those that wrote it."""
    path, versions_path = SNAPSHOTS / name, SNAPSHOTS / "versions.json"
    versions = json.loads(versions_path.read_text()) if versions_path.exists() else {}
    here = {library: importlib.metadata.version(library) for library in libraries}
    if IS_WRITING:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        versions |= here
        versions_path.write_text(json.dumps(versions, indent=1, sort_keys=True) + "\n")
    if any(versions.get(library) != version for library, version in here.items()):
        pytest.skip(f"{name} was written with other versions of {', '.join(libraries)}")
    assert text == path.read_text(encoding="utf-8")


def commands(group, path=()):
    """Yield the words of every command, groups among them."""
    yield path
    for name, command in sorted(getattr(group, "commands", {}).items()):
        yield from commands(command, (*path, name))


COMMANDS = list(commands(typer.main.get_command(app)))


def test_public_names():
    packages = sorted(path.parent.relative_to(SOURCE.parent) for path in SOURCE.rglob("__init__.py"))
    lines = []
    for package in packages:
        name = ".".join(package.parts)
        lines += [f"{name}: {public}" for public in sorted(getattr(importlib.import_module(name), "__all__", ()))]
    compare("public_names.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help(words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    done = CliRunner().invoke(app, [*words, "--help"], prog_name="pellucid", terminal_width=100, color=False)
    assert done.exit_code == 0, done.output
    compare(f"help/{'-'.join(('pellucid', *words))}.txt", done.stdout, "typer", "click", "rich")


def test_every_command_has_its_snapshot():
    assert {path.stem for path in (SNAPSHOTS / "help").iterdir()} == {"-".join(("pellucid", *w)) for w in COMMANDS}


def test_the_openapi_document(tmp_path):
    from pellucid.server.app import create_app
    from pellucid.server.settings import Settings

    document = create_app(Settings(spool=tmp_path)).openapi()
    document["info"]["version"] = "-"
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    compare("openapi.json", text, "fastapi", "starlette", "pydantic")
