"""Benchmarks: `python -m bench` prints one table; every ratio is to a bare baseline measured in the same run."""
