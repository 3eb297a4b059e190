"""Denoising autoencoders: train them, measure what they gain, run them on image files.

The public names are imported on first use, so that `import pellucid` is fast and never loads torch.
"""

TYPE_CHECKING = False  # typing.TYPE_CHECKING without importing typing, which would be most of the import time
if TYPE_CHECKING:
    from pellucid.errors import Cancelled, PellucidError, UsageError
    from pellucid.estimator import DenoisingAutoencoder
    from pellucid.inference.denoiser import Denoiser
    from pellucid.inference.functional import denoise, estimate_noise
    from pellucid.recipes.recipe import load_recipe

__version__ = "0.1.0"
__all__ = [
    "Cancelled",
    "Denoiser",
    "DenoisingAutoencoder",
    "PellucidError",
    "UsageError",
    "__version__",
    "denoise",
    "estimate_noise",
    "load_recipe",
]

_MODULES = {
    "Cancelled": "errors",
    "Denoiser": "inference.denoiser",
    "DenoisingAutoencoder": "estimator",
    "PellucidError": "errors",
    "UsageError": "errors",
    "denoise": "inference.functional",
    "estimate_noise": "inference.functional",
    "load_recipe": "recipes.recipe",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        raise ImportError(f'pellucid.{name} needs {error.name}: pip install "pellucid[train]"') from error
    globals()[name] = getattr(module, name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
