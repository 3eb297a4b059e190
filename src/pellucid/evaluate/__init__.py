"""Evaluation on test images: figures, pictures, codes, classical rivals, and studies of one key of a recipe."""
