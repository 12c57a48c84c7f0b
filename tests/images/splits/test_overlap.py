"""The split report counts classes by split and finds duplicates across splits."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.splits.overlap import DuplicateGroup, report_splits


def load(root: Path, size: int = 96) -> ImageDataset:
    return load_dataset(read_images(root), ImageReader(size))[1]


@pytest.fixture
def root(tmp_path) -> Path:
    """Write two classes in three splits; cat has duplicates across splits.

    train/cat/0.png is also in test, saved again as a smaller JPEG; train/cat/1.png is
    copied byte for byte to val; train/dog/0.png is copied within train.
    """
    rng, root = np.random.default_rng(0), tmp_path / "data"
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        for name in ("cat", "dog"):
            directory = root / split / name
            directory.mkdir(parents=True)
            for k in range(count):
                detail = rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)
                image = Image.fromarray(detail)
                image = image.resize((120, 120), Image.Resampling.BICUBIC)
                image.save(directory / f"{k}.png")
    with Image.open(root / "train/cat/0.png") as image:
        image.resize((100, 100)).save(root / "test/cat/again.jpg", quality=85)
    copy(root / "train/cat/1.png", root / "val/cat/copy.png")
    copy(root / "train/dog/0.png", root / "train/dog/copy.png")
    return root


def copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


ACROSS_EXACT = DuplicateGroup(("train/cat/1.png", "val/cat/copy.png"), ("train", "val"))
ACROSS_NEAR = DuplicateGroup(
    ("test/cat/again.jpg", "train/cat/0.png"), ("test", "train")
)
WITHIN = DuplicateGroup(("train/dog/0.png", "train/dog/copy.png"), ("train", "train"))


def test_test_images_with_a_copy_in_another_split_are_counted(root):
    lines = list(report_splits(load(root)).duplicate_lines())
    assert any("4 images in 2 groups, 1 image in test" in line for line in lines)


def test_classes_are_counted_by_split(root):
    report = report_splits(load(root))
    assert report.split_counts == {"train": 7, "val": 3, "test": 5}
    assert report.class_counts == {
        "cat": {"train": 3, "val": 2, "test": 3},
        "dog": {"train": 4, "val": 1, "test": 2},
    }


def test_exact_and_near_duplicates_are_found_within_and_across_splits(root):
    report = report_splits(load(root))
    assert sorted(report.exact_duplicates) == [ACROSS_EXACT, WITHIN]
    assert report.near_duplicates == [ACROSS_NEAR]
    assert sorted(report.across_splits()) == [ACROSS_NEAR, ACROSS_EXACT]
    assert ACROSS_NEAR.crosses_splits and not WITHIN.crosses_splits


def test_an_exact_duplicate_of_a_near_duplicate_is_reported_in_one_group(root):
    copy(root / "train/cat/0.png", root / "val/cat/third.png")
    report = report_splits(load(root))
    across = {group.names for group in report.across_splits()}
    third = ("test/cat/again.jpg", "train/cat/0.png", "val/cat/third.png")
    assert across == {third, ACROSS_EXACT.names}
    assert len(report.exact_duplicates) == 3


def test_report_without_given_splits(root):
    report = report_splits(load(root / "train"))
    assert report.split_counts == {"all": 7}
    assert report.class_counts == {"cat": {"all": 3}, "dog": {"all": 4}}
    assert len(report.exact_duplicates) == 1 and report.across_splits() == []


def test_each_of_several_labels_is_counted():
    x = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
    table = read_images(x, [["a"], ["a", "b"], ["b"], []])
    report = report_splits(load_dataset(table, ImageReader(8))[1])
    assert report.class_counts == {"a": {"all": 2}, "b": {"all": 2}}


def test_numeric_labels_have_no_class_counts():
    x = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
    table = read_images(x, [0.5, 1.5, 2.5, 3.5])
    report = report_splits(load_dataset(table, ImageReader(8))[1])
    assert (report.split_counts, report.class_counts) == ({"all": 4}, {})


def test_near_duplicates_are_none_when_not_searched(root):
    small = report_splits(load(root, size=32))
    off = report_splits(load(root), near_duplicates=False)
    for report in (small, off):
        assert report.near_duplicates is None
        assert report.to_dict()["near_duplicates"] is None
        assert report.across_splits() == [ACROSS_EXACT]


def test_report_is_json(root):
    report = report_splits(load(root))
    values = json.loads(json.dumps(report.to_dict()))
    assert values["splits"] == report.split_counts
    assert values["classes"][0] == {"class": "cat", "train": 3, "val": 2, "test": 3}
    assert values["near_duplicates"] == [
        [
            {"path": "test/cat/again.jpg", "split": "test"},
            {"path": "train/cat/0.png", "split": "train"},
        ]
    ]
    assert len(values["exact_duplicates"]) == len(values["across_splits"]) == 2
