"""Which directories are splits, which are classes, and which are refused."""

import pytest

from vicinal.errors import DataError, NoDataError
from vicinal.images.data.read import read_images
from vicinal.images.data.sources.folder_layout import (
    ClassAndSplit,
    DirectoryTree,
    Layout,
    find_layout,
)

CAT, DOG = ClassAndSplit("cat", ""), ClassAndSplit("dog", "")


def layout_of(
    directories: dict[str, int],
) -> tuple[Layout, dict[str, ClassAndSplit | None]]:
    """Return the layout of directories with so many images, and the place of each."""
    root = DirectoryTree()
    for path, count in directories.items():
        node = root
        for name in path.split("/"):
            node = node.children.setdefault(name, DirectoryTree())
        node.num_images = count
    layout = find_layout(root, "DATA")
    return layout, {
        path: layout.class_and_split(tuple(path.split("/"))) for path in directories
    }


def splits(*names: str) -> dict[str, ClassAndSplit | None]:
    """Return the places of cats and dogs below directories for train and test."""
    return {
        f"{name}/{label}": ClassAndSplit(label, split)
        for name, split in zip(names, ("train", "test"), strict=True)
        for label in ("cat", "dog")
    }


@pytest.mark.parametrize(
    ("places", "note"),
    [
        # wrapper directories and the names of splits as Kaggle's archives have them
        (splits("seg_train/seg_train", "seg_test/seg_test"), "is train"),
        (splits("training_set/training_set", "test_set/test_set"), "is test"),
        (splits("data/images/trainSet", "data/images/testdata"), "is test"),
        (splits("fruits_train", "fruits-test-v2"), "'fruits-test-v2' is test"),
        (splits("train/images", "test"), "train/images' is train"),
        ({"a/b/cat": CAT, "a/b/dog": DOG}, "directories are in 'a/b'"),
        # splits below the classes
        (
            {
                f"{label}/{split}": ClassAndSplit(label, split)
                for label in ("cat", "dog")
                for split in ("train", "test")
            },
            "splits are below the class directories",
        ),
        # splits in the names of the classes
        (
            {
                "trainA": ClassAndSplit("A", "train"),
                "testA": ClassAndSplit("A", "test"),
                "train_Big cat": ClassAndSplit("Big_cat", "train"),
                "test_Big cat": ClassAndSplit("Big_cat", "test"),
            },
            "splits are in the names",
        ),
        # letters above the classes, at several depths
        (
            {
                "train/a/airfield": ClassAndSplit("airfield", "train"),
                "train/b/bakery/indoor": ClassAndSplit("bakery/indoor", "train"),
                "train/b/bar": ClassAndSplit("bar", "train"),
                "val/a/airfield": ClassAndSplit("airfield", "val"),
            },
            "below their first letters",
        ),
        # numbers in names of classes are kept
        (
            {
                f"{label}_{split}": ClassAndSplit(label, split)
                for label in ("grade1", "grade2", "covid19")
                for split in ("train", "test")
            },
            "splits are in the names",
        ),
        # names that only look like splits
        ({"train_engine": ClassAndSplit("train_engine", ""), "test_tube/a": None}, ""),
        ({"A/A1": ClassAndSplit("A", ""), "B/B1": ClassAndSplit("B", "")}, ""),
        ({"cat/2023/may": CAT, "dog": DOG}, ""),
        ({"cat/p1": CAT, "cat/p2": CAT, "dog/p3": DOG}, "'p1', 'p2' to 'cat'"),
    ],
)
def test_the_place_of_each_directory(places, note):
    layout, found = layout_of(dict.fromkeys(places, 5))
    expected = {path: place for path, place in places.items() if place is not None}
    assert {path: found[path] for path in expected} == expected
    assert note in " ".join(layout.notes) and bool(note) == bool(layout.notes)


@pytest.mark.parametrize(
    ("train", "flat"),
    [
        ("train", "test"),
        ("train", "test1"),
        ("seg_train/seg_train", "seg_pred/seg_pred"),
    ],
)
def test_images_without_class_directories_have_no_label(train, flat):
    counts = {f"{train}/cat": 3, f"{train}/dog": 3, flat: 7}
    if "seg" in train:
        counts |= {"seg_test/cat": 1, "seg_test/dog": 1}
    layout, places = layout_of(counts)
    assert (
        places[f"{train}/cat"] == ClassAndSplit("cat", "train") and places[flat] is None
    )
    assert layout.is_unlabelled(tuple(flat.split("/")))
    assert any(
        "7 images in" in n and f"predict RUN DATA/{flat}" in n for n in layout.notes
    )


def test_a_training_split_alone_beside_unlabelled_images():
    layout, found = layout_of({"train/cat": 3, "train/dog": 3, "unlabeled": 7})
    assert found["train/cat"] == ClassAndSplit("cat", "train")
    assert found["unlabeled"] is None and layout.is_unlabelled(("unlabeled",))
    layout, found = layout_of({"train/cat": 3, "train/dog": 3, "eval/cat": 1})
    assert found["eval/cat"] == ClassAndSplit("cat", "val")
    assert layout.notes == [
        "directories read as splits: 'train' is train, 'eval' is val"
    ]


def test_a_test_split_of_one_class_is_no_wrapper():
    _, places = layout_of({"train/cat": 3, "train/dog": 3, "test/cat": 3})
    assert places["test/cat"] == ClassAndSplit("cat", "test")
    sessions = {"test/cat/b": 3, "test/cat/c": 3}
    _, places = layout_of({"train/cat/a": 3, "train/dog/a": 3, **sessions})
    assert {places[name] for name in sessions} == {ClassAndSplit("cat", "test")}


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"train_images": 3, "test_images": 3}, "would tell train from test"),
        ({"images": 3, "masks": 3}, "'images', 'masks'.*Segmentation"),
        ({"train/images": 3, "train/labels": 3, "val/images": 1}, "DATA/train holds"),
        (
            {"x_train/cat": 3, "x_test/cat": 3, "drafts/cat": 3},
            "'x_train', 'x_test'.*beside 'drafts'",
        ),
        (
            {f"{fold}/{split}/cat": 3 for fold in "AB" for split in ("train", "test")},
            "Each of 'A', 'B' holds splits",
        ),
        (
            {f"{name}/{label}": 3 for name in ("train", "new") for label in "xy"},
            "'train', which is the name of a split, beside 'new' with the same",
        ),
    ],
)
def test_undecided_layouts_are_refused(counts, message):
    with pytest.raises(DataError, match=message):
        layout_of(counts)


def test_an_empty_class_directory_is_no_reason_to_read_sessions_as_classes(
    make_directory,
):
    table = read_images(make_directory({"cat/a": 1, "cat/b": 1, "dog": 0}))
    assert table.classes == ("cat",)
    assert any("without images: 'dog'" in note for note in table.notes)


def test_the_splits_spell_a_class_differently(make_directory):
    counts = {"train/Big cat": 2, "train/dog": 1, "test/big_Cat": 1, "test/dog": 1}
    table = read_images(make_directory(counts))
    assert table.counts() == {"Big cat": 3, "dog": 2}
    assert any("'Big cat', 'big_Cat' are read as 'Big cat'" in n for n in table.notes)
    counts |= {"train/big_Cat": 1}  # train has both: they differ
    both = read_images(make_directory(counts, name="both"))
    assert both.classes == ("Big cat", "big_Cat", "dog")


def test_a_directory_of_images_beside_a_table_is_no_class(make_directory):
    root = make_directory({"images": 2})
    (root / "labels.csv").write_text("id,label\n")
    with pytest.raises(NoDataError, match=r"2 images but no class.*/labels\.csv"):
        read_images(root)


def test_thumbnails_and_system_directories_are_skipped(make_directory):
    counts = {"cat": 2, "cat/thumbs": 2, "dog": 1, "dog/@eaDir/x": 1, "thumbs": 1}
    table = read_images(make_directory(counts))
    assert table.counts() == {"cat": 2, "dog": 1, "thumbs": 1}
    assert any("'cat/thumbs', 'dog/@eaDir'" in note for note in table.notes)
