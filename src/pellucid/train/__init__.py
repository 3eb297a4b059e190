"""Training: one loop for denoisers and classifiers, its step, what it probes first, and what it keeps to resume."""
