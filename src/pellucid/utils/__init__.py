"""Helpers that every layer uses: atomic writes, JSON and arrays in files, progress, paths, the machine."""
