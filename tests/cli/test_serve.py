"""pellucid serve: its options become settings, and wrong ones are refused."""

import sys
from pathlib import Path

import pytest

from pellucid.cli.serve import format_size, parse_size
from pellucid.errors import UsageError
from pellucid.server import main
from pellucid.server import settings as settings_module
from pellucid.server.settings import Settings


@pytest.fixture
def settings_of(run, monkeypatch):
    """Return a function that runs the command and returns the settings; the machine has enough memory for all."""
    monkeypatch.setattr(settings_module, "total_memory", lambda: 1 << 40)

    def settings_of(*arguments: str) -> Settings:
        calls = []

        async def serve(settings, on_ready, is_quiet):
            calls.append(settings)
            on_ready("http://127.0.0.1:8000")

        monkeypatch.setattr(main, "serve", serve)
        result = run("serve", *arguments)
        assert result.status == 0 and "Pellucid is at http://127.0.0.1:8000" in result.stderr, result.stderr
        return calls[0]

    return settings_of


def test_the_defaults_are_those_of_the_settings(settings_of, monkeypatch):
    monkeypatch.delenv("PELLUCID_TOKEN", raising=False)
    assert settings_of() == Settings()


def test_options_reach_the_settings(settings_of, monkeypatch):
    monkeypatch.setenv("PELLUCID_TOKEN", "secret")
    settings = settings_of(
        *("--model", "photo-fast", "--model", "a/b.onnx", "--classifier", "c.onnx", "--max-bytes", "1.5M"),
        *("--max-batch-bytes", "20M"),
        *("--workers", "2", "--allow-host", "a.example", "--spool", "there", "--root-path", "/p", "--port", "0"),
    )
    assert settings == Settings(
        port=0,
        spool=Path("there"),
        models=("photo-fast", "a/b.onnx"),
        classifiers=(Path("c.onnx"),),
        token="secret",
        max_bytes=1_500_000,
        max_batch_bytes=20_000_000,
        workers=2,
        allow_hosts=("a.example",),
        root_path="/p",
    )


@pytest.mark.parametrize(("text", "value"), [("4096", 4096), ("200M", 200_000_000), ("1.5G", 1_500_000_000)])
def test_sizes_have_units(text, value):
    assert parse_size("--max-bytes", text) == value


@pytest.mark.parametrize(
    ("number", "text"), [(200_000_000, "200M"), (3_000_000_000, "3G"), (1_500_000, "1500k"), (4097, "4097"), (1, "1")]
)
def test_sizes_are_formatted_as_they_are_parsed(number, text):
    assert format_size(number) == text and parse_size("--max-bytes", text) == number


@pytest.mark.parametrize("text", ["", "M", "many", "1Q", "inf", "nan"])
def test_other_texts_are_no_sizes(text):
    with pytest.raises(UsageError, match="--max-bytes"):
        parse_size("--max-bytes", text)


def test_an_invalid_value_is_wrong_usage(refused):
    assert "--port 99999" in refused(2, "serve", "--port", "99999")


def test_without_the_extra_the_error_says_what_to_install(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert 'pip install "pellucid[server]"' in refused(1, "serve")


def test_too_many_workers_for_the_memory_are_refused(settings_of, refused, monkeypatch):
    monkeypatch.setattr(settings_module, "total_memory", lambda: 8_000_000_000)
    error = refused(2, "serve", "--workers", "3")
    assert "may take 9 GB of the 8 GB of this machine: start fewer, or lower --memory-limit" in error
    assert settings_of("--workers", "3", "--memory-limit", "2.5G").workers == 3
    monkeypatch.setattr(settings_module, "total_memory", lambda: 1_000_000_000)
    assert settings_of().workers == 1
