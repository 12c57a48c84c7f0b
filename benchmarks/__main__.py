"""`python -m benchmarks`: run the benchmarks that need no data."""

from benchmarks import input_pipeline, startup, training_step

for benchmark in (startup, input_pipeline, training_step):
    benchmark.main()
