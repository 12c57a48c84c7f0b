"""Devices, threads, memory, signals, OpenVINO and data parallelism."""
