"""The code of a network without skips as features for a classifier, and as a compressed image."""

import warnings
from typing import Any

import numpy as np

from pellucid.evaluate.measure import as_arrays, image_means, noisy_training_images
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages
from pellucid.utils.optional_imports import import_optional

TRAINING_CODES = 10_000
BITS = 8
QUANTIZATION_LEVELS = 2**BITS - 1


def latent_accuracy(
    denoiser: Denoiser, recipe: Recipe, noisy: np.ndarray, labels: np.ndarray | None, seed: int
) -> float | None:
    """Return the accuracy in percent of scikit-learn's logistic regression on the codes; None without labels.

    Args:
        denoiser: a network without skips.
        recipe: names the training images; the regression is trained on the codes of up to 10,000 noisy ones.
        noisy: the test images (N, C, H, W), float32.
        labels: their class numbers (N,).
        seed: the seed of the training images' noise.
    """
    training, _, training_labels = as_arrays(_training(recipe, seed))
    if labels is None or training_labels is None:
        return None
    make_pipeline = import_optional("sklearn.pipeline", "train", "the accuracy of codes").make_pipeline
    scaler = import_optional("sklearn.preprocessing", "train", "the accuracy of codes").StandardScaler()
    regression = import_optional("sklearn.linear_model", "train", "the accuracy of codes").LogisticRegression
    model = make_pipeline(scaler, regression(max_iter=200, tol=1e-3))
    with warnings.catch_warnings():
        # Classes that are linearly separable have no finite optimum: stopping early is intended.
        warnings.filterwarnings("ignore", message="lbfgs failed to converge")
        model.fit(_flat(denoiser.encode(training)), training_labels)
    return 100 * float(model.score(_flat(denoiser.encode(noisy)), labels))


def compression(denoiser: Denoiser, recipe: Recipe, noisy: np.ndarray, clean: np.ndarray, seed: int) -> dict[str, Any]:
    """Measure the code as a compressed image, each value quantized to 8 bits.

    The codes of up to 10,000 training images, noisy and clean, set the range of each value.

    Args:
        denoiser: a network without skips.
        recipe: names the training images.
        noisy: test images (N, C, H, W), float32.
        clean: the same without noise; decoded images are compared with these.
        seed: the seed of the training images' noise.

    Returns:
        `values` per code, `bits` per value, `bits_per_pixel`, and the mean PSNR in dB of images that are decoded from
        the codes of clean images (`psnr_clean`) and of noisy ones (`psnr_noisy`, None without noise).
    """
    training_noisy, training_clean, _ = as_arrays(_training(recipe, seed))
    codes = denoiser.encode(np.concatenate([training_noisy, training_clean]))
    low, high = codes.min(axis=0), codes.max(axis=0)
    size = (clean.shape[2], clean.shape[3])

    def decoded_psnr(images: np.ndarray) -> float | None:
        return image_means(denoiser.decode(quantize(denoiser.encode(images), low, high), size), clean, ["psnr"])["psnr"]

    return {
        "values": int(low.size),
        "bits": BITS,
        "bits_per_pixel": int(low.size) * BITS / (size[0] * size[1]),
        "psnr_clean": decoded_psnr(clean),
        "psnr_noisy": None if noisy is clean else decoded_psnr(noisy),
    }


def quantize(codes: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return codes (N, ...) rounded to 256 steps between `low` and `high`, the bounds of each value of a code."""
    span = np.where(high > low, high - low, 1)
    steps = np.clip(np.round((codes - low) / span * QUANTIZATION_LEVELS), 0, QUANTIZATION_LEVELS)
    return (low + steps * (span / QUANTIZATION_LEVELS)).astype(np.float32)


def _training(recipe: Recipe, seed: int) -> NoisyImages:
    return noisy_training_images(recipe, seed, "codes", TRAINING_CODES)


def _flat(codes: np.ndarray) -> np.ndarray:
    return codes.reshape(len(codes), -1)
