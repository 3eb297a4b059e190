import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def child(part):
    return part("service_parts.hostile_child")


def test_outcomes_follow_from_status_output_and_file(child, tmp_path):
    good, absent, broken = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(good)
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    done = "1 image denoised: a.png\n4 x 4 · noise 1.0 of 255 · 0.1 s · onnxruntime fp32\n"
    refused = "pellucid: a.png is damaged: get the file again\n"
    for status, output, target, ended in [
        (0, done, good, child.CLEANED),
        (0, f"denoise 0% · a.png\na.png: 12 bits in 16: white is taken to be 4095\n{done}", good, child.CLEANED),
        (0, done, absent, child.UNEXPECTED),
        (0, done, broken, child.UNEXPECTED),
        (0, f"libpng warning: bad\n{done}", good, child.UNEXPECTED),
        (1, refused, absent, child.REFUSED),
        (1, refused, good, child.UNEXPECTED),
        (1, refused * 2, absent, child.UNEXPECTED),
        (1, "", absent, child.UNEXPECTED),
        (2, refused, absent, child.UNEXPECTED),
        (1, "Traceback (most recent call last):\n", absent, child.TRACEBACK),
        (1, "pellucid: an error that should not happen: KeyError: 1\n", absent, child.TRACEBACK),
    ]:
        assert child.check_result(status, output, target, 1000) == ended, (status, output)


def test_crashes_hangs_and_other_results_are_counted(part, tmp_path, monkeypatch):
    trial = part("service_parts.hostile")
    program = tmp_path / "child.py"
    program.write_text(
        "import json, os, sys, time\n"
        "folder, out, log, first, *_ = sys.argv[1:]\n"
        "for name in sorted(os.listdir(folder))[int(first):]:\n"
        "    if 'dies' in name: os.kill(os.getpid(), 9)\n"
        "    if 'hangs' in name: time.sleep(60)\n"
        "    word = os.environ['MALLOC_PERTURB_'] if 'differs' in name else 'same'\n"
        "    record = dict(file=name, ended='cleaned', output='', sha256=word, seconds=1.5, memory=30)\n"
        "    print(json.dumps(record), file=open(log, 'a'), flush=True)\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(trial, "CHILD", program)
    files = part("hostile_files").Hostile
    names = ["0-x-png-good.png", "1-x-png-dies.png", "2-x-bmp-hangs.bmp", "3-x-bmp-differs.bmp"]
    monkeypatch.setattr(trial, "generated", lambda count, seed: (files(name, b"") for name in names))
    table = trial.hostile(4, hang=3.0)
    rows = {row["format"]: row for row in table.to_dict()["rows"]}
    assert rows["png"]["crashes"] == rows["bmp"]["hangs"] == rows["bmp"]["unstable"] == 1
    assert rows["all"]["files"] == 4 and rows["all"]["cleaned"] == 2 and rows["all"]["slowest s"] == 3
    assert rows["all"]["peak MiB"] == 30 and any("3-x-bmp-differs.bmp: unstable" in note for note in table.notes)


@pytest.mark.slow
def test_files_go_through_the_command_line(part):
    rows = part("service_parts.hostile").hostile(6).to_dict()["rows"]
    assert rows[-1] | {"slowest s": 0, "peak MiB": 0} == {
        **dict.fromkeys(rows[-1], 0), "format": "all", "files": 6, "cleaned": 6
    }  # fmt: skip
    assert 20 < rows[-1]["peak MiB"] < 2000
