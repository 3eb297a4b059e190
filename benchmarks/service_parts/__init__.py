"""What `benchmarks/service.py` measures, part by part."""
