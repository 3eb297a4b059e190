"""Feed a decoder with mutations of sound files, led by what code they reach (atheris, libFuzzer).

    .venv/bin/python fuzz/decode.py png -max_total_time=60

The first argument names the target; the others are libFuzzer's. What is found to reach new code is kept in
build/fuzz/TARGET, and a file that breaks something becomes build/fuzz/TARGET-crash-… (or -timeout-…, -oom-…), which,
given as an argument, is run once more.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "fuzz"
SEEDS = 3
MOST_PIXELS = 1 << 20
OPTIONS = ("-timeout=30", "-rss_limit_mb=2048", "-max_len=65536")

sys.path.insert(0, str(ROOT / "benchmarks"))
# To follow tifffile takes a minute before the first file, which only one target needs.
FOLLOWED = "tifffile" if sys.argv[1:2] == ["tiff"] else "PIL"
with atheris.instrument_imports(include=["pellucid.image", FOLLOWED]):
    import tifffile  # noqa: F401
    from PIL import AvifImagePlugin, BmpImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401

    from hostile_files import round_trip
    from pellucid.image.exif import marked, upright, upright_xmp
    from pellucid.image.guards.jpeg_markers import frame_of


def a_file(data: bytes) -> None:
    """Read a file, write it and read that."""
    round_trip.opened(data, MOST_PIXELS)


def exif(data: bytes) -> None:
    """Turn an EXIF block and an XMP packet upright; neither fails, whatever they hold."""
    block = marked(data)
    if block:
        turned, orientation = upright(block)
        assert len(turned) == len(block) and 1 <= orientation <= 8
    upright_xmp(data)


def marks(data: bytes) -> None:
    """Follow the marks of a JPEG."""
    try:
        frame_of(data)
    except ValueError:
        return


FORMATS = ("png", "jpeg", "tiff", "webp", "bmp", "pnm", "avif")
TARGETS: dict[str, Callable[[bytes], None]] = {**dict.fromkeys(FORMATS, a_file), "exif": exif, "marks": marks}
SEEDED_BY = {"exif": "jpeg-tagged", "marks": "jpeg"}


def seeds(target: str) -> Path:
    """Return the target's folder, with sound files to start from where it is new."""
    from hostile_files.sound import SOUND

    folder = BUILD / target
    if not folder.exists():
        folder.mkdir(parents=True)
        for name, make in SOUND.items():
            if name.startswith(SEEDED_BY.get(target, f"{target}-")):
                for seed in range(SEEDS):
                    (folder / f"{name}-{seed}").write_bytes(make(np.random.default_rng(seed)))
    return folder


def main() -> None:
    """Fuzz the target that the first argument names."""
    target, *options = sys.argv[1:] or [""]
    if target not in TARGETS:
        sys.exit(f"fuzz/decode.py: name one of {', '.join(TARGETS)}")
    # A file to run once more takes the folder's place: libFuzzer takes either.
    inputs = [] if any(not option.startswith("-") for option in options) else [str(seeds(target))]
    artifacts = f"-artifact_prefix={BUILD / target}-"
    atheris.Setup([sys.argv[0], *OPTIONS, artifacts, *options, *inputs], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
