"""The parts of the benchmark on one's own images."""
