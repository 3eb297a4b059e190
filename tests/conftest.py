"""Settings that every test shares."""

import os

from hypothesis import settings

# Read by torch, NumPy and OpenCV when they load: the tests run in parallel, one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: how long an example takes depends on what else the machine is doing.
settings.register_profile("pellucid", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("pellucid")
