"""Files that a table names otherwise than they are, and those that are not meant."""

from pathlib import Path

import pytest

from vicinal.domains import domain_of_data
from vicinal.images.data.inputs import list_images
from vicinal.images.data.read import read_images
from vicinal.images.data.sources.file_search import match_names


@pytest.fixture
def files(tmp_path):
    """Return a function that makes empty files below a directory, and returns it."""

    def make(*names: str) -> Path:
        root = tmp_path / "set"
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        return root

    return make


def read_names(root: Path, paths: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Return names, notes and reasons of a table of paths, all of one class."""
    table = "path,label\n" + "".join(f"{path},a\n" for path in paths)
    (root / "list.csv").write_text(table)
    found = read_images(root / "list.csv")
    return found.names, found.notes, [q.reason for q in found.quarantined]


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("disc\\1.png", "disc/1.png"),
        (".\\disc\\1.png", "disc/1.png"),
        ("C:\\Users\\Ann\\set\\disc\\1.png", "disc/1.png"),
        ("/home/ann/set/disc/1.png", "disc/1.png"),
        ("set/disc/1.png", "disc/1.png"),
        ("disc/1.png", "images/disc/1.png"),
        ("1.png", "train/1.png"),
        ("1", "train/1.jpeg"),
        ("a.b", "train/a.b.jpg"),
        ("IMG_1.JPG", "train/img_1.jpg"),
    ],
)
def test_the_file_that_is_meant(files, path, file):
    names, notes, _ = read_names(files(file, "other/9.png"), [path])
    assert names == [file]
    assert len(notes) == 1 and repr(path) in notes[0] and repr(file) in notes[0]


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("train/1.png", "test/1.png"),  # another directory
        ("1.png", "1.jpg"),  # another format
        ("1", "11.png"),
        ("data/train/1.png", "1.png"),
    ],
)
def test_other_files_are_not_taken(files, path, file):
    names, notes, _ = read_names(files(file), [path])
    assert (names, notes) == ([path], [])


def test_paths_that_are_files_are_read_as_written(files):
    root = files("1.png", "train/1.png", "odd\\name.png")
    assert read_names(root, ["1.png", "odd\\name.png"])[:2] == (
        ["1.png", "odd\\name.png"],
        [],
    )


def test_absolute_paths_lose_the_same_directories(files):
    root = files("train/1.png", "2.png")
    names, _, _ = read_names(root, ["/x/set/train/1.png", "/x/set/train/2.png"])
    assert names == ["train/1.png", "/x/set/train/2.png"]


def test_names_in_several_directories():
    train, test = [f"train/{k}.png" for k in range(4)], ["test/0.png", "test/1.png"]
    ids = ["0", "1", "2", "3"]
    assert match_names(ids, train + test, "a.csv")[0] == dict(
        zip(ids, train, strict=True)
    )
    # 3 is missing in train, so no directory has them all: the table's name decides
    few = [*train[:3], *test, "test/3.png"]
    assert match_names(ids, few, "train_labels.csv")[0] == dict(
        zip(ids[:3], train, strict=False)
    )
    found, reasons = match_names(ids, few, "a.csv")
    assert not found and set(reasons) == set(ids)
    assert "train/0.png, test/0.png" in reasons["0"]
    parts = ["part1/a.png", "part2/b.png"]
    assert match_names(["a", "b"], parts, "a.csv")[0] == dict(
        zip("ab", parts, strict=True)
    )


def test_unclear_paths_are_quarantined(files):
    root = files("x/1.png", "y/1.png", "x/2.png", "y/2.png")
    (root / "list.csv").write_text("path,label\n1,a\n2,a\nx/2.png,b\n")
    table = read_images(root / "list.csv")
    assert table.names == ["x/2.png"]
    assert [q.name for q in table.quarantined] == ["1", "2"]
    assert "row 2: 2 files match: x/1.png, y/1.png" in table.quarantined[0].reason


def test_paths_to_predict_and_of_corrections_are_searched(files):
    root = files("train/1.jpg", "train/2.jpg")
    (root / "list.csv").write_text("id,label\n1,a\n2,b\n")
    (root / "fix.csv").write_text("path,label\ntrain\\1.jpg,b\n2,a\n")
    inputs = list_images([str(root / "list.csv")])
    assert inputs.names == [str(root / f"train/{k}.jpg") for k in (1, 2)]
    assert len(inputs.notes) == 1
    table = read_images(root / "list.csv", label_corrections=root / "fix.csv")
    assert table.labels.tolist() == ["b", "a"]


def test_a_table_of_ids_is_one_of_images_where_files_have_those_names(files):
    root = files("train/0a.jpg")
    for name, row in (("labels.csv", "0a,cat"), ("nodes.csv", "7,cat")):
        (root / name).write_text(f"id,breed\n{row}\n")
    assert domain_of_data(str(root / "labels.csv"), frozenset())[0].name == "images"
    assert domain_of_data(str(root / "nodes.csv"), frozenset())[0].name == "nodes"
