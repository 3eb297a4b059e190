"""A child of `whole`: denoise one array and say how long it took, and how long nothing was heard of the progress.

Usage: large_array.py ARRAY.npy TOLD.json MODEL
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

import pellucid


def main() -> None:
    """Denoise, and write what was seen."""
    array, told, model = sys.argv[1:]
    image = np.load(array)
    heard = [time.perf_counter()]

    def listen(done: int, total: int) -> None:
        heard.append(time.perf_counter())

    pellucid.denoise(image, model=model, channel_axis=-1, progress=listen)
    ended = time.perf_counter()
    longest = float(np.diff([*heard, ended]).max())
    seen = {"seconds": ended - heard[0], "tiles": len(heard) - 2, "longest": longest}
    Path(told).write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main()
