"""Shared by the benchmarks: alternating timing of peers, and one output format.

Peers are timed alternately (a, b, a, b ...), so that other load on the machine affects
all of them alike. A ratio is the peer's seconds over ours: above 1, vicinal is faster.
"""

import argparse
import ctypes
import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Work = Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """Seconds of the repetitions of one peer."""

    name: str
    seconds: list[float]
    amount: float = 1.0
    """images, edges ... processed by one repetition"""

    @property
    def rate(self) -> float:
        """Return the amount per second, at the median."""
        return self.amount / statistics.median(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "n": len(self.seconds),
            "median_seconds": statistics.median(self.seconds),
            "min_seconds": min(self.seconds),
            "max_seconds": max(self.seconds),
            "per_second": self.rate,
        }


def time_alternately(
    peers: dict[str, Work], n: int = 5, amount: float = 1.0, warmup: int = 1
) -> dict[str, Timing]:
    """Time each peer n times, alternately, after `warmup` untimed rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for repetition in range(n + warmup):
        for name, work in peers.items():
            start = time.perf_counter()
            work()
            if repetition >= warmup:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(name, values, amount) for name, values in seconds.items()}


def ratios(ours: Timing, theirs: Timing) -> dict[str, float]:
    """Return how many times faster ours is: of the medians, and over paired rounds."""
    paired = [t / o for o, t in zip(ours.seconds, theirs.seconds, strict=True)]
    of_medians = statistics.median(theirs.seconds) / statistics.median(ours.seconds)
    return {"ratio": of_medians, "min": min(paired), "max": max(paired)}


def peak_memory_of(work: Work) -> float:
    """Return by how many megabytes the process grows while it does some work (Linux).

    The highest resident memory of the work, over that before it.
    """
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed before is not counted
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _memory("VmRSS")
    work()
    return (_memory("VmHWM") - before) / 1024


def _memory(name: str) -> int:
    """Return an entry of the memory of the process, in kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def describe_machine() -> dict[str, Any]:
    """Return the processor and the versions that were measured."""
    from importlib.metadata import version

    names = ("torch", "numpy", "pillow")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def _processor() -> str:
    try:
        lines = open("/proc/cpuinfo").read().splitlines()  # noqa: PTH123
    except OSError:
        return platform.processor()
    flags = next((line for line in lines if line.startswith("flags")), "")
    name = next((line for line in lines if line.startswith("model name")), ": ?")
    bf16 = ", AVX-512 bf16" if "avx512_bf16" in flags else ""
    return name.split(":", 1)[1].strip() + bf16


def make_parser(
    description: str | None, n: int | None = None, n_help: str = "repetitions"
) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    if n is not None:
        parser.add_argument("-n", type=int, default=n, help=n_help)
    return parser


def print_result(result: dict[str, Any], as_json: bool) -> None:
    """Print a result as JSON, or as its rows."""
    result = {**result, "machine": describe_machine()}
    if as_json:
        print(json.dumps(result))
        return
    print(result["claim"])
    for row in result["rows"]:
        print("  " + "   ".join(f"{key} {_short(value)}" for key, value in row.items()))
    print("  " + ", ".join(f"{k} {v}" for k, v in result["machine"].items()))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
