"""What a worker does with one image, file to file."""

import math
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pellucid.evaluate.classifiers import FileClassifier, load_classifier
from pellucid.evaluate.compare import compare
from pellucid.image import ImageFile, range_remark, read_image, write_image
from pellucid.image.files import written_format
from pellucid.image.formats import SUFFIXES
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.frames import Frames
from pellucid.inference.image_file import Cleaned, clean, frames_of
from pellucid.server.settings import Settings
from pellucid.server.workers import previews
from pellucid.server.workers.tasks import MEDIA_TYPES, Order, Refused

WHITE = 255
Facts = dict[str, Any]
Network = TypeVar("Network")
Tell = Callable[[int, int], bool]


class Workshop:
    """The networks in memory, and what is done with them."""

    def __init__(self, settings: Settings) -> None:
        """Load all that is on offer.

        Raises:
            PellucidError: naming what cannot be loaded.
        """
        self._settings, threads = settings, settings.threads_each
        self._denoisers = {
            name: Denoiser.load(model, settings.engine, threads) for name, model in settings.denoisers.items()
        }
        self._classifiers = {name: load_classifier(path, threads) for name, path in settings.readers.items()}

    def on_offer(self) -> dict[str, Facts]:
        """Return what is told of the networks: `denoisers` and `classifiers`, each by name."""
        denoisers = {
            name: {
                "channels": list(denoiser.input_spec.channels),
                "fixed_size": denoiser.input_spec.fixed_size,
                "conditional": denoiser.conditional,
            }
            for name, denoiser in self._denoisers.items()
        }
        classifiers = {name: {"classes": list(reader.classes)} for name, reader in self._classifiers.items()}
        return {"denoisers": denoisers, "classifiers": classifiers}

    def do(self, order: Order, tell: Tell) -> Facts:
        """Do an order; returns the facts, as `pellucid.server.workers.tasks.Outcome` has them.

        Args:
            order: what is to be done.
            tell: told the parts done and the parts in all; returns whether to go on.

        Raises:
            Refused: if what is asked for is not on offer.
            PellucidError: if the image cannot be taken, or as whatever does the work.
            Cancelled: if `tell` returned False.
        """
        started = time.monotonic()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            image = self._read(order.source)
            facts = said_of(image)
            facts |= getattr(self, f"_{order.kind}")(order, image, tell)
        remark = None if self._knows_white(order, image) else range_remark(image.pixels.dtype, image.white)
        said = [*filter(None, [remark]), *(str(warning.message) for warning in caught)]
        named = [text.replace(str(order.source), order.name) for text in said]
        return facts | {"remarks": list(dict.fromkeys(named)), "seconds": time.monotonic() - started}

    def _classify(self, order: Order, image: ImageFile, tell: Tell) -> Facts:
        after = self._clean(order, image, tell).after if order.model else None
        return self._read_labels(order, frames_of(image), after)

    def _denoise(self, order: Order, image: ImageFile, tell: Tell) -> Facts:
        assert order.target
        reference = self._reference(order, image) if order.reference else None
        cleaned = self._clean(order, image, tell)
        write_image(order.target, cleaned.pixels, like=image, overwrite=True, format=written_format(image))
        facts: Facts = {"sigma": None if cleaned.level is None else WHITE * cleaned.level}
        facts["engine"] = self._denoiser(order.model).engine
        if reference:
            facts |= _compared(cleaned, reference)
        if order.previews:
            facts |= previews.all_three(order.previews, cleaned.before, cleaned.after, image.icc)
        if order.classifier:
            facts |= self._read_labels(order, cleaned.before, cleaned.after)
        return facts

    def _knows_white(self, order: Order, image: ImageFile) -> bool:
        return bool(order.model) and self._denoiser(order.model).input_spec.white_of(image.pixels) is not None

    def _read(self, path: Path) -> ImageFile:
        limits = self._settings
        return read_image(path, limits.max_pixels, limits.max_frames, "the service's --max-pixels", limits.max_text)

    def _reference(self, order: Order, image: ImageFile) -> ImageFile:
        """Return the clean image, once it is known to be comparable."""
        assert order.reference
        reference = self._read(order.reference)
        if frames_of(reference).shape != frames_of(image).shape:
            raise Refused(f"the reference of {order.name} is of another size or kind: give the clean image itself")
        return reference

    def _clean(self, order: Order, image: ImageFile, tell: Tell) -> Cleaned:
        return clean(image, self._denoiser(order.model), order.sigma, order.strength, progress=tell)

    def _read_labels(self, order: Order, before: Frames, after: Frames | None) -> Facts:
        """Return what the classifier sees in an image, and in the same denoised."""
        assert order.classifier
        classifier = _chosen("classifier", order.classifier, self._classifiers)
        shown = {"before": before} | ({"after": after} if after else {})
        scores = {version: _scores(classifier, frames) for version, frames in shown.items()}
        labels = {version: max(found, key=found.__getitem__) for version, found in scores.items()}
        return {"labels": labels, "scores": scores}

    def _denoiser(self, name: str) -> Denoiser:
        return _chosen("model", name, self._denoisers)


def said_of(image: ImageFile) -> Facts:
    """Return what is told of every image that was read."""
    frames, channels, height, width = frames_of(image).shape
    written = written_format(image)
    return {
        "width": width,
        "height": height,
        "frames": frames,
        "channels": channels,
        "has_alpha": image.alpha is not None,
        "dtype": str(image.pixels.dtype),
        "bit_depth": image.bit_depth,
        "format": image.format,
        "written": written,
        "media_type": MEDIA_TYPES[written],
        "suffix": SUFFIXES[written][0],
    }


def _chosen(kind: str, name: str, loaded: Mapping[str, Network]) -> Network:
    """Return a network; raises Refused if there is none of that name, as after a restart with others."""
    if name not in loaded:
        raise Refused(f'this service has no {kind} "{name}" any more: choose one of {", ".join(loaded) or "none"}')
    return loaded[name]


def _compared(cleaned: Cleaned, reference: ImageFile) -> Facts:
    """Return how near the clean image is, before and after; None stands for an infinite PSNR."""
    same_kind = reference.pixels.dtype == cleaned.pixels.dtype
    white = cleaned.before.white if same_kind else None
    facts: Facts = {}
    for mark, frames in (("", cleaned.after), ("_before", cleaned.before)):
        found = compare(frames, frames_of(reference, white))
        facts[f"psnr{mark}"] = found.psnr if math.isfinite(found.psnr) else None
        facts[f"ssim{mark}"] = found.ssim
    return facts


def _scores(classifier: FileClassifier, frames: Frames) -> dict[str, float]:
    """Return the probability of each class of the first frame; of a classifier that only names one, that alone."""
    _, _, height, width = frames.shape
    planes = frames.read(0, slice(0, height), slice(0, width))
    answer = np.asarray(classifier(np.clip(planes, 0, 1)))[0]
    classes = classifier.classes
    if answer.ndim == 0:
        number = int(answer)
        return {classes[number] if classes else str(number): 1.0}
    shares = answer.astype(np.float64)
    if shares.min() < 0 or abs(shares.sum() - 1) > 1e-3:
        shares = np.exp(shares - shares.max())
        shares /= shares.sum()
    names = classes or tuple(map(str, range(len(shares))))
    return dict(zip(names, shares.tolist(), strict=True))
