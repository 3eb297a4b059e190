"""Find letters mixed in among handwritten digits, by how badly a denoising autoencoder reconstructs them.

The network is trained on digits alone; it has never seen a letter.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics import roc_auc_score

from pellucid import Denoiser, load_recipe
from pellucid.evaluate.outliers import outliers
from pellucid.train.loop import train

LETTERS = "AEFGHKMNPRWX"


def letter(text: str) -> np.ndarray:
    """Return a letter, (1, 8, 8) float32 in [0, 1], white on black as the digits are."""
    picture = Image.new("L", (32, 32))
    ImageDraw.Draw(picture).text((16, 16), text, 255, ImageFont.load_default(28), anchor="mm")
    return np.asarray(picture.resize((8, 8), Image.Resampling.BOX), np.float32)[None] / 255


def main() -> None:
    """Train on digits, score test digits with letters among them, and print how well the scores separate the two."""
    recipe = load_recipe("demo").with_values(
        {"model": {"name": "dense", "image": [1, 8, 8], "widths": [16]}, "noise.sigma": 0.2, "train.epochs": 100}
    )
    with tempfile.TemporaryDirectory() as folder:
        denoiser = Denoiser.load(train(recipe, Path(folder)).best)
    digits = recipe.build("data").load("test").images / np.float32(255)
    mixed = np.concatenate([digits, np.stack([letter(text) for text in LETTERS])])
    is_letter = np.arange(len(mixed)) >= len(digits)

    found = outliers(denoiser, mixed)
    worst = np.argsort(found.scores)[::-1][: len(LETTERS)]
    names = ["a letter" if is_letter[index] else "a digit" for index in worst]
    print(f"area under the curve, letters against digits: {roc_auc_score(is_letter, found.scores):.3f}")
    print(f"flagged: {found.flagged[is_letter].sum()} of {len(LETTERS)} letters")
    print(f"flagged: {found.flagged[~is_letter].sum()} of {len(digits)} digits")
    print(f"of the {len(worst)} worst, {names.count('a letter')} are letters")


if __name__ == "__main__":
    main()
