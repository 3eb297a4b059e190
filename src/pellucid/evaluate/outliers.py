"""Find the images that a denoiser cannot restore: those unlike what it was trained on."""

from dataclasses import dataclass

import numpy as np
import torch

from pellucid.errors import UsageError
from pellucid.inference.denoiser import Denoiser
from pellucid.noise import corrupt
from pellucid.utils.seeding import make_generator

CUTOFF = 3.5
NORMAL_MAD = 1.4826
FEWEST = 3
LEAST_VARIANCE = 1e-4
LEAST_ERROR = 1e-9
LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Outliers:
    """How unlike the rest each image is.

    Attributes:
        errors: the mean squared reconstruction error of each image as a share of the image's own variance, (N,).
        scores: the robust z-score of its logarithm, (N,): 0 is typical, above `cutoff` an outlier.
        threshold: the error at which an image counts as an outlier.
        cutoff: the score that this is.
        flagged: which images are outliers, (N,), bool.
    """

    errors: np.ndarray
    scores: np.ndarray
    threshold: float
    cutoff: float
    flagged: np.ndarray


def outliers(
    denoiser: Denoiser,
    images: np.ndarray,
    *,
    add_noise: bool = True,
    seed: int = 0,
    reference: np.ndarray | None = None,
    cutoff: float = CUTOFF,
) -> Outliers:
    """Score clean images by how badly the denoiser reconstructs them.

    A narrow code only holds what the training images had in common, so an image of another kind comes back changed
    (Japkowicz, Myers, Gluck, "A novelty detection approach to classification", IJCAI 1995). A denoiser knows noisy
    images alone, so it is given the images with its recipe's noise; and an image with more in it is harder to restore,
    so the error is taken as a share of the image's variance. Clothes among digits, which a network of 64 values trained
    on U(0, 0.9) reconstructs, are told apart with an area under the curve of 0.99 so; without the noise 0.44, without
    the variance 0.96.

    Errors spread over orders of magnitude, so their logarithms are compared, by the modified z-score of Iglewicz and
    Hoaglin ("How to detect and handle outliers", 1993): (x - median) / (1.4826 MAD), with their cut-off 3.5. Median and
    MAD hold while fewer than half of the images are outliers; with `reference` they come from images known to be good.

    Args:
        denoiser: a trained denoiser; one without skips, whose bottleneck is narrow, tells most.
        images: (N, C, H, W), float32 in [0, 1].
        add_noise: whether the noise of the denoiser's recipe is added first; not for images that are noisy already.
        seed: draws that noise.
        reference: errors (M,) of good images, such as the `errors` of this function on training images.
        cutoff: the score above which an image is flagged.

    Raises:
        UsageError: if the images do not fit the denoiser, or are too few to say what is typical.
    """
    denoiser.input_spec.check(images.shape[1:])
    errors = _relative_errors(denoiser, images, add_noise, seed)
    typical = np.log(np.maximum(errors if reference is None else reference, LEAST_ERROR))
    if len(typical) < FEWEST:
        raise UsageError(f"{len(typical)} images are too few to say what is typical: give {FEWEST} or more")
    middle = float(np.median(typical))
    spread = max(NORMAL_MAD * float(np.median(np.abs(typical - middle))), LEAST_SPREAD)
    scores = (np.log(np.maximum(errors, LEAST_ERROR)) - middle) / spread
    return Outliers(errors, scores, float(np.exp(middle + cutoff * spread)), cutoff, scores > cutoff)


def _relative_errors(denoiser: Denoiser, images: np.ndarray, add_noise: bool, seed: int) -> np.ndarray:
    recipe, shown, level = denoiser.checkpoint.recipe, images, None
    if add_noise and recipe.noise and len(images):
        clean = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))
        noisy, levels = corrupt(recipe.build("noise"), clean, make_generator(seed, "outliers"), recipe.noise.clip)
        shown, level = noisy.numpy(), float(levels.mean())
    restored = np.clip(denoiser.batch(shown, level), 0, 1)
    errors = np.square(restored - images, dtype=np.float64).mean(axis=(1, 2, 3))
    # A flat image has no variance to be measured by; a hundredth of the range stands in for it.
    return errors / np.maximum(images.var(axis=(1, 2, 3), dtype=np.float64), LEAST_VARIANCE)
