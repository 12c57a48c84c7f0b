"""`vicinal check` on a directory of 1,000,000 images: peak memory and seconds.

Creates the files (tiny PGM images, all different; 4 GB of disk blocks) in a temporary
directory, and removes them.

    python -m benchmarks.million_files [-n COUNT]
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import vicinal
from benchmarks.measure import make_parser, print_result

CLASSES = 20


def make_files(directory: Path, count: int) -> None:
    """Write grey images of 4 x 4 pixels that encode their number."""
    for k in range(CLASSES):
        (directory / f"class-{k:02}").mkdir()
    for row in range(count):
        pixels = row.to_bytes(8, "big") * 2
        name = f"class-{row % CLASSES:02}/image-{row:07}.pgm"
        (directory / name).write_bytes(b"P5 4 4 255\n" + pixels)


def main() -> None:
    options = make_parser(__doc__, n=1_000_000).parse_args()
    with tempfile.TemporaryDirectory() as name:
        make_files(Path(name), options.n)
        command = [sys.executable, "-m", "vicinal", "check", name, "--json"]
        start = time.perf_counter()
        out = subprocess.run(command, check=True, capture_output=True).stdout
        seconds = time.perf_counter() - start
    found = json.loads(out)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    row = {
        "images": found["usable"],
        "seconds": seconds,
        "per_second": found["usable"] / seconds,
        "peak_gigabytes": peak,
    }
    result = {
        "claim": f"vicinal {vicinal.__version__} check; target: below 1 GB",
        "ratio": 1 / peak,
        "rows": [row],
    }
    print_result(result, options.json)


if __name__ == "__main__":
    main()
