"""The parts of the benchmark own_data.py."""
