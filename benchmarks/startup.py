"""Seconds of `import vicinal` and of `vicinal --help` in new processes.

python -m benchmarks.startup
"""

import subprocess
import sys

import vicinal
from benchmarks.measure import make_parser, print_result, time_alternately

COMMANDS = {
    "python, nothing": ["-c", "pass"],
    "import vicinal": ["-c", "import vicinal"],
    "vicinal --help": ["-m", "vicinal", "--help"],
    "import torch": ["-c", "import torch"],
}


def main() -> None:
    options = make_parser(__doc__, n=7).parse_args()
    work = {name: _runner(words) for name, words in COMMANDS.items()}
    times = time_alternately(work, options.n)
    added = [
        a - b
        for a, b in zip(
            times["import vicinal"].seconds,
            times["python, nothing"].seconds,
            strict=True,
        )
    ]
    rows = [time.to_dict() for time in times.values()]
    result = {
        "claim": f"seconds to start, vicinal {vicinal.__version__}; "
        "target: import adds < 0.2 s, --help < 0.5 s",
        "ratio": 0.5 / times["vicinal --help"].to_dict()["median_seconds"],
        "import_adds": sorted(added)[len(added) // 2],
        "rows": [*rows, {"import vicinal adds": sorted(added)[len(added) // 2]}],
    }
    print_result(result, options.json)


def _runner(words: list[str]):
    return lambda: subprocess.run(
        [sys.executable, *words], check=True, capture_output=True
    )


if __name__ == "__main__":
    main()
