"""What the tests share: a cache of their own, and small pictures made on the spot."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# one process runs thousands of tests: it is to give memory back
os.environ.setdefault("VICINAL_KEEP_MEMORY", "0")

Draw = Callable[..., np.ndarray]
MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> Path:
    """Let no test read or fill the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("VICINAL_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "hub"))
    return folder


def draw_picture(
    seed: int = 0, height: int = 24, width: int = 32, channels: int = 3
) -> np.ndarray:
    """A smooth picture [H, W, C] of uint8, [H, W] for grey; each seed another."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = rng.uniform(1, 9, (channels, 3))
    planes = [np.sin(a * x + b * y + c) for a, b, c in waves]
    pixels = np.rint(np.stack(planes, axis=-1) * 120 + 128).astype(np.uint8)
    return pixels if channels > 1 else pixels[..., 0]


@pytest.fixture
def draw() -> Draw:
    return draw_picture


@pytest.fixture
def make_folder(tmp_path) -> MakeFolder:
    """Write pictures: make_folder({"train/cat": 3, "train/dog": 2}) gives the root."""
    made = 0

    def make(counts: dict[str, int], name: str = "data", **options) -> Path:
        nonlocal made
        root = tmp_path / name
        for folder, count in counts.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                made += 1
                picture = Image.fromarray(draw_picture(made, **options))
                picture.save(root / folder / f"{number}.png")
        return root

    return make


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 1 MB, where one may be mounted."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk cannot be mounted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)
