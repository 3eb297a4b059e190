"""A child process of `whole`: denoise one array; write the time, and the longest time between two progress reports.

Usage: large_array.py ARRAY.npy RESULT.json MODEL
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

import pellucid


def main() -> None:
    """Denoise, and write the measurements."""
    array, result, model = sys.argv[1:]
    image = np.load(array)
    times = [time.perf_counter()]

    def progress(done: int, total: int) -> None:
        times.append(time.perf_counter())

    pellucid.denoise(image, model=model, channel_axis=-1, progress=progress)
    ended = time.perf_counter()
    wait = float(np.diff([*times, ended]).max())
    measured = {"seconds": ended - times[0], "tiles": len(times) - 2, "longest_wait": wait}
    Path(result).write_text(json.dumps(measured), encoding="utf-8")


if __name__ == "__main__":
    main()
