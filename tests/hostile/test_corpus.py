"""Hostile files give an image that can be written again, or one line; nothing comes from uninitialized memory."""

import hashlib
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from pellucid.image import ImageFile

# Reads the files of a folder and prints a hash of each image; it runs twice with memory filled with different bytes.
READER = """
import hashlib, json, resource, sys
from pathlib import Path
from pellucid.errors import PellucidError
from pellucid.image import read_image

def describe(path):
    try:
        image = read_image(path, 20_000_000)
    except PellucidError as error:
        return str(error)
    alpha = b"" if image.alpha is None else image.alpha.tobytes()
    return hashlib.sha256(image.pixels.tobytes() + alpha).hexdigest()

found = {path.name: describe(path) for path in sorted(Path(sys.argv[1]).iterdir())}
print(json.dumps([found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def read_apart(folder, filling):
    """Read the files in another process whose new memory is filled with a byte; return hashes and the peak in KiB."""
    done = subprocess.run(
        [sys.executable, "-c", READER, str(folder)],
        env=os.environ | {"MALLOC_PERTURB_": str(filling)},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_the_same_seed_makes_the_same_files_and_longer_corpora_start_the_same(files):
    corpus = files("corpus")
    number = len(files("valid").VALID) + 3
    first, again, longer = (list(corpus.generated(count, seed=4)) for count in (number, number, number + 2))
    assert [file.data for file in first] == [file.data for file in again] == [file.data for file in longer[:number]]
    assert len({file.name for file in longer}) == number + 2
    other = list(corpus.generated(number, seed=5))
    assert sum(one.data == two.data for one, two in zip(first, other, strict=True)) < 5


def test_unusual_but_valid_files_are_read(files, read_and_write):
    rng = np.random.default_rng(7)
    for name, make in files("valid").VALID.items():
        found = read_and_write(make(rng))
        if name.startswith("gif"):
            assert "GIF file, which is not supported" in found
        else:
            assert isinstance(found, ImageFile), f"{name}: {found}"


# A part of the message that refuses each bomb, or None if it is a small image.
BOMBS = {
    "png-gigapixels": "more than the 20 allowed",
    "png-announcing": "more than the 20 allowed",
    "png-zeros": None,
    "png-more-than-announced": None,
    "png-profile": None,
    "png-text": None,
    "png-chunks": None,
    "png-frames": "more than the 10000 allowed",
    "png-exif": None,
    "jpeg-gigapixels": "more than the 20 allowed",
    "jpeg-announcing": "more than the 20 allowed",
    "jpeg-scans": "more than 200 scans",
    "jpeg-two-sizes": "it has two frames",
    "jpeg-exif": "too large for JPEG: write PNG or TIFF",
    "webp-one-color": "more than the 20 allowed",
    "webp-frames": "more than the",
    "webp-exif": None,
    "bmp-gigapixels": "more than the 20 allowed",
    "bmp-announcing": "more than the 20 allowed",
    "bmp-runs": "more than the 20 allowed",
    "bmp-line-ends": None,
    "bmp-colors": "Unsupported BMP Palette size",
    "pnm-gigapixels": "more than the 20 allowed",
    "pnm-announcing": "more than the 20 allowed",
    "pnm-plain": None,
    "pnm-blanks": "its header is incomplete",
    "gif-gigapixels": "GIF file, which is not supported",
    "tiff-gigapixels": "more than the 20 allowed",
    "tiff-announcing": "more than the 20 allowed",
    "tiff-zeros": None,
    "tiff-jpeg-inside": "too few for 65000x65000 pixels",
    "tiff-webp-inside": "of 16x16 pixels holds 16383x16383",
    "tiff-png-inside": "of 16x16 pixels holds 900000x900000",
    "tiff-jpeg-2000-inside": "of 16x16 pixels holds 60000x60000",
    "tiff-zstd-of-more": "cut short or damaged",
    "tiff-deflate-of-more": "cut short or damaged",
    "tiff-lzma-of-more": None,
    "tiff-strips-missing": "1 of its 16 strips or tiles are there",
    "tiff-large-tiles": "tiles of 1024x1024 pixels",
    "tiff-circle": "names an earlier one as the next",
    "tiff-pages": "pages are copies or masks",
    "tiff-tags-shared": "far larger than the file",
    "tiff-pages-shared": "far larger than the file",
    "tiff-exif-shared": None,
    "tiff-subdirectories": "200000 directories below it",
    "tiff-channels": "65535 channels",
    "tiff-imagej-many": None,
    "tiff-shaped-many": "more than the 10000 allowed",
    "tiff-shaped-nothing": None,
    "tiff-billion-laughs": None,
    "tiff-big-strips": "far larger than the file",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_or_small(files, read_and_write, name, recwarn):
    found = read_and_write(files("bombs").BOMBS[name]())
    if BOMBS[name] is None:
        assert isinstance(found, ImageFile), found
        assert found.pixels.size <= 4_000_000
    else:
        assert isinstance(found, str) and BOMBS[name] in found
    assert not recwarn, "no warnings of libraries about metadata"


def test_every_bomb_is_listed_here(files):
    assert set(files("bombs").BOMBS) == set(BOMBS)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="filled memory is glibc's")
def test_results_do_not_depend_on_uninitialized_memory(files, tmp_path):
    for file in files("corpus").generated(900, seed=3):
        (tmp_path / file.name).write_bytes(file.data)
    rounds = [read_apart(tmp_path, filling) for filling in (85, 170)]
    assert rounds[0][0] == rounds[1][0]
    assert max(peak for _, peak in rounds) < 1 << 20, "KiB"
    digest = hashlib.sha256().hexdigest()
    assert sum(len(result) == len(digest) for result in rounds[0][0].values()) > 90


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "webp", "bmp", "pnm", "avif"])
def test_damaged_files_are_read_or_refused(files, read_and_write, kind):
    makers, damage = files("valid").VALID, files("damage")
    names = [name for name in makers if name.startswith(f"{kind}-")]
    read = 0
    for seed in range(40 if names else 0):
        rng = np.random.default_rng((11, seed))
        name, other = (names[int(rng.integers(len(names)))] for _ in range(2))
        read += isinstance(read_and_write(damage.damaged(makers[name](rng), makers[other](rng), rng)), ImageFile)
    assert threading.active_count() < 20 and read < 40
