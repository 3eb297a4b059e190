"""The documentation does what it says: its Python runs, its commands and options exist, its links lead somewhere.

A ```python block marked `runnable` is run, after the others of its page; one marked `file=PATH` is a whole file.
"""

import doctest
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.main import get_command

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w+)[ ]?(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
SOURCES = sorted((ROOT / "src").rglob("*.py"))
EXAMPLES = [
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    for path in SOURCES
    if ">>> " in path.read_text("utf-8")
]
MOVED = {".venv/bin/pellucid": ["-m", "pellucid"], ".venv/bin/pytest": ["-m", "pytest"]}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, the words behind that, and its text."""

    language: str
    marks: str
    text: str


def blocks(text: str) -> list[Block]:
    return [Block(*match.groups()) for match in FENCE.finditer(text)]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command in a shell block; `a && b` and `a | b` are two."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if set(word) <= set("|&;"):
                yield words
                words = []
            else:
                words.append(word)
        if words:
            yield words


def page_commands() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.language == "sh":
                for words in commands(block.text):
                    yield page.relative_to(ROOT).as_posix(), words


def environment(source: Path) -> dict[str, str]:
    """Return the environment less pytest's own variables, with the package taken from `source`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    return kept | {"PYTHONPATH": str(source)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_runnable_python_runs(page, tmp_path):
    code = [
        b.text for b in blocks(page.read_text(encoding="utf-8")) if b.language == "python" and b.marks == "runnable"
    ]
    if not code:
        return
    command = [sys.executable, "-W", "error", "-c", "\n".join(code)]
    result = subprocess.run(command, cwd=tmp_path, env=environment(ROOT / "src"), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples_in_docstrings_run(module):
    assert not doctest.testmod(importlib.import_module(module)).failed


@pytest.mark.parametrize(("page", "words"), list(page_commands()), ids=repr)
def test_commands_exist(page, words):
    match words:
        case ["make", *targets]:
            rules = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            assert set(targets) <= set(rules)
        case ["pellucid" | ".venv/bin/pellucid", *arguments]:
            check_arguments(arguments)
        case [".venv/bin/python", script, *_] if not script.startswith("-"):
            assert (ROOT / script).is_file()
        case [program, *_] if program.startswith("scripts/"):
            assert os.access(ROOT / program, os.X_OK)


def check_arguments(arguments: list[str]) -> None:
    """Fail unless the command line has these subcommands, and they have these options."""
    from pellucid.cli import app

    command = get_command(app)
    while arguments and (subcommands := getattr(command, "commands", None)) and not arguments[0].startswith("-"):
        assert arguments[0] in subcommands
        command, arguments = subcommands[arguments[0]], arguments[1:]
    options = {"--help"}.union(*(param.opts + param.secondary_opts for param in command.params))
    assert {word.partition("=")[0] for word in arguments if re.match(r"--?[a-z]", word)} <= options


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_adding_a_noise_model_goes_as_written(tmp_path):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Add a noise model\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    for name in ("src/pellucid", "tests/conformance"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    shown = ""
    for block in blocks(section):
        if block.marks.startswith("file="):
            path = tmp_path / block.marks.removeprefix("file=")
            assert not path.exists()
            path.write_text(block.text, encoding="utf-8")
        for program, *arguments in commands(block.text) if block.language == "sh" else ():
            command = [sys.executable, *MOVED[program], *arguments]
            result = subprocess.run(
                command, cwd=tmp_path, env=environment(tmp_path / "src"), capture_output=True, text=True
            )
            shown += result.stdout
            assert result.returncode == 0, result.stdout + result.stderr
    (expected,) = [block.text for block in blocks(section) if block.language == "text"]
    for line in expected.splitlines():
        assert " ".join(line.split()) in " ".join(shown.split())
