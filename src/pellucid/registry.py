"""Find components by name, without importing them.

A component is one module in a registry package whose class has the name of the module in CamelCase
(`salt_pepper.py` holds `SaltPepper`, `psnr.py` holds `PSNR`). Its one-line summary is the module's docstring.
"""

import ast
import difflib
import functools
import importlib
import inspect
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pellucid.errors import UsageError

ROOT = Path(__file__).parent
PACKAGES = {
    "noise": "noise",
    "model": "models",
    "loss": "losses",
    "objective": "objectives",
    "classical": "classical",
    "metric": "metrics",
    "data": "data",
    "engine": "engines",
}


def suggestion(name: str, choices: Collection[str]) -> str:
    """Return ` (did you mean "x"?)` for the nearest choice, or a list of all choices if none is near."""
    close = difflib.get_close_matches(name, choices, n=1)
    if close:
        return f' (did you mean "{close[0]}"?)'
    return f" (known: {', '.join(sorted(choices))})"


@functools.cache
def _modules(kind: str) -> dict[str, tuple[str, str]]:
    """Map each component name of a kind to its class name and its summary."""
    found = {}
    for path in sorted((ROOT / PACKAGES[kind]).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        class_name = path.stem.replace("_", "")
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name.lower() == class_name:
                summary = (ast.get_docstring(tree) or "").partition("\n")[0]
                found[path.stem] = (node.name, summary)
    return found


def names(kind: str) -> tuple[str, ...]:
    """Return the names of all components of a kind, sorted."""
    return tuple(_modules(kind))


def summary(kind: str, name: str) -> str:
    """Return the first line of a component's module docstring, without importing it."""
    return _modules(kind)[_known(kind, name)][1]


def load(kind: str, name: str) -> type:
    """Import and return the class of a component.

    Raises:
        UsageError: if no component of that kind has that name.
    """
    class_name, _ = _modules(kind)[_known(kind, name)]
    return getattr(importlib.import_module(f"pellucid.{PACKAGES[kind]}.{name}"), class_name)


def build(kind: str, name: str, options: Mapping[str, Any]) -> Any:
    """Construct a component from its options.

    Raises:
        UsageError: for an unknown name, an unknown option, or an invalid value.
    """
    component = load(kind, name)
    parameters = inspect.signature(component).parameters
    for key in options:
        if key not in parameters:
            raise UsageError(f'{kind} "{name}" has no option "{key}"{suggestion(key, list(parameters))}')
    try:
        return component(**options)
    except UsageError:
        raise
    except (TypeError, ValueError) as error:
        raise UsageError(f'{kind} "{name}": {error}') from error


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Split `gaussian(sigma=25)` into its name and options; values are Python literals.

    Raises:
        UsageError: if the text is not a name or a call with literal keyword arguments.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
            options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
            if None not in options:
                return node.func.id, {str(name): value for name, value in options.items()}
    except (SyntaxError, ValueError):
        pass
    raise UsageError(f'cannot read "{text}": write a name with options, such as gaussian(sigma=25)')


def _known(kind: str, name: str) -> str:
    if name not in _modules(kind):
        raise UsageError(f'unknown {kind} "{name}"{suggestion(name, names(kind))}')
    return name
