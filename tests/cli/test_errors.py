"""The command line as a whole: help, lists, exit statuses, broken files, full disks, pipes."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command

import pellucid
from pellucid import registry
from pellucid.cli import app
from pellucid.cli.console import format_duration, pluralize

# What `list` shows: each kind's name there and in the registry.
KINDS = {
    "recipes": "",
    "models": "",
    "noise": "noise",
    "networks": "model",
    "losses": "loss",
    "objectives": "objective",
    "classical": "classical",
    "metrics": "metric",
    "data": "data",
    "engines": "engine",
}
COMMANDS = sorted(get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]


def shell(*arguments: object, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(Path(pellucid.__file__).parents[1]), **options.pop("extra", {})}
    command = [sys.executable, "-m", "pellucid", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, **options)


def test_version(run):
    assert run("--version").stdout == f"pellucid {pellucid.__version__}\n"


def test_help_shows_where_to_start(run):
    outcome = run("--help")
    assert outcome.status == 0 and "Start here:" in outcome.stdout
    assert all(command in outcome.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(run, command):
    outcome = run(command, "--help")
    assert outcome.status == 0
    assert f"\n    pellucid {command}" in outcome.stdout.partition("Examples:")[2]


@pytest.mark.parametrize(
    "arguments", [["tran"], ["train"], ["denoise"], ["train", "demo", "--epochs", "x"], ["list", "--nope"]]
)
def test_wrong_usage_is_one_line_and_status_2(refused, arguments):
    assert "--help" in refused(2, *arguments)


def test_nothing_asked_shows_the_help(run):
    outcome = run()
    assert outcome.status == 2 and "Start here:" in outcome.stdout + outcome.stderr


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "models"])
def test_list_names_all_there_is(run, kind, tmp_path):
    outcome = run("list", kind, "--json", tmp_path / "names.json")
    listed = json.loads((tmp_path / "names.json").read_text())[kind]
    assert listed and all(listed.values())
    assert all(name in outcome.stdout and summary in outcome.stdout for name, summary in listed.items())
    if kind != "recipes":
        assert tuple(listed) == registry.names(KINDS[kind])


def test_list_of_everything_and_of_nothing(run, refused):
    outcome = run("list")
    assert all(f"\n{kind}\n" in f"\n{outcome.stdout}" for kind in KINDS)
    assert refused(2, "list", "noize") == 'there is no list "noize" (did you mean "noise"?)'


def test_fetch_of_an_unknown_data_set(refused):
    assert 'nothing to fetch for "mnits" (did you mean "mnist"?)' in refused(2, "fetch", "mnits")


def test_fetch_says_where_the_data_is(run, tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.data.fetch.fetch", lambda name, root, progress: progress("one of 4") or root / name)
    outcome = run("fetch", "mnist", "--to", tmp_path)
    assert outcome.stdout == f"mnist is in {tmp_path / 'mnist'}\n" and outcome.stderr == "one of 4\n"


def broken(kind: str, good: bytes) -> bytes:
    (length,) = struct.unpack_from("<Q", good)
    return {
        "cut short": good[:-100],
        "empty": b"",
        "a pickle": b"\x80\x04K\x01.",
        "a zipped pickle": b"PK\x03\x04" + good,
        "text": b"{}",
        "of another version": good[:8]
        + good[8 : 8 + length].replace(b"pellucid-2", b"pellucid-9")
        + good[8 + length :],
    }[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut short", "is cut short"),
        ("empty", "is cut short"),
        ("a pickle", "is a pickle, which is never loaded"),
        ("a zipped pickle", "is a pickle, which is never loaded"),
        ("text", "is cut short or no safetensors file"),
        ("of another version", "has pellucid-9, this version reads pellucid-2"),
    ],
)
def test_a_broken_checkpoint_is_named_with_a_remedy(refused, trained, digits, tmp_path, kind, message):
    path = tmp_path / "model.safetensors"
    path.write_bytes(broken(kind, (trained["dense"] / "best.safetensors").read_bytes()))
    for command in (("evaluate", path), ("denoise", digits, "-o", tmp_path / "out", "--model", path)):
        line = refused(1, *command)
        assert line.startswith(str(path)) and message in line and ": " in line
    assert not (tmp_path / "out").exists()


def test_a_missing_checkpoint_and_the_state_of_a_run(refused, trained, digits, tmp_path):
    rest = ("denoise", digits, "-o", tmp_path / "out", "--model")
    assert "cannot read the checkpoint" in refused(1, *rest, tmp_path / "gone.safetensors")
    assert "give the best.safetensors beside it" in refused(1, *rest, trained["dense"] / "last.safetensors")


def test_json_that_cannot_be_written(refused, tmp_path):
    assert "its folder does not exist" in refused(1, "list", "noise", "--json", tmp_path / "gone" / "names.json")


def test_a_full_disk_on_stdout_is_one_line():
    with Path("/dev/full").open("w") as full:
        environment = {**os.environ, "PYTHONPATH": str(Path(pellucid.__file__).parents[1])}
        command = [sys.executable, "-m", "pellucid", "list", "--json", "-"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert result.returncode == 1
    assert "No space left on device" in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr


def test_a_pipe_that_closes_early_is_quiet():
    environment = {**os.environ, "PYTHONPATH": str(Path(pellucid.__file__).parents[1])}
    command = [sys.executable, "-m", "pellucid", "list", "--json", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(("debug", "lines"), [({}, 1), ({"PELLUCID_DEBUG": "1"}, 5)])
def test_an_unexpected_error_asks_for_a_report_and_shows_its_trace_on_request(run, monkeypatch, debug, lines):
    def fail(kind):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("pellucid.registry.names", fail)
    for name, value in debug.items():
        monkeypatch.setenv(name, value)
    outcome = run("list", "noise")
    assert outcome.status == 1
    assert len(outcome.stderr.splitlines()) >= lines and (lines > 1) == ("Traceback" in outcome.stderr)
    assert "of all things" in outcome.stderr
    assert lines > 1 or "please report it" in outcome.stderr


def test_a_missing_library_names_the_extra(run, monkeypatch, digits, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith(("pellucid.noise.add_noise", "pellucid.noise"))]:
        monkeypatch.delitem(sys.modules, name)
    outcome = run("add-noise", digits, "-o", tmp_path / "out", "--noise", "gaussian")
    assert outcome.status == 1
    assert outcome.stderr == 'pellucid: this needs torch, which is not installed: pip install "pellucid[train]"\n'


def test_exit_statuses_of_the_real_command(tmp_path):
    assert shell("list", "noise").returncode == 0
    assert shell("list", "noize").returncode == 2
    assert shell("denoise", tmp_path / "gone.png", "-o", tmp_path / "out.png", "--model", "m").returncode == 1


def test_ctrl_c_during_training_is_status_130_and_the_run_goes_on(recipes, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(pellucid.__file__).parents[1])}
    command = [sys.executable, "-m", "pellucid", "train", str(recipes["dense"]), "--epochs", "100000"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    while not (tmp_path / "run" / "stats.jsonl").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert messages.splitlines()[-1].startswith("pellucid: interrupted; ") and "--resume" in messages
    assert (tmp_path / "run" / "best.safetensors").is_file()
    assert not list((tmp_path / "run").glob(".*"))


def test_words_for_durations_and_counts():
    assert [format_duration(seconds) for seconds in (0.01, 9.94, 42.4, 185, 7620)] == [
        "0.1 s",
        "9.9 s",
        "42 s",
        "3 min 05 s",
        "2 h 07 min",
    ]
    assert [pluralize(number, "image") for number in (1, 2, 2000)] == ["1 image", "2 images", "2,000 images"]
