"""`pellucid denoise` on small files of every format, depth and mode: pixels and figures to the bit."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pellucid.image import read_image, write_image

SIDE = 40


def samples(channels: int = 0, pages: int = 0, top: int = 255, dtype="uint8", seed: int = 0) -> np.ndarray:
    """A noisy scene with values from 0 to `top`: (SIDE, SIDE), with channels last and pages first where given."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    scene = 0.5 + 0.25 * np.sin(7 * rows + 3 * columns) + 0.15 * (rows + columns > 1.1)
    shape = (*((pages,) if pages else ()), SIDE, SIDE, max(channels, 1))
    noise = 0.1 * np.random.default_rng(seed).standard_normal(shape)
    image = np.clip(scene[..., None] * np.linspace(1, 0.8, shape[-1]) + noise, 0, 1) * top
    image = (image if np.dtype(dtype).kind == "f" else image.round()).astype(dtype)
    return image if channels else image[..., 0]


def picture(channels: int = 0, seed: int = 0) -> Image.Image:
    return Image.fromarray(samples(channels, seed=seed))


def oriented() -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = 6
    return block


def write_with_pillow(folder: Path) -> None:
    still = {
        "gray-1-bit.png": (picture().convert("1"), {}),
        "gray.png": (picture(), {"dpi": (300, 300)}),
        "color.png": (picture(3), {}),
        "color-alpha.png": (picture(4), {}),
        "gray-alpha.png": (picture(2), {}),
        "palette.png": (picture(3).quantize(32), {"transparency": 3}),
        "gray.jpg": (picture(), {"quality": 92}),
        "color.jpg": (picture(3), {"quality": 88, "exif": oriented()}),
        "cmyk.jpg": (picture(3).convert("CMYK"), {"quality": 90}),
        "lossless.webp": (picture(4), {"lossless": True, "exact": True}),
        "lossy.webp": (picture(3), {"quality": 85}),
        "color.bmp": (picture(3), {}),
        "gray.bmp": (picture(), {}),
        "gray.pgm": (picture(), {}),
        "color.ppm": (picture(3), {}),
        "one-bit.pbm": (picture().convert("1"), {}),
        "color.avif": (picture(3), {"quality": 90}),
    }
    for name, (image, options) in still.items():
        image.save(folder / name, **options)
    frames = [picture(3, seed) for seed in range(3)]
    kept = {"save_all": True, "append_images": frames[1:], "duration": [40, 80, 120]}
    frames[0].save(folder / "animated.png", **kept)
    frames[0].save(folder / "animated.webp", lossless=True, exact=True, allow_mixed=False, **kept)


def write_with_others(folder: Path) -> None:
    write_image(folder / "gray-16-bit.png", samples(top=65535, dtype="uint16"))
    write_image(folder / "color-16-bit.png", samples(3, top=65535, dtype="uint16"))
    (folder / "gray-12-bit.pgm").write_bytes(
        f"P5 {SIDE} {SIDE} 4095\n".encode() + samples(top=4095, dtype="uint16").astype(">u2").tobytes()
    )
    tiffs = {
        "color.tif": (samples(3), {"photometric": "rgb", "compression": "zlib"}),
        "gray-16-bit.tif": (samples(top=65535, dtype="uint16"), {"photometric": "minisblack"}),
        "gray-12-bit.tif": (samples(top=4095, dtype="uint16"), {"photometric": "minisblack"}),
        "inverted.tif": (samples(), {"photometric": "miniswhite"}),
        "float.tif": (samples(top=1, dtype="float32"), {"photometric": "minisblack"}),
        "float-beyond-1.tif": (samples(top=900, dtype="float32"), {"photometric": "minisblack"}),
        "color-alpha.tif": (samples(4), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        "pages.tif": (samples(pages=3, top=65535, dtype="uint16"), {"photometric": "minisblack"}),
        "color-pages.tif": (samples(3, pages=2), {"photometric": "rgb"}),
    }
    for name, (image, options) in tiffs.items():
        tifffile.imwrite(folder / name, image, metadata=None, **options)


def figures(text: str, root: Path):
    """The JSON without times, and with paths from the root on."""

    def cleaned(value):
        if isinstance(value, dict):
            return {key: cleaned(item) for key, item in value.items() if "second" not in key}
        if isinstance(value, list):
            return [cleaned(item) for item in value]
        return value.replace(f"{root}/", "") if isinstance(value, str) else value

    return cleaned(json.loads(text))


@pytest.mark.parametrize("how", ["estimated", "sigma-and-strength"])
def test_files_of_all_formats(how, command, golden, describe, tmp_path):
    (tmp_path / "in").mkdir()
    write_with_pillow(tmp_path / "in")
    write_with_others(tmp_path / "in")
    options = [] if how == "estimated" else ["--sigma", "25", "--strength", "0.7"]
    fixed = ["--engine", "onnxruntime", "--threads", "1", "--json", "-"]
    printed = command("denoise", tmp_path / "in", "-o", tmp_path / "out", *fixed, *options)
    found = {}
    for path in sorted((tmp_path / "out").iterdir()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about unusual files
            image = read_image(path)
        found[path.name] = {
            "pixels": describe(image.pixels),
            "alpha": None if image.alpha is None else describe(image.alpha),
            "format": image.format,
            "bit_depth": image.bit_depth,
            "is_stack": image.is_stack,
            "dpi": image.dpi,
        }
    assert len(found) == len(list((tmp_path / "in").iterdir())) == 31
    golden.check(f"files-{how}", {"files": found, "json": figures(printed, tmp_path)})


@pytest.mark.parametrize("noise", ["gaussian(sigma=25)", "poisson(peak=30) + jpeg(quality=50)"])
def test_noise_added_to_files(noise, command, golden, describe, tmp_path):
    write_image(tmp_path / "color.png", samples(3))
    write_image(tmp_path / "deep.png", samples(top=65535, dtype="uint16"))
    command("add-noise", tmp_path / "color.png", tmp_path / "deep.png", "-o", tmp_path / "out", "-n", noise)
    found = {path.name: describe(read_image(path).pixels) for path in sorted((tmp_path / "out").iterdir())}
    assert len(found) == 2
    golden.check(f"add-noise-{noise.partition('(')[0]}", found)
