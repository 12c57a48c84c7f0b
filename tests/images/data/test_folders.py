"""Folders of pictures: classes by name, and a note on everything passed over."""

import os
import unicodedata
from pathlib import Path

import pytest

from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.images.data.read import ImageTable, read_images


def told(table: ImageTable, *words: str) -> bool:
    """Whether one note of the table holds all the words."""
    return any(all(word in note for word in words) for note in table.notes)


def test_a_folder_per_class(make_folder):
    root = make_folder({"cat": 3, "dog": 2})
    table = read_images(root)
    assert table.names == [f"cat/{k}.png" for k in range(3)] + [
        "dog/0.png",
        "dog/1.png",
    ]
    assert table.labels.tolist() == ["cat"] * 3 + ["dog"] * 2
    assert (table.classes, table.counts()) == (("cat", "dog"), {"cat": 3, "dog": 2})
    assert (table.kind, table.split, table.set_aside) == ("single_label", None, [])
    assert table.notes == []
    assert all(table.path(row).is_file() for row in range(len(table)))
    assert read_images(str(root)).names == table.names
    assert read_images(table) is table


def test_one_class_is_a_table(make_folder):
    assert read_images(make_folder({"cat": 2})).classes == ("cat",)


def test_deeper_folders_belong_to_their_class(make_folder):
    table = read_images(make_folder({"cat/2023/may": 2, "cat": 1, "dog": 1}))
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


def test_names_in_any_script(make_folder):
    table = read_images(make_folder(dict.fromkeys(ANY_SCRIPT, 1)))
    assert table.classes == tuple(sorted(ANY_SCRIPT))
    assert all(table.path(row).is_file() for row in range(len(table)))


@pytest.mark.parametrize("name", ["None", "NA", "nan", "null", "01"])
def test_a_folder_may_have_any_name(make_folder, name):
    assert set(read_images(make_folder({name: 1, "dog": 1})).classes) == {name, "dog"}


def test_composed_and_decomposed_names_are_one_class(make_folder):
    composed = unicodedata.normalize("NFC", "café")
    decomposed = unicodedata.normalize("NFD", "café")
    assert composed != decomposed
    counts = {f"train/{composed}": 2, f"val/{decomposed}": 1, "train/x": 1, "val/x": 1}
    table = read_images(make_folder(counts))
    assert table.classes == (composed, "x")
    assert table.counts() == {composed: 3, "x": 2}
    assert table.notes == []
    assert all(table.path(row).is_file() for row in range(len(table)))


def test_look_alike_classes_are_noted_and_kept_apart(make_folder):
    table = read_images(make_folder({"Cat": 1, "cat": 1, "dog": 1}))
    assert table.classes == ("Cat", "cat", "dog")
    assert told(table, "'Cat'", "'cat'", "rename")
    assert not told(table, "'dog'")


@pytest.mark.parametrize(
    "parts",
    [
        ("train", "val", "test"),
        ("Training", "valid", "TESTING"),
        ("TRAIN", "Validation", "test"),
        ("train", "dev", "test"),
    ],
)
def test_train_val_and_test_by_any_usual_name(make_folder, parts):
    counts = {f"{part}/{k}": 1 for part in parts for k in ("cat", "dog")}
    table = read_images(make_folder(counts))
    assert table.classes == ("cat", "dog")
    assert table.split is not None
    of_name = dict(zip(table.names, table.split.tolist(), strict=True))
    for part, name in zip(("train", "val", "test"), parts, strict=True):
        assert of_name[f"{name}/cat/0.png"] == of_name[f"{name}/dog/0.png"] == part


def test_classes_on_one_side_only_are_noted(make_folder):
    counts = {"train/cat": 1, "train/dog": 1, "val/cat": 1, "val/emu": 1, "test/dog": 1}
    table = read_images(make_folder(counts))
    assert told(table, "'emu'", "val that train does not have")
    assert told(table, "'dog'", "train that val does not have")
    assert told(table, "'cat'", "train that test does not have")
    assert len(table.notes) == 3


def test_parts_beside_other_folders_are_not_taken_for_classes(make_folder):
    root = make_folder({"train/cat": 1, "test/cat": 1, "drafts/cat": 1})
    with pytest.raises(DataError, match=r"'test', 'train'.*'drafts'"):
        read_images(root)


def test_a_class_may_be_called_train(make_folder):
    assert read_images(make_folder({"bus": 1, "train": 1})).classes == ("bus", "train")


def test_hidden_folders_are_left_out_and_noted(make_folder):
    hidden = {"cat/.ipynb_checkpoints": 1, "__MACOSX/cat": 1, ".git": 1}
    root = make_folder({"cat": 1, "dog": 1, **hidden})
    (root / "cat" / "._0.png").write_bytes(b"a finder's fork")
    (root / "cat" / ".DS_Store").write_bytes(b"")
    table = read_images(root)
    assert table.names == ["cat/0.png", "dog/0.png"]
    assert told(table, "hidden", ".ipynb_checkpoints", "__MACOSX", ".git")
    assert len(table.notes) == 1


def test_hidden_and_loose_things_beside_a_split_are_noted(make_folder):
    counts = {"train/cat": 1, "test/cat": 1, ".ipynb_checkpoints": 1, "": 2, "test": 3}
    table = read_images(make_folder(counts))
    assert len(table) == 2
    assert told(table, ".ipynb_checkpoints")
    aside = [q.name for q in table.set_aside]
    assert aside == ["0.png", "1.png", "test/0.png", "test/1.png", "test/2.png"]
    assert all("in no class folder" in q.reason for q in table.set_aside)


def test_pictures_of_other_programs_are_named(make_folder):
    root = make_folder({"cat": 1, "dog": 1})
    for name in ("a.HEIC", "b.heic", "notes.txt"):
        (root / "cat" / name).write_bytes(b"?")
    table = read_images(root)
    assert told(table, "by their ending: 1 .txt")
    assert [q.name for q in table.set_aside] == ["cat/a.HEIC", "cat/b.heic"]
    assert {q.label for q in table.set_aside} == {"cat"}
    assert all("export it as JPEG" in q.reason for q in table.set_aside)


def test_folders_inside_every_class_are_told(make_folder):
    table = read_images(make_folder({f"{y}/{k}": 2 for y in (1, 2) for k in "ab"}))
    assert told(table, "each class folder holds the same folders ('a', 'b')")
    table = read_images(
        make_folder({"cat/a": 1, "cat/b": 1, "dog/a": 1}, name="uneven")
    )
    assert not table.notes


def test_a_folder_named_like_a_part_beside_others(make_folder):
    table = read_images(make_folder({"train": 2, "extra": 2}))
    assert told(table, "'train' lies beside 'extra' and is taken for a class")


def test_empty_folders_and_other_files_are_noted(make_folder):
    root = make_folder({"cat": 1, "dog": 0})
    for name in ("a.txt", "b.txt", "c.PDF", "README"):
        (root / "cat" / name).write_text("no picture")
    (root / "cat" / "UPPER.PNG").write_bytes((root / "cat" / "0.png").read_bytes())
    table = read_images(root)
    assert table.names == ["cat/0.png", "cat/UPPER.PNG"]
    assert told(table, "without a picture", "'dog'")
    assert told(table, "2 .txt", "1 .pdf", "1 no ending")


def test_a_link_back_up_is_noted_and_changes_no_label(make_folder):
    root = make_folder({"cat": 1, "dog": 1})
    (root / "cat" / "up").symlink_to(root, target_is_directory=True)
    (root / "cat" / "higher").symlink_to(root.parent.parent, target_is_directory=True)
    (root / "dog" / "here").symlink_to(".", target_is_directory=True)
    table = read_images(root)
    assert table.names == ["cat/0.png", "dog/0.png"]
    assert told(table, "links", "cat/up", "cat/higher", "dog/here")


def test_a_link_back_to_a_part_of_the_split_is_noted(make_folder):
    root = make_folder({"train/cat": 1, "val/cat": 1})
    (root / "train" / "cat" / "all").symlink_to(root / "train")
    (root / "val" / "self").symlink_to("self")
    table = read_images(root)
    assert table.names == ["train/cat/0.png", "val/cat/0.png"]
    assert told(table, "links", "train/cat/all")


def test_links_to_files_and_folders_elsewhere_are_followed(make_folder):
    root, other = make_folder({"cat": 1}), make_folder({"many": 2}, name="other")
    (root / "cat" / "link.png").symlink_to(other / "many" / "0.png")
    (root / "cat" / "broken.png").symlink_to("nowhere.png")
    (root / "dog").symlink_to(other / "many", target_is_directory=True)
    table = read_images(root)
    names = ["cat/0.png", "cat/broken.png", "cat/link.png", "dog/0.png", "dog/1.png"]
    assert table.names == names


def test_a_folder_that_cannot_be_read_is_noted(make_folder, monkeypatch):
    root = make_folder({"cat": 1, "dog": 1})
    scandir = os.scandir

    def forbidding(path):
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    table = read_images(root)
    assert table.names == ["cat/0.png"]
    assert told(table, "cannot be read", "'dog'")


def test_a_name_that_is_not_text_is_set_aside(make_folder):
    root = make_folder({"cat": 1})
    strange = os.fsencode(root / "cat") + b"/caf\xe9.png"
    Path(os.fsdecode(strange)).write_bytes((root / "cat" / "0.png").read_bytes())
    table = read_images(root)
    assert table.names == ["cat/0.png"]
    assert [q.name for q in table.set_aside] == ["cat/caf\\udce9.png"]
    assert "UTF-8" in table.set_aside[0].reason


def test_what_is_no_folder_of_pictures(make_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.md").write_text("hello")
    loose = make_folder({"": 3}, name="loose")
    hidden = make_folder({".cat": 2}, name="hidden")
    no_classes = make_folder({"train": 2, "test": 1}, name="no_classes")
    texts = make_folder({"cat": 0}, name="texts")
    (texts / "cat" / "a.txt").write_text("no picture")
    cases = [
        (tmp_path / "nowhere", NoDataError, "nothing at .*nowhere"),
        (tmp_path / "empty", NoDataError, r"no pictures \(nothing\).*DATA/cat"),
        (tmp_path / "note.md", DataError, "a file, where a folder"),
        (tmp_path / ("long" * 100), DataError, "name too long"),
        (loose, NoDataError, "3 pictures but no class folders.*path,label"),
        (no_classes, NoDataError, "3 pictures but no class folders"),
        (hidden, NoDataError, "only hidden folders left out: '.cat'"),
        (texts, NoDataError, "1 .txt"),
    ]
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            read_images(path)


def test_settings_that_a_folder_cannot_have(make_folder):
    root = make_folder({"1": 1, "2": 1})
    with pytest.raises(SettingError, match="--target"):
        read_images(root, target="age")
    for task in ("regression", "multilabel"):
        with pytest.raises(SettingError, match=f"--task {task}"):
            read_images(root, task=task)
    with pytest.raises(SettingError, match="'guess'"):
        read_images(root, task="guess")  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match="leave y out"):
        read_images(root, [1, 2])
