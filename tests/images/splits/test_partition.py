"""The split of a run: when it is resumed, it must be the same."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import ResumeError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.splits.partition import (
    Partition,
    check_same_split,
    partition_images,
)


def partition(seed: int) -> Partition:
    """Return the split of forty images of two classes, by a seed."""
    pixels = np.zeros((40, 4, 4), np.uint8)
    pixels[:, 0, 0] = np.arange(40)
    images = load_dataset(read_images(pixels, ["a", "b"] * 20), ImageReader(4))[1]
    return partition_images(images, lambda n: 0.2, 0.2, seed)


def test_another_split_of_the_same_images_is_refused(tmp_path):
    began, other = partition(0), partition(1)
    path = tmp_path / "splits.csv"
    rows = {"path": began.images.table.names, "split": began.split}
    pd.DataFrame(rows).to_csv(path, index=False)
    check_same_split(path, partition(0), Path("run"))
    moved = int((began.split != other.split).sum())
    assert moved and began.images.table.names == other.images.table.names
    message = f"run began with other images or another split: {moved} images differ"
    with pytest.raises(ResumeError, match=message):
        check_same_split(path, other, Path("run"))


@pytest.mark.parametrize("text", ["", "name,split\n", "path,split\na.png\n", "\0"])
def test_a_damaged_list_of_splits_is_one_message(text, tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with pytest.raises(ResumeError):
        check_same_split(path, partition(0), tmp_path)


def test_a_pipe_in_place_of_the_splits_is_refused(tmp_path):
    os.mkfifo(tmp_path / "splits.csv")
    with pytest.raises(ResumeError, match="not a regular file"):
        check_same_split(tmp_path / "splits.csv", partition(0), tmp_path)
