"""Losses, one file each: a prediction and the clean images in, one number out."""
