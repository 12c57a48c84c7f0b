"""One script per claim, measured beside peers: `python -m benchmarks.NAME [--json]`."""
