"""Evaluation on test images: figures, pictures, codes, classical baselines, and studies of one key of a recipe."""
