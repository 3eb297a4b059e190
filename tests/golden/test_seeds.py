"""The chance of every purpose: a seed and a text, such as `(0, "noise", step)`, hashed into a generator.

The texts are data, not names: a renamed one would change every result that hangs on it.
"""

import ast
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

import pellucid
from pellucid import registry
from pellucid.image import write_image
from pellucid.utils import seeding

SOURCE = Path(pellucid.__file__).parent
# The functions whose texts end up in a seed.
SEEDED_BY = {"make_generator", "rng_key", "with_fixed_noise", "noisy_training_images"}
PURPOSES = [
    ("order", 0),
    ("noise", 0),
    ("noise", 3),
    ("noise", 3, "process", 1),
    ("fixed noise", "training"),
    ("fixed noise", "validation"),
    ("fixed noise", "test"),
    ("fixed noise", "rivals"),
    ("fixed noise", "codes"),
    ("validation",),
    ("check",),
    ("probe",),
    ("probe", "epochs"),
    ("tune",),
    ("outliers",),
    ("progress",),
    ("add noise", "photo.png"),
]
NOISES = {
    "camera": {},
    "chain": {"parts": [{"name": "gaussian", "sigma": 0.1}, {"name": "jpeg", "quality": 50}]},
    "correlated": {"sigma": 0.1, "blur": 1.0},
    "document": {},
    "gaussian": {"sigma": [0.05, 0.2]},
    "jpeg": {"quality": [20, 80]},
    "masking": {"fraction": 0.3},
    "mix": {"parts": [{"name": "gaussian", "sigma": 0.1}, {"name": "uniform", "low": 0.0, "high": 0.5}]},
    "poisson": {"peak": 30},
    "poisson_gaussian": {"peak": [20, 100], "sigma": 0.02},
    "salt_pepper": {},
    "speckle": {},
    "stripes": {},
    "uniform": {"low": 0.0, "high": 0.9},
}
DATA = {
    "dead_leaves": {"num_images": 12, "size": 32},
    "digits": {},
    "photos": {
        "folders": ["."],
        "patch": 24,
        "num_patches": 8,
        "num_dead_leaves": 4,
        "num_constant": 4,
        "test_fraction": 0.4,
    },
    "folder": {"path": ".", "patch": 24, "channels": 3},
}


def test_first_draws(portable):
    found = {}
    for seed in (0, 7):
        for key in PURPOSES:
            digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=7).digest()
            expected = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
            draws = torch.randint(2**31, (4,), generator=seeding.make_generator(seed, *key)).tolist()
            assert draws == torch.randint(2**31, (4,), generator=expected).tolist()
            found[repr((seed, *key))] = draws
    portable.check("first-draws", found)


def called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def test_the_texts_that_are_hashed_into_seeds(portable):
    texts = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and called(node) in SEEDED_BY:
                texts |= {part.value for part in node.args if isinstance(part, ast.Constant) and part.value != 0}
    known = {part for key in PURPOSES for part in key if isinstance(part, str)}
    # Given by the caller, or put in between, and so not found in a call.
    assert {str(text) for text in texts} == known - {"process", "photo.png"}
    portable.check("seed-texts", {"texts": sorted(map(str, texts))})


@pytest.mark.parametrize("name", NOISES)
def test_what_each_noise_draws(name, golden, describe, one_thread):
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 40), torch.linspace(0, 1, 48), indexing="ij")
    clean = torch.stack([rows, columns, (rows + columns) / 2]).repeat(3, 1, 1, 1) * 0.8 + 0.1
    generator = torch.Generator().manual_seed(11)
    noisy, sigma = registry.build("noise", name, NOISES[name])(clean, generator)
    left = torch.randint(2**31, (2,), generator=generator).tolist()
    golden.check(f"noise-{name}", {"noisy": describe(noisy.numpy()), "level": describe(sigma.numpy()), "next": left})


def test_every_noise_is_there():
    assert set(registry.names("noise")) == set(NOISES)


@pytest.mark.parametrize("name", DATA)
def test_what_each_data_set_chooses(name, golden, describe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    for number in range(6):
        image = np.random.default_rng(number).integers(0, 256, (60, 70, 3), np.uint8)
        write_image(tmp_path / f"{number}.png", image)
    data = registry.build("data", name, DATA[name])
    golden.check(f"data-{name}", {part: describe(data.load(part).images) for part in ("train", "test")})
