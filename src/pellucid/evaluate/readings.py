"""What a combined checkpoint reads in image files, with and without denoising."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.image.folders import read_planes
from pellucid.inference.denoiser import Denoiser


def read_labels(
    denoiser: Denoiser, paths: Sequence[Path], progress: Callable[[int, int, str], None] | None = None
) -> list[dict[str, Any]]:
    """Classify image files as they are and denoised; the denoised image is clipped to [0, 1] as in an evaluation.

    Args:
        denoiser: of a checkpoint that holds a classifier too.
        paths: image files.
        progress: told the files done, the files in all, and the name at hand.

    Returns:
        For each file `file`, `label` and `confidence` as it is, `label_denoised` and `confidence_denoised`; labels
        are class names where the checkpoint has them, confidences probabilities in [0, 1].

    Raises:
        PellucidError: if a file cannot be read.
        UsageError: if a file does not fit the networks, or the checkpoint holds no classifier.
    """
    readings = []
    for position, path in enumerate(paths):
        if progress:
            progress(position, len(paths), path.name)
        planes = read_planes(path, denoiser.input_spec)
        plain = denoiser.classify(planes)[0]
        denoised = denoiser.classify(np.clip(denoiser.batch(planes), 0, 1))[0]
        reading = {"file": str(path), "label": _label(denoiser, plain), "confidence": float(plain.max())}
        reading |= {"label_denoised": _label(denoiser, denoised), "confidence_denoised": float(denoised.max())}
        readings.append(reading)
    return readings


def _label(denoiser: Denoiser, probabilities: np.ndarray) -> str:
    number = int(probabilities.argmax())
    classes = denoiser.checkpoint.classes
    return classes[number] if classes else str(number)
