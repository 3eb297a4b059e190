"""Losses, one file each: they compare a prediction with the clean images and return one number."""
