"""Load classifiers from files: a checkpoint of Pellucid, or any ONNX file; pickles are never loaded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.engines.onnx_parser import read_checked_model
from pellucid.engines.onnxruntime import Session
from pellucid.errors import PellucidError, UsageError
from pellucid.utils.json_npz import refuse_pickle
from pellucid.utils.system import num_cores

BATCH_SIZE = 64
PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".sav")
REMEDY = "export it to ONNX, or hand the classifier itself to accuracy_before_and_after in Python"
CHANNEL_COUNTS = (1, 3)
# The dtype and the data range of each input type of ONNX.
TYPES: dict[str, tuple[Any, float]] = {
    "tensor(float)": (np.float32, 1.0),
    "tensor(float16)": (np.float16, 1.0),
    "tensor(double)": (np.float64, 1.0),
    "tensor(uint8)": (np.uint8, 255.0),
}


@dataclass(frozen=True)
class FileClassifier:
    """A classifier from a file. It maps images (N, C, H, W), float32 with white at 1, to scores or class numbers.

    Attributes:
        path: the file.
        outputs: a function that returns scores (N, classes) or class numbers (N,); raises UsageError for images that do
            not fit.
        classes: the name of each class, empty if the file does not have them.
    """

    path: Path
    outputs: Callable[[np.ndarray], np.ndarray]
    classes: tuple[str, ...] = ()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return scores (N, classes) or class numbers (N,) of images (N, C, H, W)."""
        return self.outputs(images)


def load_classifier(path: Path, threads: int = 0) -> FileClassifier:
    """Load a .safetensors checkpoint that holds a classifier, which needs torch, or an .onnx file.

    An ONNX classifier has one input, images (N, C, H, W) or (N, H, W, C) or rows of their values (N, C·H·W), with white
    at 1 (at 255 if it takes uint8), and returns scores (N, classes) or class numbers (N,).

    Args:
        path: the file.
        threads: the number of threads for an ONNX file; 0 for all cores.

    Raises:
        UsageError: for another type of file.
        PellucidError: if it is absent, damaged or a pickle, keeps its weights in other files, or holds no classifier.
    """
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _checkpoint(path)
    if suffix == ".onnx":
        return _onnx(path, threads or num_cores())
    if suffix in PICKLE_SUFFIXES:
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

    checkpoint = load(path)
    network = checkpoint.networks.get("classifier")
    if network is None:
        raise PellucidError(f"{path} holds no classifier: give a checkpoint that does, such as a combined.safetensors")

    @torch.inference_mode()
    def outputs(images: np.ndarray) -> np.ndarray:
        network.input_spec.check(images.shape[1:])
        return np.concatenate([network(torch.from_numpy(part)).float().numpy() for part in _parts(images, BATCH_SIZE)])

    return FileClassifier(path, outputs, checkpoint.classes)


def _onnx(path: Path, threads: int) -> FileClassifier:
    session = Session(path, read_checked_model(path), threads)
    inputs = session.inputs
    if len(inputs) != 1 or inputs[0][1] not in TYPES or len(inputs[0][2]) not in (2, 4):
        raise PellucidError(f"{path} does not take images: give a classifier with one input, (N, C, H, W)")
    spec = _Input(path, *inputs[0])

    def outputs(images: np.ndarray) -> np.ndarray:
        count = len(images)
        if spec.batch_size:
            images = np.concatenate([images, images[:1].repeat(-count % spec.batch_size, axis=0)])
        parts = _parts(spec.prepare(images), spec.batch_size or BATCH_SIZE)
        return np.concatenate([_pick_output(path, session({spec.name: part})) for part in parts])[:count]

    return FileClassifier(path, outputs)


@dataclass(frozen=True)
class _Input:
    """The input of an ONNX classifier: its name, type and shape; a string in the shape stands for any length."""

    path: Path
    name: str
    kind: str
    shape: list[Any]

    @property
    def batch_size(self) -> int:
        """The only batch size that it accepts; 0 for any."""
        return self.shape[0] if isinstance(self.shape[0], int) else 0

    @property
    def is_channels_last(self) -> bool:
        return len(self.shape) == 4 and self.shape[3] in CHANNEL_COUNTS and self.shape[1] not in CHANNEL_COUNTS

    def prepare(self, images: np.ndarray) -> np.ndarray:
        """Return images (N, C, H, W) in the layout and dtype of the input; raises UsageError if they do not fit."""
        values = images.transpose(0, 2, 3, 1) if self.is_channels_last else images
        if len(self.shape) == 2:
            values = values.reshape(len(images), -1)
        pairs = list(zip(self.shape, values.shape, strict=True))[1:]
        if any(isinstance(expected, int) and expected != side for expected, side in pairs):
            expected, actual = ("x".join(map(str, sides)) for sides in zip(*pairs, strict=True))
            raise UsageError(f"the images are {actual}, {self.path} takes {expected}: resize or convert them")
        dtype, data_range = TYPES[self.kind]
        return np.ascontiguousarray(values if data_range == 1 else np.rint(values * data_range), dtype)


def _pick_output(path: Path, outputs: list[Any]) -> np.ndarray:
    """Return the scores or the class numbers among the outputs of a network."""
    arrays = [np.asarray(output) for output in outputs]
    scores = [array for array in arrays if array.ndim == 2 and array.dtype.kind == "f" and array.shape[1] > 1]
    numbers = [array for array in arrays if array.ndim == 1 and array.dtype.kind in "iu"]
    if not (scores or numbers):
        raise PellucidError(f"{path} gives neither scores (N, classes) nor class numbers (N,): give a classifier")
    return (scores or numbers)[0]


def _parts(images: np.ndarray, count: int) -> Iterator[np.ndarray]:
    return (images[start : start + count] for start in range(0, len(images), count))
