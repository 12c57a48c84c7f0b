"""Seconds until `import vicinal` and `vicinal --help` are done, in new processes.

python -m benchmarks.startup
"""

import subprocess
import sys

import vicinal
from benchmarks.measure import arguments, in_turns, tell

COMMANDS = {
    "python, nothing": ["-c", "pass"],
    "import vicinal": ["-c", "import vicinal"],
    "vicinal --help": ["-m", "vicinal", "--help"],
    "import torch": ["-c", "import torch"],
}


def main() -> None:
    options = arguments(__doc__ or "", n=7)
    work = {name: _runner(words) for name, words in COMMANDS.items()}
    times = in_turns(work, options.n)
    added = [
        a - b
        for a, b in zip(
            times["import vicinal"].seconds,
            times["python, nothing"].seconds,
            strict=True,
        )
    ]
    rows = [time.to_dict() for time in times.values()]
    told = {
        "claim": f"seconds to start, vicinal {vicinal.__version__}; "
        "wanted: import adds < 0.2 s, --help < 0.5 s",
        "ratio": 0.5 / times["vicinal --help"].to_dict()["median_seconds"],
        "import_adds": sorted(added)[len(added) // 2],
        "rows": [*rows, {"import vicinal adds": sorted(added)[len(added) // 2]}],
    }
    tell(told, options.json)


def _runner(words: list[str]):
    return lambda: subprocess.run(
        [sys.executable, *words], check=True, capture_output=True
    )


if __name__ == "__main__":
    main()
