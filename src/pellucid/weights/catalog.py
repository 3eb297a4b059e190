"""Find the files of a network: a shipped one by its name, or a file by its path.

Each shipped network has a card, a TOML file beside the weights: summary, task, license, data, recipe, command, limits,
the table `figures`, and the table `sha256` with one entry for each file.
"""

import functools
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError, UsageError
from pellucid.registry import suggestion

FOLDER = Path(__file__).parent
SELF_TRAINED = "self"  # the name of a network that is trained on the image that it denoises
SUFFIXES = (".onnx", ".safetensors")
FILES = "an .onnx or .safetensors file"
REINSTALL = "install Pellucid again: pip install --force-reinstall pellucid"


@dataclass(frozen=True)
class Weights:
    """The files of one network.

    Attributes:
        name: a shipped network's name, or the file's without its suffix.
        onnx: the file that ONNX Runtime and OpenVINO run.
        safetensors: the checkpoint that torch runs.
        card: the card of a shipped network; None for a file of the user's.
    """

    name: str
    onnx: Path | None
    safetensors: Path | None
    card: dict[str, Any] | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that exist."""
        return tuple(path for path in (self.onnx, self.safetensors) if path)

    def sha256(self, path: Path) -> str | None:
        """Return the SHA-256 of a file on the card, empty if it is not listed; None for a file of the user's."""
        return None if self.card is None else self.card["sha256"].get(path.name, "")


def find(model: str | Path) -> Weights:
    """Return the weights of a shipped network, such as `photo`, or those in an .onnx or .safetensors file.

    Raises:
        UsageError: if no shipped network has that name, or the file is of another kind.
        PellucidError: if the file is absent.
    """
    path = Path(model)
    if model == SELF_TRAINED:
        raise UsageError(
            f'"{SELF_TRAINED}" is no network yet, it is trained on each image that it denoises: give {_expected()}'
        )
    if isinstance(model, str) and model in _cards(FOLDER):
        return _shipped(model)
    if path.suffix in SUFFIXES:
        return _file(path)
    if isinstance(model, Path):
        raise UsageError(f"{model} is no network: give {FILES}")
    if path.suffix or len(path.parts) > 1:
        raise UsageError(f"{model} is no network: give {_expected()}")
    raise UsageError(f'unknown model "{model}"{suggestion(model, names()) if names() else ""}: give {_expected()}')


def names() -> tuple[str, ...]:
    """Return the names of the shipped denoisers, sorted."""
    return tuple(name for name, card in _cards(FOLDER).items() if card["task"] == "denoise")


def cards() -> dict[str, dict[str, Any]]:
    """Return the cards of all shipped networks by name, including those that do not denoise."""
    return dict(_cards(FOLDER))


def verify(weights: Weights) -> None:
    """Compare the SHA-256 of a shipped network's files with its card; files without a card are not checked.

    Raises:
        PellucidError: if a file differs or cannot be read.
    """
    for path in weights.files:
        check_file(path, weights.sha256(path))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_file(path: Path, sha256: str | None) -> None:
    """Raise PellucidError if a file does not have this SHA-256, or cannot be read; None is not checked."""
    if sha256 is None:
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PellucidError(f"cannot read {path} ({error.strerror}): {REINSTALL}") from error
    check_content(path, content, sha256)


def check_content(path: Path, content: bytes, sha256: str | None) -> None:
    """Raise PellucidError if the content of a file does not have this SHA-256; None is not checked."""
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise PellucidError(f"{path} is not the file that its card describes (wrong SHA-256): {REINSTALL}")


@functools.cache
def _cards(folder: Path) -> dict[str, dict[str, Any]]:
    paths = sorted(folder.glob("*.toml"), key=lambda path: path.stem)
    return {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in paths}


def _shipped(name: str) -> Weights:
    card = _cards(FOLDER)[name]
    for file in card["sha256"]:
        if not (FOLDER / file).is_file():
            raise PellucidError(f"{FOLDER / file} is missing: {REINSTALL}")
    onnx, safetensors = (FOLDER / f"{name}{suffix}" for suffix in SUFFIXES)
    return Weights(name, onnx if onnx.is_file() else None, safetensors if safetensors.is_file() else None, card)


def _file(path: Path) -> Weights:
    try:
        path.open("rb").close()
    except OSError as error:
        raise PellucidError(f"cannot read the checkpoint {path}: {error.strerror}") from error
    is_onnx = path.suffix == ".onnx"
    return Weights(path.stem, path if is_onnx else None, None if is_onnx else path)


def _expected() -> str:
    return ("a shipped one's name, or " if names() else "") + FILES
