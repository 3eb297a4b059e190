"""Denoising autoencoders: train them, prove what they gain, run them on real files.

The public names load on first use, so that `import pellucid` costs next to nothing and never loads torch.
"""

import sys
from types import ModuleType

TYPE_CHECKING = False  # typing.TYPE_CHECKING without importing typing, which would be most of the import time
if TYPE_CHECKING:
    from pellucid.denoiser import Denoiser
    from pellucid.errors import PellucidError, UsageError
    from pellucid.estimator import DenoisingAutoencoder
    from pellucid.evaluate import evaluate
    from pellucid.recipe import load_recipe
    from pellucid.train import train

__version__ = "0.1.0"
__all__ = [
    "Denoiser",
    "DenoisingAutoencoder",
    "PellucidError",
    "UsageError",
    "__version__",
    "evaluate",
    "load_recipe",
    "train",
]

_HOMES = {
    "Denoiser": "denoiser",
    "DenoisingAutoencoder": "estimator",
    "PellucidError": "errors",
    "UsageError": "errors",
    "evaluate": "evaluate",
    "load_recipe": "recipe",
    "train": "train",
}


class _Package(ModuleType):
    """Keeps `pellucid.train` and `pellucid.evaluate` functions whatever was imported before."""

    def __setattr__(self, name: str, value: object) -> None:
        # On importing the submodule `pellucid.train` the import system binds it to the package, over the function.
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
