"""`vicinal check` on a folder of 1,000,000 pictures: peak memory and seconds.

Makes the files (tiny PGM pictures, all different; 4 GB of disk blocks) in a temporary
folder, and removes them.

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
from benchmarks.measure import arguments, tell

CLASSES = 20


def make_files(folder: Path, count: int) -> None:
    """Grey pictures of 4 x 4 pixels whose pixels are their number."""
    for k in range(CLASSES):
        (folder / f"class-{k:02}").mkdir()
    for row in range(count):
        pixels = row.to_bytes(8, "big") * 2
        name = f"class-{row % CLASSES:02}/picture-{row:07}.pgm"
        (folder / name).write_bytes(b"P5 4 4 255\n" + pixels)


def main() -> None:
    options = arguments(__doc__ or "", n=1_000_000)
    with tempfile.TemporaryDirectory() as name:
        make_files(Path(name), options.n)
        command = [sys.executable, "-m", "vicinal", "check", name, "--json"]
        start = time.perf_counter()
        out = subprocess.run(command, check=True, capture_output=True).stdout
        seconds = time.perf_counter() - start
    found = json.loads(out)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    row = {
        "pictures": found["usable"],
        "seconds": seconds,
        "per_second": found["usable"] / seconds,
        "peak_gigabytes": peak,
    }
    told = {
        "claim": f"vicinal {vicinal.__version__} check; wanted: below 1 GB",
        "ratio": 1 / peak,
        "rows": [row],
    }
    tell(told, options.json)


if __name__ == "__main__":
    main()
