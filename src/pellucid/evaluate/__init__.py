"""Evaluation on test images: figures, pictures, codes, classical rivals, and studies of one key of a recipe."""

from pellucid.evaluate.evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
