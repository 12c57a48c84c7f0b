"""Make docs/images/report.png: the report of a run on scikit-learn's digits.

    python docs/make_report_picture.py

Needs Chromium.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from vicinal.cli.app import main

TARGET = Path(__file__).parent / "images" / "report.png"
NAMES = "zero one two three four five six seven eight nine".split()
WIDTH, HEIGHT = 860, 2000


def write_digits(directory: Path) -> None:
    """Write the digits as PNG files, a directory per class; two of them damaged."""
    digits: Any = load_digits()
    for row, (pixels, k) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = directory / NAMES[k] / f"{row:04}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(np.rint(pixels * 255 / 16).astype(np.uint8)).save(path)
    whole = (directory / "one" / "0001.png").read_bytes()
    (directory / "one" / "cut-off.png").write_bytes(whole[: len(whole) // 2])
    (directory / "two" / "empty.png").write_bytes(b"")


def take_screenshot(page: Path, target: Path) -> None:
    """Write the upper part of a page as an image."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("Chromium is needed to take the screenshot.")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-sync"]
    size = f"--window-size={WIDTH},{HEIGHT}"
    screenshot = [f"--screenshot={target}", page.as_uri()]
    subprocess.run([browser, *flags, *quiet, size, *screenshot], check=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        images, run = Path(name) / "digits", Path(name) / "digits-run"
        write_digits(images)
        settings = ["--epochs", "10"]  # few, so that there are mistakes to show
        assert main(["train", str(images), "--out", str(run), *settings]) == 0
        page = run / "report.html"
        page.write_text(page.read_text().replace(f"{name}/", ""))
        take_screenshot(page, TARGET)
