"""The package as a whole: its public names, what it loads, what it depends on, what its wheel holds."""

import ast
import json
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pellucid

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "pellucid"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {"cv2", "matplotlib", "pooch", "pywt", "scipy", "skimage", "sklearn", "torch"}
EXTRAS |= {"onnx", "onnxscript", "openvino"}
INDIRECT = {"tensorboard"}  # torch.utils.tensorboard writes with it
PART_OF_PYDANTIC = {"pydantic-core"}  # pydantic documents the error class that is imported from it


def test_public_names_are_sorted_and_all_there():
    assert pellucid.__all__ == sorted(pellucid.__all__)
    for name in pellucid.__all__:
        assert getattr(pellucid, name) is not None
    assert set(pellucid.__all__) <= set(dir(pellucid))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'pellucid' has no attribute 'denoize'"):
        _ = pellucid.denoize  # pyright: ignore[reportAttributeAccessIssue]


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Return the top-level modules that are loaded after running `code` in a new interpreter."""
    report = "import atexit, json, sys\natexit.register(lambda: sys.stderr.write(json.dumps(list(sys.modules))))\n"
    command = [sys.executable, "-c", report + code, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(result.stderr.splitlines()[-1])}


def test_import_loads_next_to_nothing():
    loaded = loaded_by("import pellucid")
    assert not loaded & {*EXTRAS, "numpy", "PIL", "rich", "typer", "typing"}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["list"], ["list", "noise"], ["list", "models"], ["train", "--help"], ["demo", "--help"]],
)
def test_looking_around_loads_no_extra(arguments):
    loaded = loaded_by("from pellucid.cli import main\nmain()", *arguments)
    assert not loaded & {*EXTRAS, "onnxruntime"}


def imports() -> Iterator[tuple[str, str | None]]:
    """Yield each top-level module that the package imports, with its extra in `import_optional(module, extra, …)`."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=aliases):
                    yield from ((alias.name.partition(".")[0], None) for alias in aliases)
                case ast.ImportFrom(module=str(module), level=0):
                    yield module.partition(".")[0], None
                case ast.Call(
                    func=ast.Name(id="import_optional"),
                    args=[ast.Constant(value=str(module)), ast.Constant(value=str(extra)), *_],
                ):
                    yield module.partition(".")[0], extra


def declared(requirements: list[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(text).name)) for text in requirements} - {"pellucid"}


def test_dependencies_are_those_that_are_imported():
    known = packages_distributions()
    used: dict[str, set[str]] = {}
    for module, extra in imports():
        if module not in sys.stdlib_module_names and module != "pellucid":
            distributions = {canonicalize_name(name) for name in known.get(module, [module])}
            for name in distributions:
                used.setdefault(name, set()).update([extra] if extra else [])
    base = declared(PROJECT["dependencies"])
    extras = {name: declared(of_extra) for name, of_extra in PROJECT["optional-dependencies"].items() if name != "dev"}
    assert base.union(*extras.values()) == (used.keys() | INDIRECT) - PART_OF_PYDANTIC
    for name, named in used.items():
        for extra in named:
            assert name in extras[extra], f"import_optional() says that pellucid[{extra}] installs {name}"


def test_constraints_pin_every_dependency():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    versions = {}
    for pin in pins:
        (clause,) = pin.specifier
        assert clause.operator == "==" and "+" not in clause.version and pin.url is None
        versions[canonicalize_name(pin.name)] = clause.version
    assert versions["torch"] == "2.13.0"
    for requirements in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]:
        for text in requirements:
            requirement = Requirement(text)
            if requirement.name != "pellucid":
                assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)])


def test_the_wheel_holds_the_whole_package(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob(f"pellucid-{pellucid.__version__}-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {path.relative_to(ROOT / "src").as_posix() for path in SOURCE.rglob("*") if path.is_file()}
    assert {name for name in wanted if "__pycache__" not in name} <= held
    assert "pellucid/py.typed" in held
    assert any(name.startswith("pellucid/recipes/") and name.endswith(".toml") for name in held)
    assert {Path(name).name for name in held if "/licenses/" in name} == {"LICENSE", "NOTICE"}
