"""Fuzz a decoder with mutations of valid files, guided by code coverage (atheris, libFuzzer).

    .venv/bin/python fuzz/decode.py png -max_total_time=60

The first argument names the target; the others are options of libFuzzer. Inputs that reach new code are kept in
build/fuzz/TARGET. An input that fails is saved as build/fuzz/TARGET-crash-… (or -timeout-…, -oom-…); given as an
argument, it is run again.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "fuzz"
SEEDS = 3
MAX_PIXELS = 1 << 20
OPTIONS = ("-timeout=30", "-rss_limit_mb=2048", "-max_len=65536")

sys.path.insert(0, str(ROOT / "benchmarks"))
# Instrumenting tifffile takes a minute, and only one target needs it.
INSTRUMENTED = "tifffile" if sys.argv[1:2] == ["tiff"] else "PIL"
with atheris.instrument_imports(include=["pellucid.image", INSTRUMENTED]):
    import tifffile  # noqa: F401
    from PIL import AvifImagePlugin, BmpImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401

    from hostile_files import round_trip
    from pellucid.image.exif import reset_orientation, reset_xmp_orientation, with_exif_header
    from pellucid.image.guards.jpeg_markers import read_frame


def read_file(data: bytes) -> None:
    """Read a file, write it and read the result."""
    round_trip.read_and_write(data, MAX_PIXELS)


def exif(data: bytes) -> None:
    """Reset the orientation of an EXIF block and an XMP packet, which never fails."""
    block = with_exif_header(data)
    if block:
        changed, orientation = reset_orientation(block)
        assert len(changed) == len(block) and 1 <= orientation <= 8
    reset_xmp_orientation(data)


def markers(data: bytes) -> None:
    """Read the markers of a JPEG."""
    try:
        read_frame(data)
    except ValueError:
        return


FORMATS = ("png", "jpeg", "tiff", "webp", "bmp", "pnm", "avif")
TARGETS: dict[str, Callable[[bytes], None]] = {**dict.fromkeys(FORMATS, read_file), "exif": exif, "markers": markers}
SEEDED_BY = {"exif": "jpeg-tagged", "markers": "jpeg"}


def seeds(target: str) -> Path:
    """Return the folder of a target, filled with valid files if it is new."""
    from hostile_files.valid import VALID

    folder = BUILD / target
    if not folder.exists():
        folder.mkdir(parents=True)
        for name, make in VALID.items():
            if name.startswith(SEEDED_BY.get(target, f"{target}-")):
                for seed in range(SEEDS):
                    (folder / f"{name}-{seed}").write_bytes(make(np.random.default_rng(seed)))
    return folder


def main() -> None:
    """Fuzz the target that the first argument names."""
    target, *options = sys.argv[1:] or [""]
    if target not in TARGETS:
        sys.exit(f"fuzz/decode.py: name one of {', '.join(TARGETS)}")
    # libFuzzer takes either a folder or single files to run again.
    inputs = [] if any(not option.startswith("-") for option in options) else [str(seeds(target))]
    artifacts = f"-artifact_prefix={BUILD / target}-"
    atheris.Setup([sys.argv[0], *OPTIONS, artifacts, *options, *inputs], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
