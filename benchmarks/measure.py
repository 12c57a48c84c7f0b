"""What the benchmarks share: repeated timing of rivals in turns, and one way to tell.

Rivals are timed in turns (a, b, a, b ...), so that whatever else the machine does hits
all of them alike. A ratio is theirs over ours in seconds: above 1, we win.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Work = Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """Seconds of one rival, n times."""

    name: str
    seconds: list[float]
    amount: float = 1.0
    """pictures, edges ... that one repetition works through"""

    @property
    def rate(self) -> float:
        """Amount per second, at the median."""
        return self.amount / statistics.median(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "n": len(self.seconds),
            "median_seconds": statistics.median(self.seconds),
            "least_seconds": min(self.seconds),
            "most_seconds": max(self.seconds),
            "per_second": self.rate,
        }


def in_turns(
    rivals: dict[str, Work], n: int = 5, amount: float = 1.0, warm: int = 1
) -> dict[str, Timing]:
    """Time each rival n times, in turns, after `warm` untimed turns."""
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(n + warm):
        for name, work in rivals.items():
            start = time.perf_counter()
            work()
            if turn >= warm:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(name, values, amount) for name, values in seconds.items()}


def ratios(ours: Timing, theirs: Timing) -> dict[str, float]:
    """How many times faster ours is: at the medians, and over the paired turns."""
    paired = [t / o for o, t in zip(ours.seconds, theirs.seconds, strict=True)]
    middle = statistics.median(theirs.seconds) / statistics.median(ours.seconds)
    return {"ratio": middle, "least": min(paired), "most": max(paired)}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
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


def arguments(description: str, n: int = 5) -> argparse.Namespace:
    """The flags of every benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-n", type=int, default=n, help="repetitions")
    return parser.parse_args()


def tell(told: dict[str, Any], as_json: bool) -> None:
    """Print a result: as JSON, or as a table of its rows."""
    told = {**told, "machine": machine()}
    if as_json:
        print(json.dumps(told))
        return
    print(told["claim"])
    for row in told["rows"]:
        print("  " + "   ".join(f"{k} {_short(v)}" for k, v in row.items()))
    print("  " + ", ".join(f"{k} {v}" for k, v in told["machine"].items()))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
