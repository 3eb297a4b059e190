"""Hostile files give an image that can be written again, or one line; nothing comes from uninitialised memory."""

import hashlib
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from pellucid.image import ImageFile

# Reads the files of a folder and prints a hash of what is read of each; run twice over memory filled in two ways.
READER = """
import hashlib, json, resource, sys
from pathlib import Path
from pellucid.errors import PellucidError
from pellucid.image import read_image

def said(path):
    try:
        image = read_image(path, 20_000_000)
    except PellucidError as error:
        return str(error)
    alpha = b"" if image.alpha is None else image.alpha.tobytes()
    return hashlib.sha256(image.pixels.tobytes() + alpha).hexdigest()

found = {path.name: said(path) for path in sorted(Path(sys.argv[1]).iterdir())}
print(json.dumps([found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def read_apart(folder, filling):
    """Read a folder's files in another process whose new memory is filled with a byte; return hashes and peak KiB."""
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


def test_the_same_seed_makes_the_same_files_and_longer_corpora_start_alike(files):
    corpus = files("corpus")
    number = len(files("sound").SOUND) + 3
    first, again, longer = (list(corpus.generated(count, seed=4)) for count in (number, number, number + 2))
    assert [file.data for file in first] == [file.data for file in again] == [file.data for file in longer[:number]]
    assert len({file.name for file in longer}) == number + 2
    other = list(corpus.generated(number, seed=5))
    assert sum(one.data == two.data for one, two in zip(first, other, strict=True)) < 5


def test_unusual_but_sound_files_are_read(files, opened):
    rng = np.random.default_rng(7)
    for name, make in files("sound").SOUND.items():
        found = opened(make(rng))
        if name.startswith("gif"):
            assert "GIF file, which is not supported" in found
        else:
            assert isinstance(found, ImageFile), f"{name}: {found}"


# What each bomb comes to: a part of the refusal, or None where it is an image after all, and a small one.
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
    "webp-one-colour": "more than the 20 allowed",
    "webp-frames": "more than the",
    "webp-exif": None,
    "bmp-gigapixels": "more than the 20 allowed",
    "bmp-announcing": "more than the 20 allowed",
    "bmp-runs": "more than the 20 allowed",
    "bmp-line-ends": None,
    "bmp-colours": "Unsupported BMP Palette size",
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
    "tiff-laughing": None,
    "tiff-big-strips": "far larger than the file",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_or_small(files, opened, name, recwarn):
    found = opened(files("bombs").BOMBS[name]())
    if BOMBS[name] is None:
        assert isinstance(found, ImageFile), found
        assert found.pixels.size <= 4_000_000
    else:
        assert isinstance(found, str) and BOMBS[name] in found
    assert not recwarn, "what a library says of metadata is not the user's to read"


def test_every_bomb_is_listed_here(files):
    assert set(files("bombs").BOMBS) == set(BOMBS)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="filled memory is glibc's")
def test_what_is_read_does_not_depend_on_what_was_in_memory(files, tmp_path):
    for file in files("corpus").generated(900, seed=3):
        (tmp_path / file.name).write_bytes(file.data)
    rounds = [read_apart(tmp_path, filling) for filling in (85, 170)]
    assert rounds[0][0] == rounds[1][0]
    assert max(peak for _, peak in rounds) < 1 << 20, "KiB"
    whole = hashlib.sha256().hexdigest()
    assert sum(len(said) == len(whole) for said in rounds[0][0].values()) > 90


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "webp", "bmp", "pnm", "avif"])
def test_damaged_files_are_read_or_refused(files, opened, kind):
    sound, damage = files("sound").SOUND, files("damage")
    names = [name for name in sound if name.startswith(f"{kind}-")]
    read = 0
    for seed in range(40 if names else 0):
        rng = np.random.default_rng((11, seed))
        name, other = (names[int(rng.integers(len(names)))] for _ in range(2))
        read += isinstance(opened(damage.damaged(sound[name](rng), sound[other](rng), rng)), ImageFile)
    assert threading.active_count() < 20 and read < 40
