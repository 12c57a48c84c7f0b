"""`python -m benchmarks`: the benchmarks that need nothing but the machine."""

from benchmarks import input_pipeline, startup, training_step

for room in (startup, input_pipeline, training_step):
    room.main()
