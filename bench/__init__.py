"""Benchmarks: `python -m bench` prints tables and writes `build/bench.json`."""
