"""Directories of images: classes by name, and a note on everything skipped."""

import os
import unicodedata
from pathlib import Path

import pytest

from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.data.sources.folders import UNSUPPORTED, list_images_below


def has_note(table: ImageTable, *words: str) -> bool:
    """Return whether one note of the table contains all the words."""
    return any(all(word in note for word in words) for note in table.notes)


def test_a_directory_per_class(make_directory):
    root = make_directory({"cat": 3, "dog": 2})
    table = read_images(root)
    assert table.names == [f"cat/{k}.png" for k in range(3)] + [
        "dog/0.png",
        "dog/1.png",
    ]
    assert table.labels.tolist() == ["cat"] * 3 + ["dog"] * 2
    assert (table.classes, table.counts()) == (("cat", "dog"), {"cat": 3, "dog": 2})
    assert (table.kind, table.split, table.quarantined) == ("single_label", None, [])
    assert table.notes == []
    assert all(table.path(row).is_file() for row in range(len(table)))
    assert read_images(str(root)).names == table.names
    assert read_images(table) is table


def test_a_single_class_is_read(make_directory):
    assert read_images(make_directory({"cat": 2})).classes == ("cat",)


def test_subdirectories_belong_to_their_class(make_directory):
    table = read_images(make_directory({"cat/2023/may": 2, "cat": 1, "dog": 1}))
    assert table.counts() == {"cat": 3, "dog": 1}


ANY_SCRIPT = [
    "猫",
    "قطة",
    "🐈 cat",
    "кошка",
    'O\'Brien "the" cat',
    "a, b; c",
    "two\nlines",
]


def test_class_names_in_any_script(make_directory):
    table = read_images(make_directory(dict.fromkeys(ANY_SCRIPT, 1)))
    assert table.classes == tuple(sorted(ANY_SCRIPT))
    assert all(table.path(row).is_file() for row in range(len(table)))


@pytest.mark.parametrize("name", ["None", "NA", "nan", "null", "01"])
def test_class_names_that_look_like_missing_values(make_directory, name):
    assert set(read_images(make_directory({name: 1, "dog": 1})).classes) == {
        name,
        "dog",
    }


def test_composed_and_decomposed_names_are_one_class(make_directory):
    composed = unicodedata.normalize("NFC", "café")
    decomposed = unicodedata.normalize("NFD", "café")
    assert composed != decomposed
    counts = {f"train/{composed}": 2, f"val/{decomposed}": 1, "train/x": 1, "val/x": 1}
    table = read_images(make_directory(counts))
    assert table.classes == (composed, "x")
    assert table.counts() == {composed: 3, "x": 2}
    assert table.notes == []
    assert all(table.path(row).is_file() for row in range(len(table)))


def test_similar_class_names_are_noted_and_kept_apart(make_directory):
    table = read_images(make_directory({"Cat": 1, "cat": 1, "dog": 1}))
    assert table.classes == ("Cat", "cat", "dog")
    assert has_note(table, "'Cat'", "'cat'", "rename")
    assert not has_note(table, "'dog'")


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Training", "valid", "TESTING"),
        ("TRAIN", "Validation", "test"),
        ("train", "dev", "test"),
    ],
)
def test_splits_by_any_usual_name(make_directory, names):
    counts = {f"{name}/{k}": 1 for name in names for k in ("cat", "dog")}
    table = read_images(make_directory(counts))
    assert table.classes == ("cat", "dog")
    assert table.split is not None
    split_of = dict(zip(table.names, table.split.tolist(), strict=True))
    for split, name in zip(("train", "val", "test"), names, strict=True):
        assert split_of[f"{name}/cat/0.png"] == split_of[f"{name}/dog/0.png"] == split


def test_classes_missing_from_a_split_are_noted(make_directory):
    counts = {"train/cat": 1, "train/dog": 1, "val/cat": 1, "val/emu": 1, "test/dog": 1}
    table = read_images(make_directory(counts))
    assert has_note(table, "'emu'", "val that are missing in train")
    assert has_note(table, "'dog'", "train that are missing in val")
    assert has_note(table, "'cat'", "train that are missing in test")
    assert len(table.notes) == 3


def test_splits_beside_other_directories_raise(make_directory):
    root = make_directory({"train/cat": 1, "test/cat": 1, "drafts/cat": 1})
    with pytest.raises(DataError, match=r"'test', 'train'.*'drafts'"):
        read_images(root)


def test_a_class_may_be_called_train(make_directory):
    assert read_images(make_directory({"bus": 1, "train": 1})).classes == (
        "bus",
        "train",
    )


def test_hidden_directories_are_skipped_and_noted(make_directory):
    hidden = {"cat/.ipynb_checkpoints": 1, "__MACOSX/cat": 1, ".git": 1}
    root = make_directory({"cat": 1, "dog": 1, **hidden})
    (root / "cat" / "._0.png").write_bytes(b"resource fork")
    (root / "cat" / ".DS_Store").write_bytes(b"")
    table = read_images(root)
    assert table.names == ["cat/0.png", "dog/0.png"]
    assert has_note(table, "hidden", ".ipynb_checkpoints", "__MACOSX", ".git")
    assert len(table.notes) == 1


def test_hidden_directories_and_loose_images_beside_splits_are_noted(make_directory):
    counts = {"train/cat": 1, "test/cat": 1, ".ipynb_checkpoints": 1, "": 2, "test": 3}
    table = read_images(make_directory(counts))
    assert len(table) == 2
    assert has_note(table, ".ipynb_checkpoints")
    names = [q.name for q in table.quarantined]
    assert names == ["0.png", "1.png", "test/0.png", "test/1.png", "test/2.png"]
    assert all("not inside a class directory" in q.reason for q in table.quarantined)


def test_unsupported_formats_are_quarantined(make_directory):
    root = make_directory({"cat": 1, "dog": 1})
    for name in ("a.HEIC", "b.heic", "notes.txt"):
        (root / "cat" / name).write_bytes(b"?")
    table = read_images(root)
    assert has_note(table, "without an image suffix skipped: 1 .txt")
    assert [q.name for q in table.quarantined] == ["cat/a.HEIC", "cat/b.heic"]
    assert {q.label for q in table.quarantined} == {"cat"}
    assert all("export it as JPEG" in q.reason for q in table.quarantined)


def test_unsupported_formats_are_quarantined_without_labels_too(make_directory):
    root = make_directory({"": 1, "deep": 1})
    for name in ("a.HEIC", "deep/b.dng", "notes.txt"):
        (root / name).write_bytes(b"?")
    table = list_images_below(root)
    assert table.names == ["0.png", "deep/0.png"]
    assert table.quarantined == [
        ("a.HEIC", "", UNSUPPORTED),
        ("deep/b.dng", "", UNSUPPORTED),
    ]


def test_same_subdirectories_in_every_class_are_noted(make_directory):
    table = read_images(make_directory({f"{y}/{k}": 2 for y in (1, 2) for k in "ab"}))
    assert has_note(
        table, "every class directory has the same subdirectories ('a', 'b')"
    )
    table = read_images(
        make_directory({"cat/a": 1, "cat/b": 1, "dog/a": 1}, name="uneven")
    )
    assert not has_note(table, "every class directory")


def test_one_directory_named_like_a_split_is_a_class(make_directory):
    table = read_images(make_directory({"train": 2, "extra": 2}))
    assert has_note(table, "'train' lies beside 'extra' and is read as a class")


def test_empty_directories_and_other_files_are_noted(make_directory):
    root = make_directory({"cat": 1, "dog": 0})
    for name in ("a.txt", "b.txt", "c.PDF", "README"):
        (root / "cat" / name).write_text("no image")
    (root / "cat" / "UPPER.PNG").write_bytes((root / "cat" / "0.png").read_bytes())
    table = read_images(root)
    assert table.names == ["cat/0.png", "cat/UPPER.PNG"]
    assert has_note(table, "without images", "'dog'")
    assert has_note(table, "2 .txt", "1 .pdf", "1 without a suffix")


def test_links_to_a_parent_are_noted_and_not_followed(make_directory):
    root = make_directory({"cat": 1, "dog": 1})
    (root / "cat" / "up").symlink_to(root, target_is_directory=True)
    (root / "cat" / "higher").symlink_to(root.parent.parent, target_is_directory=True)
    (root / "dog" / "here").symlink_to(".", target_is_directory=True)
    table = read_images(root)
    assert table.names == ["cat/0.png", "dog/0.png"]
    assert has_note(table, "links", "cat/up", "cat/higher", "dog/here")


def test_links_to_the_parent_split_are_noted(make_directory):
    root = make_directory({"train/cat": 1, "val/cat": 1})
    (root / "train" / "cat" / "all").symlink_to(root / "train")
    (root / "val" / "self").symlink_to("self")
    table = read_images(root)
    assert table.names == ["train/cat/0.png", "val/cat/0.png"]
    assert has_note(table, "links", "train/cat/all")


def test_links_to_other_files_and_directories_are_followed(make_directory):
    root, other = make_directory({"cat": 1}), make_directory({"many": 2}, name="other")
    (root / "cat" / "link.png").symlink_to(other / "many" / "0.png")
    (root / "cat" / "broken.png").symlink_to("nowhere.png")
    (root / "dog").symlink_to(other / "many", target_is_directory=True)
    table = read_images(root)
    names = ["cat/0.png", "cat/broken.png", "cat/link.png", "dog/0.png", "dog/1.png"]
    assert table.names == names


def test_unreadable_directories_are_noted(make_directory, monkeypatch):
    root = make_directory({"cat": 1, "dog": 1})
    scandir = os.scandir

    def denied(path):
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    table = read_images(root)
    assert table.names == ["cat/0.png"]
    assert has_note(table, "cannot be read", "'dog'")


def test_file_names_that_are_not_utf8_are_quarantined(make_directory):
    root = make_directory({"cat": 1})
    strange = os.fsencode(root / "cat") + b"/caf\xe9.png"
    Path(os.fsdecode(strange)).write_bytes((root / "cat" / "0.png").read_bytes())
    table = read_images(root)
    assert table.names == ["cat/0.png"]
    assert [q.name for q in table.quarantined] == ["cat/caf\\udce9.png"]
    assert "UTF-8" in table.quarantined[0].reason


def test_no_images_raises_with_the_reason(make_directory, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.md").write_text("hello")
    loose = make_directory({"": 3}, name="loose")
    hidden = make_directory({".cat": 2}, name="hidden")
    no_classes = make_directory({"train": 2, "test": 1}, name="no_classes")
    texts = make_directory({"cat": 0}, name="texts")
    (texts / "cat" / "a.txt").write_text("no image")
    tables = make_directory({"": 0}, name="tables")
    for name in ("labels.csv", "more.csv", "read.me", ".hidden.csv"):
        (tables / name).write_text("path,label\n")
    cases = [
        (tmp_path / "nowhere", NoDataError, "nothing at .*nowhere"),
        (tmp_path / "empty", NoDataError, r"no images \(it is empty\).*DATA/cat"),
        (tmp_path / "note.md", DataError, "is a file; expected a directory"),
        (tmp_path / ("long" * 100), DataError, "name too long"),
        (loose, NoDataError, "3 images but no class directories.*path,label"),
        (no_classes, NoDataError, "3 images but no class directories"),
        (hidden, NoDataError, "hidden directories skipped: '.cat'"),
        (texts, NoDataError, "1 .txt"),
        (tables, NoDataError, r"no images \(files without .*: 2 \.csv, 1 \.me\)"),
        (tables, NoDataError, r"DATA/cat.*name its file, such as .*tables/labels\.csv"),
    ]
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            read_images(path)


def test_options_that_do_not_apply_to_a_directory(make_directory):
    root = make_directory({"1": 1, "2": 1})
    with pytest.raises(SettingError, match="--target"):
        read_images(root, target="age")
    for task in ("regression", "multilabel"):
        with pytest.raises(SettingError, match=f"--task {task}"):
            read_images(root, task=task)
    with pytest.raises(SettingError, match="'guess'"):
        read_images(root, task="guess")  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match="Leave y out"):
        read_images(root, [1, 2])
