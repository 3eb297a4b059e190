"""Compare the accuracy of a classifier on images before and after denoising."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import UsageError
from pellucid.evaluate.classifiers import FileClassifier, load_classifier
from pellucid.image import data_range_of, read_image, to_nchw
from pellucid.image.folders import find_images, read_planes
from pellucid.inference.denoiser import DEFAULT_MODEL, Denoiser
from pellucid.inference.functional import load_denoiser
from pellucid.registry import suggestion
from pellucid.utils.progress import Progress

MIN_SIDE_FOR_ESTIMATE = 64
BATCH_SIZE = 256
MAX_LISTED_FOLDERS = 5

Images = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class DownstreamResult:
    """The predictions of a classifier.

    Attributes:
        labels: (N,) the true classes.
        predictions: the predicted classes, (N,), by version: `clean`, `noisy` and `denoised` if noise was added, else
            `input` and `denoised`.
    """

    labels: np.ndarray
    predictions: dict[str, np.ndarray]

    def is_correct(self, version: str) -> np.ndarray:
        """Return whether each prediction is correct, (N,)."""
        return self.predictions[version] == self.labels

    @property
    def accuracy(self) -> dict[str, float]:
        """The fraction of correct predictions, in [0, 1], by version."""
        return {version: float(self.is_correct(version).mean()) for version in self.predictions}

    @property
    def fixed_by_denoising(self) -> int:
        """The number of images whose class is predicted correctly only after denoising."""
        return int((self.is_correct("denoised") & ~self.is_correct(self._before)).sum())

    @property
    def broken_by_denoising(self) -> int:
        """The number of images whose class is predicted correctly only before denoising."""
        return int((self.is_correct(self._before) & ~self.is_correct("denoised")).sum())

    @property
    def _before(self) -> str:
        return "noisy" if "noisy" in self.predictions else "input"


def accuracy_before_and_after(
    classifier: Any,
    images: np.ndarray,
    labels: Sequence[Any] | np.ndarray,
    denoiser: str | Path | Denoiser | Images = DEFAULT_MODEL,
    noise: Any = None,
    *,
    sigma: float | None = None,
    seed: int = 0,
    channel_axis: int | None = None,
    data_range: float | None = None,
    progress: Progress | None = None,
) -> DownstreamResult:
    """Classify images before and after denoising; if noise is given, it is added to the images first.

    The classifier is not trained here.

    Args:
        classifier: a scikit-learn estimator, whose `predict` (or `predict_proba`) gets the images as rows (N, values)
            in their own data range; a function that takes the images in the format of `images` and returns scores
            (N, classes) or labels (N,); or the path of a file for `pellucid.evaluate.classifiers.load_classifier`.
        images: a stack (N, H, W), or with channels on `channel_axis` (N, H, W, C), of any dtype.
        labels: (N,) the true classes, named as by the classifier; class numbers if it returns scores.
        denoiser: the name of a shipped one, a file, a `Denoiser`, or any function of a stack.
        noise: text such as "gaussian(sigma=25)", with sigma of 255; a noise model; or None.
        sigma: the noise level for the denoiser, as a fraction of the data range. None estimates it for each image; for
            images below 64x64 pixels, too small to estimate it from one, once for all.
        seed: the seed of the noise.
        channel_axis: the axis of the channels; None for gray.
        data_range: the value of white; None as in `pellucid.image.data_range_of`.
        progress: called with the number of denoised images and of all images.

    Raises:
        UsageError: if numbers or sizes do not fit, or `classifier` is none.
        PellucidError: if a file cannot be read, or is a pickle.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.linear_model import LogisticRegression
        >>> digits = load_digits()
        >>> classifier = LogisticRegression(max_iter=2000).fit(digits.data[:900], digits.target[:900])
        >>> result = accuracy_before_and_after(
        ...     classifier, digits.images[900:950], digits.target[900:950], noise="gaussian(sigma=60)", data_range=16
        ... )
        >>> sorted(result.accuracy)
        ['clean', 'denoised', 'noisy']
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if not len(images) or labels.shape != (len(images),):
        raise UsageError(f"{len(images)} images have labels of shape {labels.shape}: give one label for each image")
    stack = _Stack(images, channel_axis, data_range_of(images) if data_range is None else float(data_range))
    classify = _as_function(classifier, stack)
    versions = _Protocol.make(denoiser, noise, sigma, seed).versions(stack, progress)
    predictions = {version: classify(part) for version, part in versions.items()}
    for predicted in predictions.values():
        if predicted.shape != labels.shape:
            shapes = f"{predicted.shape} for {len(labels)} images"
            raise UsageError(f"the classifier returned {shapes}: it has to return scores or one label for each")
    return DownstreamResult(labels, predictions)


def classify_files(
    classifier: FileClassifier,
    files: Sequence[tuple[Path, str]],
    denoiser: str | Path | Denoiser | Images = DEFAULT_MODEL,
    noise: str | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> DownstreamResult:
    """Classify image files before and after denoising, as in `accuracy_before_and_after`.

    Args:
        classifier: from `pellucid.evaluate.classifiers.load_classifier`.
        files: from `labeled_files`, each with the name or the number of its class.
        denoiser: as in `accuracy_before_and_after`.
        noise: text such as "gaussian(sigma=25)", with sigma of 255; None adds none.
        seed: the seed of the noise.
        progress: called with the number of denoised images and of all images.

    Raises:
        UsageError: if an image does not fit, or a name is no class of the classifier.
        PellucidError: if a file cannot be read.
    """
    protocol = _Protocol.make(denoiser, noise, None, seed)
    names = [name for _, name in files]
    predictions: dict[str, list[np.ndarray]] = {}
    labels, num_done = np.empty(0), 0

    def report_progress(done: int, _: int) -> None:
        if progress:
            progress(num_done + done, len(files))

    for stack in _stacks(files):
        for version, images in protocol.versions(stack, report_progress).items():
            try:
                outputs = classifier(stack.planes(images))
            except UsageError as error:
                raise UsageError(f"{stack.name}: {error}") from error
            if not labels.size:
                labels = class_numbers(names, classifier, outputs.shape[1] if outputs.ndim == 2 else 0)
            predictions.setdefault(version, []).append(_predicted_classes(outputs))
        num_done += len(stack.images)
    return DownstreamResult(labels, {version: np.concatenate(parts) for version, parts in predictions.items()})


def predict_labels(
    denoiser: Denoiser, paths: Sequence[Path], progress: Callable[[int, int, str], None] | None = None
) -> list[dict[str, Any]]:
    """Classify image files by the classifier of a combined checkpoint, before and after denoising.

    The denoised image is clipped to [0, 1], as in an evaluation.

    Args:
        denoiser: from a checkpoint that also holds a classifier.
        paths: image files.
        progress: called with the number of files done, the number of all files, and the name of the current one.

    Returns:
        For each file `file`, `label` and `confidence`, and `label_denoised` and `confidence_denoised` after denoising.
        Labels are class names if the checkpoint has them; confidences are probabilities in [0, 1].

    Raises:
        PellucidError: if a file cannot be read.
        UsageError: if a file does not fit the networks, or the checkpoint holds no classifier.
    """
    predictions = []
    for position, path in enumerate(paths):
        if progress:
            progress(position, len(paths), path.name)
        planes = read_planes(path, denoiser.input_spec)
        prediction: dict[str, Any] = {"file": str(path)}
        for suffix in ("", "_denoised"):
            images = np.clip(denoiser.batch(planes), 0, 1) if suffix else planes
            probabilities = denoiser.classify(images)[0]
            number, classes = int(probabilities.argmax()), denoiser.checkpoint.classes
            prediction[f"label{suffix}"] = classes[number] if classes else str(number)
            prediction[f"confidence{suffix}"] = float(probabilities.max())
        predictions.append(prediction)
    return predictions


def labeled_files(inputs: Sequence[Path], limit: int = 0) -> list[tuple[Path, str]]:
    """Return image files with their class names: the first folder below the input, or else the file's own folder.

    Args:
        inputs: folders with one folder for each class, such class folders themselves, or files in them.
        limit: how many files to use, spread evenly over all; 0 uses all.

    Raises:
        PellucidError: if there are no images.
    """
    files = [
        (path, name.parts[0] if len(name.parts) > 1 else path.resolve().parent.name)
        for path, name in find_images(inputs)
    ]
    if not 0 < limit < len(files):
        return files
    return [files[index] for index in np.linspace(0, len(files) - 1, limit).round().astype(int)]


def class_numbers(names: Sequence[str], classifier: FileClassifier, outputs: int) -> np.ndarray:
    """Return the number of each named class, (N,) int64.

    The names are those of the classifier, or class numbers. If they are neither, and there are as many as the
    classifier has outputs, they are numbered in alphabetical order.

    Args:
        names: one for each image.
        classifier: may know the names of its classes.
        outputs: the number of its classes; 0 if it is not known.

    Raises:
        UsageError: if a folder is no class, with its name.
    """
    known, distinct = classifier.classes, sorted(set(names))
    if known and not set(distinct).difference(known):
        return np.array([known.index(name) for name in names], np.int64)
    if all(name.isascii() and name.isdigit() for name in distinct):
        numbers = np.array([int(name) for name in names], np.int64)
        if outputs and numbers.max() >= outputs:
            raise UsageError(f'a folder is called "{numbers.max()}", {classifier.path} has classes 0 to {outputs - 1}')
        return numbers
    if known:
        unknown = next(name for name in distinct if name not in known)
        raise UsageError(f'the folder "{unknown}" is no class of {classifier.path}{suggestion(unknown, known)}')
    if outputs == len(distinct):
        return np.array([distinct.index(name) for name in names], np.int64)
    listed = ", ".join(distinct[:MAX_LISTED_FOLDERS]) + (", …" if len(distinct) > MAX_LISTED_FOLDERS else "")
    raise UsageError(
        f"{classifier.path} has {outputs or 'no'} scores and no names for them, the images {len(distinct)} classes "
        f"({listed}): name each folder by the number of its class"
    )


@dataclass(frozen=True, eq=False)
class _Stack:
    """Images of one size, the axis of their channels, the value of white, and the name of the first image."""

    images: np.ndarray
    channel_axis: int | None
    data_range: float
    name: str = ""

    def planes(self, images: np.ndarray) -> np.ndarray:
        """Return a version of the images as (N, C, H, W), float32 with white at 1."""
        return to_nchw(images, self.data_range, self.channel_axis)


@dataclass(frozen=True)
class _Protocol:
    """How noise is added to images and removed again."""

    denoise: Denoiser | Images
    noise: Any
    sigma: float | None
    seed: int

    @classmethod
    def make(cls, denoiser: str | Path | Denoiser | Images, noise: Any, sigma: float | None, seed: int) -> "_Protocol":
        """Load the denoiser and build the noise model if they are given by name."""
        if isinstance(noise, str):
            from pellucid.noise.add_noise import parse_noise_255

            noise = parse_noise_255(noise)
        return cls(load_denoiser(denoiser) if isinstance(denoiser, str | Path) else denoiser, noise, sigma, seed)

    def versions(self, stack: _Stack, progress: Progress | None) -> dict[str, np.ndarray]:
        """Return the images in all versions, `denoised` last."""
        versions = {"input": stack.images}
        if self.noise is not None:
            from pellucid.noise.add_noise import add_noise

            options = {"channel_axis": stack.channel_axis, "seed": self.seed, "data_range": stack.data_range}
            versions = {"clean": stack.images, "noisy": add_noise(stack.images, self.noise, name=stack.name, **options)}
        *_, noisy = versions.values()
        return versions | {"denoised": self._denoised(noisy, stack, progress)}

    def _denoised(self, images: np.ndarray, stack: _Stack, progress: Progress | None) -> np.ndarray:
        denoise, axis = self.denoise, stack.channel_axis
        if not isinstance(denoise, Denoiser):
            return np.asarray(denoise(images))
        if min(stack.planes(images[:1]).shape[-2:]) < MIN_SIDE_FOR_ESTIMATE:
            return denoise(images, self.sigma, channel_axis=axis, data_range=stack.data_range, has_alpha=False)
        axis = axis - 1 if axis is not None and axis > 0 else axis
        denoised = np.empty_like(images)
        for index, image in enumerate(images):
            if progress:
                progress(index, len(images))
            denoised[index] = denoise(
                image, self.sigma, channel_axis=axis, data_range=stack.data_range, has_alpha=False
            )
        return denoised


def _as_function(classifier: Any, stack: _Stack) -> Images:
    """Return a function that predicts the classes of a version of the images."""
    if isinstance(classifier, str | Path):
        classifier = load_classifier(Path(classifier))
    if isinstance(classifier, FileClassifier):
        return lambda images: _predicted_classes(classifier(stack.planes(images)))
    if hasattr(classifier, "predict"):
        return lambda images: np.asarray(classifier.predict(images.reshape(len(images), -1)))
    if hasattr(classifier, "predict_proba"):
        return lambda images: np.asarray(classifier.classes_)[
            classifier.predict_proba(images.reshape(len(images), -1)).argmax(axis=1)
        ]
    if callable(classifier):
        return lambda images: _predicted_classes(np.asarray(classifier(images)))
    raise UsageError(f"{type(classifier).__name__} is no classifier: give a function, an estimator, or a file's path")


def _predicted_classes(outputs: np.ndarray) -> np.ndarray:
    """Return the classes with the highest scores (N, classes); labels (N,) are returned unchanged."""
    return outputs.argmax(axis=1) if outputs.ndim == 2 else outputs


def _stacks(files: Sequence[tuple[Path, str]]) -> Iterator[_Stack]:
    """Yield consecutive images of the same shape and dtype as stacks."""
    images: list[np.ndarray] = []
    first = Path()
    for path, _ in files:
        pixels = read_image(path, max_frames=1).pixels
        if images and (len(images) == BATCH_SIZE or (pixels.shape, pixels.dtype) != (images[0].shape, images[0].dtype)):
            yield _as_stack(images, first)
            images = []
        first = first if images else path
        images.append(pixels)
    if images:
        yield _as_stack(images, first)


def _as_stack(images: Sequence[np.ndarray], first: Path) -> _Stack:
    stack = np.stack(images)
    return _Stack(stack, -1 if stack.ndim == 4 else None, data_range_of(stack), str(first))
