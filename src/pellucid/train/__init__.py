"""Training: one loop for denoisers and classifiers, its step, what it probes first, and what it keeps to resume."""

from pellucid.train.loop import Progress, Result, train

__all__ = ["Progress", "Result", "train"]
