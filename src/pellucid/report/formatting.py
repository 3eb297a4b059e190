"""How figures are named and formatted, in the same way in the page, in Markdown and in the plots."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.report.entry import ReportEntry

ABSENT = "\u2013"
MINUS = "\u2212"
THIN = "\u202f"
RANGE = "\u202f\u2013\u2009"
NAMES = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "mse": "MSE",
    "sharpness": "Sharpness (1 is as sharp)",
    "checkerboard": "Checkerboard (white noise is 1)",
    "noisy_psnr": "PSNR of the noisy, dB",
    "noisy_ssim": "SSIM of the noisy",
    "noisy_mse": "MSE of the noisy",
    "noisy_sharpness": "Sharpness of the noisy",
    "noisy_checkerboard": "Checkerboard of the noisy",
    "train_loss": "Training loss",
    "validation_loss": "Validation loss",
    "accuracy_clean": "Accuracy on clean, %",
    "accuracy_noisy": "Accuracy on noisy, %",
    "accuracy_denoised": "Accuracy on denoised, %",
    "accuracy_ceiling": "Accuracy ceiling, %",
    "loss_clean": "Classifier loss on clean",
    "loss_noisy": "Classifier loss on noisy",
    "loss_denoised": "Classifier loss on denoised",
    "latent_accuracy": "Accuracy from the code, %",
    "ms": "Time per image, ms",
    "samples_per_second": "Training samples per second",
    "bits_per_pixel": "Rate, bits per pixel",
    "compressed_psnr": "PSNR decoded from 8 bits, dB",
    "values": "Values in a code",
    "bits": "Bits per value",
    "psnr_clean": "PSNR decoded, clean input, dB",
    "psnr_noisy": "PSNR decoded, noisy input, dB",
}
DECIMALS = {"psnr": 2, "accuracy": 2, "loss": 4, "mse": 5, "ssim": 3, "sharpness": 3, "checkerboard": 2, "pixel": 3}


def figure_name(key: str) -> str:
    """Return the name of a figure, with its unit."""
    return NAMES.get(key) or key.replace("_", " ").capitalize()


def figure_text(key: str, value: Any) -> str:
    """Format a figure by its key: PSNR and percentages with 2 decimals, losses with 4, ms with 3 significant digits.

    None and NaN become an en dash.
    """
    if value is None or (isinstance(value, (float, np.floating)) and math.isnan(value)):
        return ABSENT
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)):
        return str(value)
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    parts = key.split("_")
    decimals = next((count for part, count in DECIMALS.items() if part in parts), None)
    if decimals is not None:
        text = f"{value:.{decimals}f}"
    elif isinstance(value, (int, np.integer)) or key == "samples_per_second":
        text = f"{value:,.0f}".replace(",", THIN)
    else:
        text = significant(float(value))
    return text.replace("-", MINUS)


def significant(value: float) -> str:
    """Format a number with 3 significant digits and without an exponent: 0.0110, 1.00, 1230."""
    decimals = 2 - math.floor(math.log10(abs(value))) if value else 2
    return f"{round(value, decimals):.{max(0, decimals)}f}"


def difference_text(value: float | None, other: float | None) -> str:
    """Format the difference of two values in dB, with its sign."""
    if value is None or other is None or not (math.isfinite(value) and math.isfinite(other)):
        return ABSENT
    text = f"{value - other:+.2f}"
    return "±0.00" if float(text) == 0 else text.replace("-", MINUS)


def range_text(key: str, seeds: Sequence[Mapping[str, Any]]) -> str:
    """Format the minimum and the maximum of a figure over the seeds; a dash if fewer than two have it."""
    known = [seed[key] for seed in seeds if seed.get(key) is not None]
    if len(known) < 2:
        return ABSENT
    return f"{figure_text(key, min(known))}{RANGE}{figure_text(key, max(known))}"


def options_text(options: Any) -> str:
    """Format the options of a baseline: `radius 2, gain 1.03`; an empty text for none."""
    if not isinstance(options, Mapping):
        return "" if options is None else str(options)
    return ", ".join(f"{str(key).replace('_', ' ')} {_option_value(value)}" for key, value in options.items())


def epochs_text(epochs: Any) -> str:
    """Format the number of epochs: one number, or one per seed."""
    if isinstance(epochs, Mapping):
        epochs = list(epochs.values())
    if isinstance(epochs, (list, tuple)):
        epochs = epochs[0] if len(set(epochs)) == 1 else ", ".join(str(count) for count in epochs)
    return ABSENT if epochs is None else str(epochs)


def origin_text(origin: Mapping[str, Any]) -> str:
    """Format the publication that a recipe follows: title, authors, year; an empty text for a recipe of our own."""
    if not origin.get("title"):
        return ""
    year = f" ({origin['year']})" if origin.get("year") else ""
    by = f", {origin['authors']}" if origin.get("authors") else ""
    return f"{origin['title']}{by}{year}"


def curves_verdict(entry: ReportEntry) -> str:
    """Return a sentence on the training and validation loss, and on whether the network overfits."""
    if entry.overfitting:
        text = entry.overfitting.strip().rstrip(".")
        return f"{text[:1].upper()}{text[1:]}."
    runs = [epochs for epochs in entry.history.values() if epochs]
    if not runs:
        return ""
    longest = max(len(epochs) for epochs in runs)
    training, validation = (
        figure_text(key, _mean([run[-1][key] for run in runs])) for key in ("train_loss", "validation_loss")
    )
    of = f", the mean of {len(runs)} runs" if len(runs) > 1 else ""
    ends = f"training loss ends at {training}, validation loss at {validation}{of}"
    if longest < 2:
        return f"One epoch says nothing about overfitting: {ends}."
    return f"No overfitting: {ends}."


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _option_value(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and not isinstance(value, bool):
        return f"{value:.3g}".replace("-", MINUS)
    return str(value)
