"""Makes docs/images/report.png: the report of a run on scikit-learn's digits.

python docs/make_report_picture.py       (needs Chromium)
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from vicinal.cli.app import main

TARGET = Path(__file__).parent / "images" / "report.png"
NAMES = "zero one two three four five six seven eight nine".split()


def write_digits(folder: Path) -> None:
    """The digits as PNG files in a folder per class; two of them damaged on purpose."""
    digits = load_digits()
    for row, (pixels, k) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / NAMES[k] / f"{row:04}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(np.rint(pixels * 255 / 16).astype(np.uint8)).save(path)
    whole = (folder / "one" / "0001.png").read_bytes()
    (folder / "one" / "cut-off.png").write_bytes(whole[: len(whole) // 2])
    (folder / "two" / "empty.png").write_bytes(b"")


def screenshot(page: Path, picture: Path, width: int, height: int) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("Chromium is needed to take the picture.")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-sync"]
    size = f"--window-size={width},{height}"
    shot = [f"--screenshot={picture}", page.as_uri()]
    subprocess.run([browser, *flags, *quiet, size, *shot], check=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        photos, run = Path(name) / "digits", Path(name) / "digits-run"
        write_digits(photos)
        settings = ["--epochs", "10"]  # few, so that there are mistakes to show
        assert main(["train", str(photos), "--out", str(run), *settings]) == 0
        page = run / "report.html"
        page.write_text(page.read_text().replace(f"{name}/", ""))
        screenshot(page, TARGET, 860, 3300)
