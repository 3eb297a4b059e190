"""Draw the README's picture from the full run of `digits` in runs/reproduce."""

from pathlib import Path

from pellucid.recipe import load_recipe
from pellucid.report.figures import png, sheet
from pellucid.reproduce.entries import entry_of
from pellucid.reproduce.workplan import Experiment

ROOT = Path(__file__).parent.parent
ROWS = ("original", "noisy", "denoised", "linear", "tv")

entry = entry_of(Experiment(load_recipe("digits"), None, (), ROOT / "runs" / "reproduce"))
pictures = {row: entry.pictures[row] for row in ROWS}
drawn = sheet(pictures, entry.captions, {row: entry.misread(row) for row in ROWS})
target = ROOT / "docs" / "images" / "digits.png"
target.parent.mkdir(parents=True, exist_ok=True)
target.write_bytes(png(drawn))
