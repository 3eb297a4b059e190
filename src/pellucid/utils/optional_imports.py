"""Libraries that only an extra installs, imported where they are used."""

import importlib
from typing import Any

from pellucid.errors import PellucidError


def need(module: str, extra: str, purpose: str) -> Any:
    """Import and return `module`; it is typed as Any, since it may be absent.

    Raises:
        PellucidError: naming `purpose`, the missing library and the extra that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = (error.name or module).partition(".")[0]
        raise PellucidError(f'{purpose} needs {missing}: pip install "pellucid[{extra}]"') from error
