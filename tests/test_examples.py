"""The examples run, and show what they are there to show."""

import re
import runpy
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def printed(name, capsys):
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out


def test_a_pipeline_reads_noisy_digits_better_with_the_denoiser(capsys):
    lines = printed("sklearn_pipeline.py", capsys).splitlines()
    clean, noisy, denoised, _ = (float(line.split()[-1].rstrip("%")) for line in lines)
    assert noisy + 3 < denoised < clean


def test_letters_among_digits_are_found(capsys):
    found = re.search(r"letters against digits: ([\d.]+)", printed("outliers.py", capsys))
    assert found is not None and float(found[1]) > 0.95
