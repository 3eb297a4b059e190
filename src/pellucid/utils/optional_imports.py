"""Import optional libraries, which the extras of the package install."""

import importlib
from typing import Any

from pellucid.errors import PellucidError


def import_optional(module: str, extra: str, feature: str) -> Any:
    """Import and return a module; it is typed as Any, since it may be missing.

    Args:
        module: its dotted name.
        extra: the extra of the package that installs it.
        feature: what needs it, for the error.

    Raises:
        PellucidError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = (error.name or module).partition(".")[0]
        raise PellucidError(f'{feature} needs {missing}: pip install "pellucid[{extra}]"') from error
