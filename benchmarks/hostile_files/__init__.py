"""Hostile image files, the same on every run, for the tests, the benchmark of the service and fuzzing."""

from hostile_files.corpus import Hostile, generated

__all__ = ["Hostile", "generated"]
