"""Datasets: frozen options with `load(split) -> Images`; constructing one reads nothing and downloads nothing."""

from pellucid.data.image_set import Images

__all__ = ["Images"]
