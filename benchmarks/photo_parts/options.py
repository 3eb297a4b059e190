"""The options of the command line for all parts."""

import os
from dataclasses import dataclass
from pathlib import Path

from pellucid import registry

SHIPPED = ("photo", "photo-fast")


@dataclass(frozen=True)
class Options:
    """The options of one run.

    Attributes:
        models: the names and files of Pellucid's networks, by the name to show.
        engine: the engine of Pellucid where quality is measured.
        dncnn: the weights of DnCNN for sigma 25.
        threads: those of each denoiser.
        sets: which sets of images to measure quality on; empty for all.
        limit: the greatest number of images used of a set; None for all.
        bm3d_images: how many of them BM3D gets.
        rounds: how often each denoiser is timed.
        megapixels: the size of the large image.
    """

    models: dict[str, tuple[str, ...]]
    engine: str = "onnxruntime"
    dncnn: Path | None = None
    threads: int = 2
    sets: tuple[str, ...] = ()
    limit: int | None = None
    bm3d_images: int = 4
    rounds: int = 5
    megapixels: float = 100


def models(texts: list[str]) -> dict[str, tuple[str, ...]]:
    """Return networks by name from `name=path` and `name`; without any, the shipped ones.

    Raises:
        ValueError: for a text of another form.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts or SHIPPED:
        name, is_file, source = text.partition("=")
        if not name or (is_file and not source):
            raise ValueError(f"{text!r} is no network: give a shipped name, or NAME=FILE")
        found[name] = (*found.get(name, ()), source if is_file else name)
    return found


def source_for(sources: tuple[str, ...], engine: str) -> str | None:
    """Return the one of a network's names and files that an engine can run, or None."""
    suffix = "" if engine == "auto" else registry.load("engine", engine).reads
    return next((source for source in sources if not suffix or Path(source).suffix in ("", suffix)), None)


def default_dncnn() -> Path | None:
    """Return where the weights of DnCNN lie beside the data, or None if PELLUCID_DATA is not set."""
    data = os.environ.get("PELLUCID_DATA")
    return Path(data).parent / "peers" / "dncnn_25.pth" if data else None
