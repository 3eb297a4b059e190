"""pellucid encode: writes the codes of images as npz, csv or npy."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.console import CommandOutput, pluralize, progress_of
from pellucid.cli.image_options import Files, Overwrite
from pellucid.cli.options import ModelPath, examples
from pellucid.errors import UsageError

if TYPE_CHECKING:
    import numpy as np


SUFFIXES = (".npz", ".csv", ".npy")


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "encode",
        short_help="Write the codes of images: features, or compressed images.",
        epilog=examples(
            "pellucid encode digits/ -o codes.npz --model runs/dense-uniform/best.safetensors",
            "pellucid encode digits/ -o codes.csv --model runs/conv-pool/best.safetensors",
        ),
    )(encode)


def encode(
    inputs: Files,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="codes.npz, codes.csv or codes.npy.")],
    model: ModelPath,
    overwrite: Overwrite = False,
) -> None:
    """Write the codes of images: features for another model, or compressed images.

    npz and csv hold names and codes, npy only the codes. All images must have the same size.
    """
    from pellucid.image.folders import find_images, read_stack

    check_target(out, overwrite)
    files = find_images(inputs)

    from pellucid.inference.denoiser import Denoiser

    output = CommandOutput()
    denoiser = Denoiser.load(model)
    with output.bar("encode") as bar:
        stack = read_stack([path for path, _ in files], denoiser.input_spec, progress_of(bar))
        codes = denoiser.encode(stack)
    write_codes(out, [str(name) for _, name in files], codes)
    shape = "x".join(map(str, codes.shape[1:]))
    output.print(f"{out}: {pluralize(len(codes), 'code')} of {shape} values for images of {_size(stack)}")


def check_target(path: Path, overwrite: bool) -> None:
    """Raise UsageError if the suffix is unknown, or the file exists and may not be overwritten."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f'cannot write codes to {path}: no format "{path.suffix}"; use {", ".join(SUFFIXES)}')
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists already: name another file, or give --overwrite")


def write_codes(path: Path, names: Sequence[str], codes: "np.ndarray") -> None:
    """Write codes (N, ...) atomically, in the format of the suffix.

    `.npz` holds `names` and `codes`, `.npy` only the codes; `.csv` has a header and one row per image: its name and
    the values of its code.

    Raises:
        PellucidError: if the file cannot be written.
    """
    import numpy as np

    from pellucid.utils.atomic_write import atomic_write

    with atomic_write(path) as temporary:
        kind = path.suffix.lower()
        if kind == ".npz":
            with temporary.open("wb") as file:
                np.savez_compressed(file, names=np.array(names), codes=codes)
        elif kind == ".npy":
            with temporary.open("wb") as file:
                np.save(file, codes)
        else:
            temporary.write_text(_as_csv(names, codes.reshape(len(codes), -1)), encoding="utf-8")


def _as_csv(names: Sequence[str], codes: "np.ndarray") -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *(f"code{index}" for index in range(codes.shape[1]))])
    for name, code in zip(names, codes, strict=True):
        writer.writerow([name, *(f"{value:.7g}" for value in code)])
    return text.getvalue()


def _size(stack: "np.ndarray") -> str:
    return "x".join(map(str, stack.shape[2:]))
