"""A lower layer never imports a higher one, and nothing imports in a circle; imports inside functions count."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import pellucid

SOURCE = Path(pellucid.__file__).parent

# From the bottom up. Each layer holds lanes that do not import each other; within a lane, a module may import those
# before it. A package counts as one module here.
LAYERS = (
    (("errors",),),
    (("input_spec", "utils", "image"),),
    (("registry", "recipes"),),
    (("noise",), ("models",), ("losses",), ("objectives",), ("metrics", "classical"), ("data",)),
    (("checkpoint",), ("weights",), ("format_1",)),
    (("train",), ("engines",)),
    (("inference",),),
    (("evaluate",),),
    (("report", "reproduce", "own_data", "tune"),),
    (("server", "cli"), ("estimator",)),
)
# These load torch as they are imported, packages as a whole; every other module works without it.
LOADS_TORCH = (
    *("noise", "models", "losses", "objectives", "train"),
    *("checkpoint", "estimator"),
    *("engines.onnx_export",),
    *(
        "evaluate.baselines",
        "evaluate.evaluation",
        "evaluate.latents",
        "evaluate.measure",
        "evaluate.outliers",
        "evaluate.study",
    ),
    *("inference.checkpoint_model", "inference.fine_tuning"),
    *("own_data.report", "own_data.run"),
    *("report.drawings", "report.tables", "report.write"),
    *("reproduce.collect", "reproduce.evaluate_checkpoint", "reproduce.experiment", "reproduce.reproduction"),
    *("tune.storage", "tune.study", "tune.trial"),
    *("utils.device", "utils.seeding"),
)
LOADED_ON_USE = {"cv2", "matplotlib", "onnx", "onnxruntime", "openvino", "optuna", "pooch", "pywt", "scipy", "skimage"}
LOADED_ON_USE |= {"sklearn", "sqlalchemy"}
ENTRANCES = ("__init__", "__main__")


def modules(root):
    """Map dotted names, without the package's own, to files."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree, package):
    """Yield the dotted names that a module imports or may import, in all its blocks; `package` is its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value


def arrows(root):
    """Map each module to the modules that it imports, with the packages that are initialized on the way."""
    files = modules(root)
    found = {}
    for name, path in files.items():
        parent = name if path.stem == "__init__" else name.rpartition(".")[0]
        package = f"pellucid.{parent}".rstrip(".") if name != "__init__" else "pellucid"
        targets = set()
        for full in imported(ast.parse(path.read_text(encoding="utf-8")), package):
            head, _, rest = full.partition(".")
            if head != "pellucid" or rest == "__version__":
                continue
            parts = rest.split(".") if rest else []
            steps = {".".join(parts[:count]) for count in range(1, len(parts) + 1)} & set(files)
            target = max(steps, key=len, default=rest.rpartition(".")[0] or "__init__")
            # A module does not initialize its own package when it imports its neighbor: that is happening already.
            targets |= {target} | {step for step in steps if not name.startswith(f"{step}.")}
        found[name] = targets - {name}
    return found


def positions():
    return {
        unit: (height, lane, position)
        for height, lanes in enumerate(LAYERS)
        for lane, units in enumerate(lanes)
        for position, unit in enumerate(units)
    }


def offences(graph):
    """Return a description of each import that breaks the order."""
    found = []
    order = positions()
    for name, targets in graph.items():
        unit = name.partition(".")[0]
        if unit in ENTRANCES:
            continue
        if unit not in order:
            found.append(f"{name} has no layer: put it into LAYERS")
            continue
        height, lane, position = order[unit]
        for target in sorted(targets):
            other = target.partition(".")[0]
            if other in ENTRANCES:
                found.append(f"{name} imports the front of the package")
            elif other != unit and other in order:
                its_height, its_lane, its_position = order[other]
                if its_height > height or (its_height == height and (its_lane != lane or its_position > position)):
                    found.append(f"{name} imports {target}, which is not below it")
    return found


def circle(graph):
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return None


def test_no_module_imports_one_that_is_not_below_it():
    assert offences(arrows(SOURCE)) == []


def test_nothing_imports_in_a_circle():
    assert circle(arrows(SOURCE)) is None


@pytest.mark.parametrize(
    ("files", "offence"),
    [
        ({"image.py": "def f():\n    from pellucid import train", "train.py": ""}, "image imports train"),
        (
            {"noise/__init__.py": "", "noise/a.py": "import pellucid.models", "models/__init__.py": ""},
            "pellucid.models",
        ),
        ({"noise/__init__.py": "", "noise/a.py": "from .. import models", "models/__init__.py": ""}, "imports models"),
        ({"train.py": "from pellucid.inference import Denoiser", "inference.py": ""}, "train imports inference"),
        ({"recipes.py": "import_module('pellucid.checkpoint')", "checkpoint.py": ""}, "recipes imports checkpoint"),
        ({"input_spec.py": "from pellucid import Denoiser"}, "front of the package"),
        ({"helpers.py": ""}, "helpers has no layer"),
    ],
)
def test_an_upward_arrow_is_found(tmp_path, files, offence):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = offences(arrows(tmp_path))
    assert len(found) == 1 and offence.removeprefix("pellucid.") in found[0]


def test_downward_arrows_are_free(tmp_path):
    (tmp_path / "input_spec.py").write_text("from pellucid.errors import UsageError\nfrom pellucid import __version__")
    (tmp_path / "errors.py").touch()
    assert offences(arrows(tmp_path)) == []


def test_a_circle_is_found_through_a_packages_front_too(tmp_path):
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "__init__.py").write_text("from pellucid.noise.a import A")
    (tmp_path / "noise" / "a.py").write_text("def f():\n    from pellucid.noise import B")
    found = circle(arrows(tmp_path))
    assert found and set(found) == {"noise", "noise.a"}


def test_heavy_libraries_are_imported_on_use_alone():
    found = []
    for name, path in modules(SOURCE).items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                tops = {full.partition(".")[0] for full in imported(ast.Module([node], []), "pellucid")}
                found += [f"{name} imports {top} on loading" for top in sorted(tops & LOADED_ON_USE)]
    assert found == []


def test_what_works_without_torch_never_loads_it():
    names = [name for name in modules(SOURCE) if not {name, name.partition(".")[0]} & {*LOADS_TORCH, *ENTRANCES}]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module('pellucid.' + name)\n"
        "    assert 'torch' not in sys.modules, name"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_recipes_never_mention_torch():
    for source in (SOURCE / "recipes").glob("*.py"):
        tops = {full.partition(".")[0] for full in imported(ast.parse(source.read_text(encoding="utf-8")), "pellucid")}
        assert "torch" not in tops
