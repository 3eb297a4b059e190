"""The parts of photos.py: one module for each kind of measurement, and those that they share."""
