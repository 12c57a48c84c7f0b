"""One script per claim: `python -m benchmarks.NAME [--json]`; peers in the same run."""
