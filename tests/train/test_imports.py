"""Training needs torch, NumPy, Pillow, safetensors, Typer and Rich; other libraries are loaded where they are used."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pellucid

ALLOWED = ("torch", "numpy", "pillow", "safetensors", "typer", "rich")
PACKAGES = ("train", "noise", "models", "losses", "objectives", "recipes", "data", "utils")
CODE = """
import importlib, sys
blocked, modules = (set(part.split()) for part in sys.argv[1:])

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
for name in sorted(modules):
    importlib.import_module(name)
"""


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def with_requirements(names):
    """Return the names of distributions and of all that they require, extras left out."""
    found, rest = set(), [normalized(name) for name in names]
    while rest:
        name = rest.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another system
            continue
        rest += [
            normalized(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in requirements if "extra ==" not in line
        ]
    return found


def test_the_training_path_imports_with_few_libraries():
    allowed = with_requirements(ALLOWED)
    tops = metadata.packages_distributions().items()
    blocked = {top for top, names in tops if not {normalized(name) for name in names} & allowed} - {"pellucid"}
    assert {"scipy", "skimage", "sklearn", "onnxruntime", "imagecodecs", "optuna"} <= blocked
    source = Path(pellucid.__file__).parent
    paths = [path.relative_to(source.parent) for package in PACKAGES for path in (source / package).rglob("*.py")]
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths}
    command = [sys.executable, "-c", CODE, " ".join(blocked), " ".join(modules | {"pellucid.checkpoint"})]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
