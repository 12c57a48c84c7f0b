"""`python -m benchmarks`: the benchmarks that need nothing but the machine."""

from benchmarks import input_pipeline, startup, training_step

for max_bytes in (startup, input_pipeline, training_step):
    max_bytes.main()
