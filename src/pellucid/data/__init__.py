"""Datasets: frozen options with `load(split)` and `describe(split)`; constructing one reads and downloads nothing."""

from pellucid.data.base import ImageSet

__all__ = ["ImageSet"]
