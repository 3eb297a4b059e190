"""Classifiers from files: a checkpoint of ours, or anybody's as ONNX; nothing is ever unpickled."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.engines.onnx_parser import read_checked
from pellucid.engines.onnxruntime import Session
from pellucid.errors import PellucidError, UsageError
from pellucid.utils.refuse_pickle import refuse_pickle
from pellucid.utils.system import cores

BATCH = 64
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".sav")
REMEDY = "export it to ONNX, or hand the classifier itself to accuracy_before_and_after in Python"
COLOURS = (1, 3)
# What ONNX calls the types of images, and what of them stands for white.
TYPES: dict[str, tuple[Any, float]] = {
    "tensor(float)": (np.float32, 1.0),
    "tensor(float16)": (np.float16, 1.0),
    "tensor(double)": (np.float64, 1.0),
    "tensor(uint8)": (np.uint8, 255.0),
}


@dataclass(frozen=True)
class FileClassifier:
    """A classifier from a file; called with images (N, C, H, W), float32 with white at 1, it answers.

    The answer is scores (N, classes), or class numbers (N,).

    Attributes:
        path: the file.
        answer: the network; it raises UsageError for images that do not fit.
        classes: the name of each class, where the file has them.
    """

    path: Path
    answer: Callable[[np.ndarray], np.ndarray]
    classes: tuple[str, ...] = ()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the answer for images (N, C, H, W)."""
        return self.answer(images)


def load_classifier(path: Path, threads: int = 0) -> FileClassifier:
    """Load a .safetensors checkpoint that holds a classifier, which needs torch, or an .onnx file.

    An ONNX classifier has one input, images (N, C, H, W) or (N, H, W, C) or rows of their values (N, C·H·W), with white
    at 1 (at 255 if it takes uint8), and returns scores (N, classes) or class numbers (N,).

    Args:
        path: the file.
        threads: how many an ONNX file runs on; 0 for all cores.

    Raises:
        UsageError: for a file of another kind.
        PellucidError: if it is absent, damaged, a pickle, keeps its weights in other files, or holds no classifier.
    """
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _checkpoint(path)
    if suffix == ".onnx":
        return _onnx(path, threads or cores())
    if suffix in PICKLES:
        raise PellucidError(f"{path} is a pickle, which is never loaded: {REMEDY}")
    try:
        with path.open("rb") as stream:
            refuse_pickle(path, stream.read(16), REMEDY)
    except OSError as error:
        raise PellucidError(f"cannot read the classifier {path}: {error.strerror}") from error
    raise UsageError(f"{path} is no classifier: give a .safetensors checkpoint or an .onnx file")


def _checkpoint(path: Path) -> FileClassifier:
    import torch

    from pellucid.checkpoint import load

    found = load(path)
    network = found.networks.get("classifier")
    if network is None:
        raise PellucidError(f"{path} holds no classifier: give a checkpoint that does, such as a combined.safetensors")

    @torch.inference_mode()
    def answer(images: np.ndarray) -> np.ndarray:
        network.input_spec.check(images.shape[1:])
        return np.concatenate([network(torch.from_numpy(part)).float().numpy() for part in _parts(images, BATCH)])

    return FileClassifier(path, answer, found.classes)


def _onnx(path: Path, threads: int) -> FileClassifier:
    session = Session(path, read_checked(path), threads)
    inputs = session.inputs
    if len(inputs) != 1 or inputs[0][1] not in TYPES or len(inputs[0][2]) not in (2, 4):
        raise PellucidError(f"{path} takes something else than images: give a classifier with one input, (N, C, H, W)")
    taken = _Input(path, *inputs[0])

    def answer(images: np.ndarray) -> np.ndarray:
        given = taken.filled(images)
        parts = [_answer(path, session({taken.name: part})) for part in _parts(given, taken.at_once or BATCH)]
        return np.concatenate(parts)

    def in_full_batches(images: np.ndarray) -> np.ndarray:
        missing = -len(images) % taken.at_once
        return answer(np.concatenate([images, images[:1].repeat(missing, axis=0)]))[: len(images)]

    return FileClassifier(path, in_full_batches if taken.at_once else answer)


@dataclass(frozen=True)
class _Input:
    """What an ONNX classifier takes: its name, type and shape; a text in the shape stands for any length."""

    path: Path
    name: str
    kind: str
    shape: list[Any]

    @property
    def at_once(self) -> int:
        """How many images it takes at a time; 0 for any number."""
        return self.shape[0] if isinstance(self.shape[0], int) else 0

    @property
    def colours_last(self) -> bool:
        return len(self.shape) == 4 and self.shape[3] in COLOURS and self.shape[1] not in COLOURS

    def filled(self, images: np.ndarray) -> np.ndarray:
        """Return images (N, C, H, W) as it takes them; raises UsageError if they do not fit."""
        given = images.transpose(0, 2, 3, 1) if self.colours_last else images
        if len(self.shape) == 2:
            given = given.reshape(len(images), -1)
        pairs = list(zip(self.shape, given.shape, strict=True))[1:]
        if any(isinstance(wanted, int) and wanted != side for wanted, side in pairs):
            wanted, found = ("x".join(map(str, sides)) for sides in zip(*pairs, strict=True))
            raise UsageError(f"the images are {found}, {self.path} takes {wanted}: resize or convert them")
        dtype, white = TYPES[self.kind]
        return np.ascontiguousarray(given if white == 1 else np.rint(given * white), dtype)


def _answer(path: Path, outputs: list[Any]) -> np.ndarray:
    """Return the scores or the class numbers among what a network returned."""
    arrays = [np.asarray(output) for output in outputs]
    scores = [array for array in arrays if array.ndim == 2 and array.dtype.kind == "f" and array.shape[1] > 1]
    numbers = [array for array in arrays if array.ndim == 1 and array.dtype.kind in "iu"]
    if not (scores or numbers):
        raise PellucidError(f"{path} gives neither scores (N, classes) nor class numbers (N,): give a classifier")
    return (scores or numbers)[0]


def _parts(images: np.ndarray, count: int) -> Iterator[np.ndarray]:
    return (images[start : start + count] for start in range(0, len(images), count))
