"""The networks of a worker, and the work on one image: read, denoise, compare, classify, write, and previews."""

import io
import math
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pellucid.evaluate.classifiers import FileClassifier, load_classifier
from pellucid.evaluate.compare import compare
from pellucid.image import ImageFile, range_warning, read_image, write_image
from pellucid.image.files import written_format
from pellucid.image.formats import SUFFIXES
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.frames import Frames
from pellucid.inference.functional import load_denoiser
from pellucid.inference.image_file import DenoisedImage, as_frames, denoise_image
from pellucid.report.before_after import picture, reduced
from pellucid.server.settings import Settings
from pellucid.server.workers.tasks import MEDIA_TYPES, WorkRefused, WorkRequest
from pellucid.utils.atomic_write import atomic_write

if TYPE_CHECKING:
    from PIL.Image import Image

SIGMA_UNIT = 255
MAX_PREVIEW_SIDE = 4096
# The difference is shown around mid-gray, multiplied by the largest of these for which all but a thousandth of its
# values stay in range.
DIFFERENCE_GAINS = tuple(1 << power for power in range(7))
IN_RANGE_FRACTION = 0.999
Metadata = dict[str, Any]
Network = TypeVar("Network")
Progress = Callable[[int, int], bool]


class ModelHost:
    """Keeps the networks in memory and processes work requests with them."""

    def __init__(self, settings: Settings) -> None:
        """Load all models of the settings.

        Raises:
            PellucidError: naming the model that cannot be loaded.
        """
        self._settings, threads = settings, settings.threads_per_worker
        self._denoisers = {
            name: load_denoiser(model, settings.engine, threads) for name, model in settings.denoisers.items()
        }
        self._classifiers = {
            name: load_classifier(path, threads) for name, path in settings.classifiers_by_name.items()
        }

    def available_models(self) -> dict[str, Metadata]:
        """Return what clients may know of the networks: `denoisers` and `classifiers`, each by name."""
        denoisers = {
            name: {
                "channels": list(denoiser.input_spec.channels),
                "fixed_size": denoiser.input_spec.fixed_size,
                "conditional": denoiser.conditional,
            }
            for name, denoiser in self._denoisers.items()
        }
        classifiers = {name: {"classes": list(network.classes)} for name, network in self._classifiers.items()}
        return {"denoisers": denoisers, "classifiers": classifiers}

    def process(self, request: WorkRequest, progress: Progress) -> Metadata:
        """Do the work of a request; returns the metadata of `pellucid.server.workers.tasks.WorkResult`.

        Args:
            request: the work.
            progress: called with the number of parts that are done and of all parts; returns whether to go on.

        Raises:
            WorkRefused: if the requested model is not available.
            PellucidError: if the image cannot be processed.
            Cancelled: if `progress` returned False.
        """
        started = time.monotonic()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            image = self._read(request.source)
            metadata = image_metadata(image)
            metadata |= getattr(self, f"_{request.kind}")(request, image, progress)
        messages = [str(warning.message) for warning in caught]
        range_message = (
            None if self._has_data_range(request, image) else range_warning(image.pixels.dtype, image.data_range)
        )
        if range_message:
            messages.insert(0, range_message)
        named = [message.replace(str(request.source), request.name) for message in messages]
        return metadata | {"warnings": list(dict.fromkeys(named)), "seconds": time.monotonic() - started}

    def _classify(self, request: WorkRequest, image: ImageFile, progress: Progress) -> Metadata:
        after = self._denoised(request, image, progress).after if request.model else None
        return self._predict_labels(request, as_frames(image), after)

    def _denoise(self, request: WorkRequest, image: ImageFile, progress: Progress) -> Metadata:
        assert request.target
        reference = self._reference(request, image) if request.reference else None
        denoised = self._denoised(request, image, progress)
        write_image(request.target, denoised.pixels, like=image, overwrite=True, format=written_format(image))
        metadata: Metadata = {"sigma_255": None if denoised.sigma is None else SIGMA_UNIT * denoised.sigma}
        metadata["engine"] = self._denoiser(request.model).engine
        if reference:
            metadata |= _quality(denoised, reference)
        if request.previews:
            metadata |= write_previews(request.previews, denoised.before, denoised.after, image.icc)
        if request.classifier:
            metadata |= self._predict_labels(request, denoised.before, denoised.after)
        return metadata

    def _has_data_range(self, request: WorkRequest, image: ImageFile) -> bool:
        return bool(request.model) and self._denoiser(request.model).input_spec.data_range_for(image.pixels) is not None

    def _read(self, path: Path) -> ImageFile:
        limits = self._settings
        return read_image(path, limits.max_pixels, limits.max_frames, "the service's --max-pixels", limits.max_text)

    def _reference(self, request: WorkRequest, image: ImageFile) -> ImageFile:
        """Return the clean image, once it is known to be comparable."""
        assert request.reference
        reference = self._read(request.reference)
        if as_frames(reference).shape != as_frames(image).shape:
            raise WorkRefused(f"the reference of {request.name} has another size or kind: send the clean image itself")
        return reference

    def _denoised(self, request: WorkRequest, image: ImageFile, progress: Progress) -> DenoisedImage:
        denoiser = self._denoiser(request.model)
        return denoise_image(image, denoiser, request.sigma, request.strength, progress=progress)

    def _predict_labels(self, request: WorkRequest, before: Frames, after: Frames | None) -> Metadata:
        """Return the labels and scores of an image, and of the same image denoised."""
        assert request.classifier
        classifier = _find_model("classifier", request.classifier, self._classifiers)
        versions = {"before": before} | ({"after": after} if after else {})
        scores = {version: _class_scores(classifier, frames) for version, frames in versions.items()}
        labels = {version: max(found, key=found.__getitem__) for version, found in scores.items()}
        return {"labels": labels, "scores": scores}

    def _denoiser(self, name: str) -> Denoiser:
        return _find_model("model", name, self._denoisers)


def image_metadata(image: ImageFile) -> Metadata:
    """Return the metadata that every image has."""
    frames, channels, height, width = as_frames(image).shape
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


def _find_model(kind: str, name: str, loaded: Mapping[str, Network]) -> Network:
    """Return a network; raises WorkRefused if it is missing, as after a restart with other models."""
    if name not in loaded:
        raise WorkRefused(f'this service has no {kind} "{name}" any more: choose one of {", ".join(loaded) or "none"}')
    return loaded[name]


def _quality(denoised: DenoisedImage, reference: ImageFile) -> Metadata:
    """Return PSNR and SSIM before and after; None stands for an infinite PSNR."""
    same_kind = reference.pixels.dtype == denoised.pixels.dtype
    data_range = denoised.before.data_range if same_kind else None
    metadata: Metadata = {}
    for suffix, frames in (("", denoised.after), ("_before", denoised.before)):
        comparison = compare(frames, as_frames(reference, data_range))
        metadata[f"psnr{suffix}"] = comparison.psnr if math.isfinite(comparison.psnr) else None
        metadata[f"ssim{suffix}"] = comparison.ssim
    return metadata


def _class_scores(classifier: FileClassifier, frames: Frames) -> dict[str, float]:
    """Return the probability of each class for the first frame; only the class if that is all that a classifier says.

    Outputs that are no probabilities are taken as logits.
    """
    _, _, height, width = frames.shape
    planes = frames.read(0, slice(0, height), slice(0, width))
    output = np.asarray(classifier(np.clip(planes, 0, 1)))[0]
    classes = classifier.classes
    if output.ndim == 0:
        index = int(output)
        return {classes[index] if classes else str(index): 1.0}
    probabilities = output.astype(np.float64)
    if probabilities.min() < 0 or abs(probabilities.sum() - 1) > 1e-3:
        probabilities = np.exp(probabilities - probabilities.max())
        probabilities /= probabilities.sum()
    names = classes or tuple(map(str, range(len(probabilities))))
    return dict(zip(names, probabilities.tolist(), strict=True))


def write_previews(folder: Path, noisy: Frames, denoised: Frames, icc: bytes | None) -> dict[str, Any]:
    """Write before.png, after.png and difference.png of an image; of a stack, of its first frame.

    Args:
        folder: where they are written.
        noisy: the image.
        denoised: the same, denoised.
        icc: its color profile, from which colors are converted to sRGB, or None.

    Returns:
        `size_note`, a text if the images are reduced, else None; and `difference_gain`, the factor on the difference.
    """
    factor = -(-max(noisy.shape[2:]) // MAX_PREVIEW_SIDE)
    planes = [reduced(frames, factor) for frames in (noisy, denoised)]
    for name, version in zip(("before", "after"), planes, strict=True):
        _write_png(folder / f"{name}.png", _in_srgb(picture(version), icc))
    residual = planes[0] - planes[1]
    maximum = float(np.quantile(np.abs(residual), IN_RANGE_FRACTION))
    gain = max((gain for gain in DIFFERENCE_GAINS if gain * maximum <= 0.5), default=1)
    _write_png(folder / "difference.png", picture(0.5 + gain * residual))
    note = f"shown reduced, one pixel for {factor}x{factor}; the result is at full size" if factor > 1 else None
    return {"size_note": note, "difference_gain": gain}


def _write_png(path: Path, image: "Image") -> None:
    with atomic_write(path) as temporary:
        image.save(temporary, "PNG", compress_level=1)


def _in_srgb(image: "Image", icc: bytes | None) -> "Image":
    """Return an image in sRGB, the color space that browsers assume; a profile that does not fit is ignored."""
    if not icc:
        return image
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted or image
