"""Benchmarks: each prints a ratio against the raw substrate in the same run. `./dev bench NAME [--json]`."""
