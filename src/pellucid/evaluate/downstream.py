"""What a classifier makes of images before and after denoising: proof by what images are for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import UsageError
from pellucid.evaluate.classifiers import FileClassifier, load_classifier
from pellucid.image import data_range_of, read_image, to_nchw
from pellucid.image.folders import find_images
from pellucid.inference.denoiser import DEFAULT, Denoiser
from pellucid.registry import suggestion

SMALL = 64
AT_ONCE = 256
SHOWN_FOLDERS = 5

Images = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Downstream:
    """What a classifier read.

    Attributes:
        labels: (N,) the true classes.
        read: the classes that were read, (N,), by version: `clean`, `noisy` and `denoised` where noise was added, else
            `as given` and `denoised`.
    """

    labels: np.ndarray
    read: dict[str, np.ndarray]

    def right(self, version: str) -> np.ndarray:
        """Return whether each image was read right, (N,)."""
        return self.read[version] == self.labels

    @property
    def accuracy(self) -> dict[str, float]:
        """The share of images that was read right, in [0, 1], by version."""
        return {version: float(self.right(version).mean()) for version in self.read}

    @property
    def set_right(self) -> int:
        """How many images were misread before denoising, and read right after it."""
        return int((self.right("denoised") & ~self.right(self._before)).sum())

    @property
    def spoilt(self) -> int:
        """How many images were read right before denoising, and misread after it."""
        return int((self.right(self._before) & ~self.right("denoised")).sum())

    @property
    def _before(self) -> str:
        return "noisy" if "noisy" in self.read else "as given"


def accuracy_before_and_after(
    classifier: Any,
    images: np.ndarray,
    labels: Sequence[Any] | np.ndarray,
    denoiser: str | Path | Denoiser | Images = DEFAULT,
    noise: Any = None,
    *,
    sigma: float | None = None,
    seed: int = 0,
    channel_axis: int | None = None,
    data_range: float | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Downstream:
    """Let a classifier read images before and after denoising; where noise is given, it is added to clean ones first.

    The classifier is never trained here, least of all on what the denoiser returns.

    Args:
        classifier: a scikit-learn estimator, whose `predict` (or `predict_proba`) gets the images as rows
            (N, values), in their own range; any function of the images as they are given that returns scores
            (N, classes) or labels (N,); or the path of a file, as
            `pellucid.evaluate.classifiers.load_classifier` takes it.
        images: a stack (N, H, W), or with channels on `channel_axis` (N, H, W, C), of any dtype.
        labels: (N,) the true classes, as the classifier names them; class numbers where it returns scores.
        denoiser: a shipped one's name, a file, a `Denoiser`, or any function of a stack.
        noise: as text, such as "gaussian(sigma=25)", its levels for white at 255; a noise model; or None.
        sigma: the noise level that the denoiser is told, in units of the range; None has it estimated, for each image,
            but for images below 64x64 pixels, too small to tell it by themselves, once for all.
        seed: of the noise.
        channel_axis: where the channels are; None for gray.
        data_range: the value of white; None as in `Denoiser.__call__`.
        progress: told the images denoised, and their number.

    Raises:
        UsageError: if numbers or sizes do not fit, or the classifier is none.
        PellucidError: if a file cannot be read, or is a pickle.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.linear_model import LogisticRegression
        >>> digits = load_digits()
        >>> reader = LogisticRegression(max_iter=2000).fit(digits.data[:900], digits.target[:900])
        >>> found = accuracy_before_and_after(
        ...     reader, digits.images[900:950], digits.target[900:950], noise="gaussian(sigma=60)", data_range=16
        ... )
        >>> sorted(found.accuracy)
        ['clean', 'denoised', 'noisy']
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if not len(images) or labels.shape != (len(images),):
        raise UsageError(f"{len(images)} images have labels of shape {labels.shape}: give one label an image")
    stack = _Stack(images, channel_axis, data_range_of(images) if data_range is None else float(data_range))
    read = _reader(classifier, stack)
    setup = _Setup(_denoising(denoiser), _noise(noise), sigma, seed)
    versions = setup.versions(stack, progress or _silent)
    answers = {version: read(given) for version, given in versions.items()}
    for answer in answers.values():
        if answer.shape != labels.shape:
            shapes = f"{answer.shape} for {len(labels)} images"
            raise UsageError(f"the classifier returned {shapes}: it has to return scores or one label each")
    return Downstream(labels, answers)


def read_files(
    classifier: FileClassifier,
    files: Sequence[tuple[Path, str]],
    denoiser: str | Path | Denoiser | Images = DEFAULT,
    noise: str | None = None,
    *,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Downstream:
    """Let a classifier from a file read image files before and after denoising, as `accuracy_before_and_after` does.

    Args:
        classifier: from `pellucid.evaluate.classifiers.load_classifier`.
        files: from `labelled_files`: each with the name of its class, or with its number.
        denoiser: as there.
        noise: as there, in text.
        seed: as there.
        progress: told the images done, and their number.

    Raises:
        UsageError: if an image does not fit, or the names are no classes of the classifier.
        PellucidError: if a file cannot be read.
    """
    setup = _Setup(_denoising(denoiser), _noise(noise), None, seed)
    names = [name for _, name in files]
    read: dict[str, list[np.ndarray]] = {}
    labels, done = np.empty(0), 0

    def tell(ready: int, _: int) -> None:
        if progress:
            progress(done + ready, len(files))

    for stack in _stacks(files):
        versions = setup.versions(stack, tell)
        for version, given in versions.items():
            answer = _answer(classifier, stack, given)
            if not labels.size:
                labels = class_numbers(names, classifier, answer.shape[1] if answer.ndim == 2 else 0)
            read.setdefault(version, []).append(_numbers(answer))
        done += len(stack.images)
    return Downstream(labels, {version: np.concatenate(parts) for version, parts in read.items()})


def labelled_files(inputs: Sequence[Path], limit: int = 0) -> list[tuple[Path, str]]:
    """Return image files, each with the name of its class: of the first folder below the one given, or of its own.

    Args:
        inputs: folders that hold a folder a class, such folders themselves, or files in them.
        limit: take so many, spread evenly over all; 0 takes all.

    Raises:
        PellucidError: if there is nothing.
    """
    found = [
        (path, name.parts[0] if len(name.parts) > 1 else path.resolve().parent.name)
        for path, name in find_images(inputs)
    ]
    if not 0 < limit < len(found):
        return found
    return [found[place] for place in np.linspace(0, len(found) - 1, limit).round().astype(int)]


def class_numbers(names: Sequence[str], classifier: FileClassifier, outputs: int) -> np.ndarray:
    """Return the number of each named class, (N,) int64.

    Names are those that the classifier knows, or numbers; else, if there are as many as the classifier has outputs,
    they count in the order of the alphabet.

    Args:
        names: one an image.
        classifier: which may know names.
        outputs: how many classes it has; 0 if that is not known.

    Raises:
        UsageError: naming a folder that is no class.
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
        strange = next(name for name in distinct if name not in known)
        raise UsageError(f'the folder "{strange}" is no class of {classifier.path}{suggestion(strange, known)}')
    if outputs == len(distinct):
        return np.array([distinct.index(name) for name in names], np.int64)
    shown = ", ".join(distinct[:SHOWN_FOLDERS]) + (", …" if len(distinct) > SHOWN_FOLDERS else "")
    raise UsageError(
        f"{classifier.path} has {outputs or 'no'} scores and no names for them, the images {len(distinct)} classes "
        f"({shown}): name each folder by the number of its class"
    )


@dataclass(frozen=True, eq=False)
class _Stack:
    """Images of one size, where their channels are, the value of white, and the name of the first."""

    images: np.ndarray
    channel_axis: int | None
    white: float
    name: str = ""

    def planes(self, images: np.ndarray) -> np.ndarray:
        """Return a version of the images as (N, C, H, W), float32 with white at 1."""
        return to_nchw(images, self.white, self.channel_axis)


@dataclass(frozen=True)
class _Setup:
    """How images are made noisy, and denoised."""

    denoise: Denoiser | Images
    noise: Any
    sigma: float | None
    seed: int

    def versions(self, stack: _Stack, progress: Callable[[int, int], object]) -> dict[str, np.ndarray]:
        """Return the images in all versions, `denoised` last."""
        versions = {"as given": stack.images}
        if self.noise is not None:
            from pellucid.noise.add_noise import add_noise

            drawn = {"channel_axis": stack.channel_axis, "seed": self.seed, "data_range": stack.white}
            versions = {"clean": stack.images, "noisy": add_noise(stack.images, self.noise, name=stack.name, **drawn)}
        *_, given = versions.values()
        return versions | {"denoised": self._denoised(given, stack, progress)}

    def _denoised(self, images: np.ndarray, stack: _Stack, progress: Callable[[int, int], object]) -> np.ndarray:
        denoise, axis = self.denoise, stack.channel_axis
        if not isinstance(denoise, Denoiser):
            return np.asarray(denoise(images))
        options = {"data_range": stack.white, "has_alpha": False}
        if min(stack.planes(images[:1]).shape[-2:]) < SMALL:
            return denoise(images, self.sigma, channel_axis=axis, **options)
        inner = axis - 1 if axis is not None and axis > 0 else axis
        denoised = np.empty_like(images)
        for place, image in enumerate(images):
            progress(place, len(images))
            denoised[place] = denoise(image, self.sigma, channel_axis=inner, **options)
        return denoised


def _denoising(denoiser: str | Path | Denoiser | Images) -> Denoiser | Images:
    return Denoiser.load(denoiser) if isinstance(denoiser, str | Path) else denoiser


def _noise(noise: Any) -> Any:
    if not isinstance(noise, str):
        return noise
    from pellucid.noise.add_noise import noise_in_255

    return noise_in_255(noise)


def _reader(classifier: Any, stack: _Stack) -> Images:
    """Return what reads a version of the images."""
    if isinstance(classifier, str | Path):
        classifier = load_classifier(Path(classifier))
    if isinstance(classifier, FileClassifier):
        return lambda images: _numbers(classifier(stack.planes(images)))
    if hasattr(classifier, "predict"):
        return lambda images: np.asarray(classifier.predict(_rows(images)))
    if hasattr(classifier, "predict_proba"):
        return lambda images: np.asarray(classifier.classes_)[classifier.predict_proba(_rows(images)).argmax(axis=1)]
    if callable(classifier):
        return lambda images: _numbers(np.asarray(classifier(images)))
    raise UsageError(f"{type(classifier).__name__} is no classifier: give a function, an estimator, or a file's path")


def _answer(classifier: FileClassifier, stack: _Stack, images: np.ndarray) -> np.ndarray:
    try:
        return classifier(stack.planes(images))
    except UsageError as error:
        raise UsageError(f"{stack.name}: {error}") from error


def _rows(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def _numbers(answer: np.ndarray) -> np.ndarray:
    """Return the classes that scores (N, classes) favour; labels (N,) stay."""
    return answer.argmax(axis=1) if answer.ndim == 2 else answer


def _stacks(files: Sequence[tuple[Path, str]]) -> Iterator[_Stack]:
    """Yield the images of files that follow each other and are alike as stacks."""
    held: list[np.ndarray] = []
    first = Path()
    for path, _ in files:
        pixels = read_image(path, max_frames=1).pixels
        if held and (len(held) == AT_ONCE or pixels.shape != held[0].shape or pixels.dtype != held[0].dtype):
            yield _stacked(held, first)
            held = []
        first = first if held else path
        held.append(pixels)
    if held:
        yield _stacked(held, first)


def _stacked(held: Sequence[np.ndarray], first: Path) -> _Stack:
    images = np.stack(held)
    return _Stack(images, -1 if images.ndim == 4 else None, data_range_of(images), str(first))


def _silent(done: int, total: int) -> None:
    """Report nothing."""
