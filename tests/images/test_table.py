"""Where pictures and labels are: every form that is read, and every one that is not."""

import gzip
import os
import struct
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.images.table import ImageTable, look_alikes, read_idx, read_images


def told(table: ImageTable, *words: str) -> bool:
    """Whether one note of the table holds all the words."""
    return any(all(word in note for word in words) for note in table.notes)


def reasons(table: ImageTable) -> dict[str, str]:
    return {q.name: q.reason for q in table.set_aside}


# --- a folder per class ------------------------------------------------------------


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
    assert len(look_alikes({"a b", "A  B ", "ab", "STRASSE", "straße"})) == 2


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
    assert told(table, "5 pictures", "no class folder")


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


# --- CSV and DataFrame -------------------------------------------------------------


@pytest.fixture
def csv(tmp_path):
    def write(text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_a_csv(csv, tmp_path):
    table = read_images(csv("path,label,split\na.png,cat,train\nb.png,dog,valid\n"))
    assert table.names == ["a.png", "b.png"]
    assert table.labels.tolist() == ["cat", "dog"]
    assert table.split is not None and table.split.tolist() == ["train", "val"]
    assert (table.root, table.path(0)) == (tmp_path, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path,label\na.png,cat\n", "utf-8-sig"),
        ("path;label\na.png;cat\n", "utf-8"),
        ("path\tlabel\na.png\tcat\n", "utf-8"),
        ("FileName , CLASS\r\na.png , cat\r\n", "utf-8"),
        ("class,extra,image\ncat,1,a.png\n\n", "utf-8"),
    ],
)
def test_a_csv_as_spreadsheets_write_it(csv, text, encoding):
    table = read_images(csv(text, encoding=encoding))
    assert (table.names, table.labels.tolist()) == (["a.png"], ["cat"])


def test_cells_in_any_script(csv):
    lines = [f'"{k}.png","{k.replace(chr(34), chr(34) * 2)}"' for k in ANY_SCRIPT[:4]]
    lines += ['"a, b.png","a, b"', '"two\nlines.png","two\nlines"', "q.png,O'Brien"]
    table = read_images(csv("path,label\n" + "\n".join(lines)))
    wanted = {*ANY_SCRIPT[:4], "a, b", "two\nlines", "O'Brien"}
    assert set(table.classes) == wanted
    assert "two\nlines.png" in table.names


def test_labels_are_composed(csv):
    table = read_images(csv("path,label\na,cafe\u0301\nb,caf\u00e9\n"))
    assert table.classes == ("caf\u00e9",)


def test_a_csv_that_cannot_be_read(csv):
    cases = [
        (csv("", "empty.csv"), NoDataError, "is empty"),
        (csv("path,label\n", "header.csv"), NoDataError, "0 rows"),
        (csv("path,label\nü,x\n", "latin.csv", "latin-1"), DataError, "not .* UTF-8"),
        (csv("path,label\na,x\n", "wide.csv", "utf-16"), DataError, "not .* UTF-8"),
        (csv("path,kind\na,x\n", "kind.csv"), DataError, "labels: .*got path, kind"),
        (csv("where,label\na,x\n", "where.csv"), DataError, "paths .*got where, label"),
        (csv("path\na.png\n", "one.csv"), DataError, "no column for the labels"),
        (csv("path,label\na,b.png,x\n", "long.csv"), DataError, "double quotes"),
        (csv("path,label\na,x\nb,y,z\n", "late.csv"), DataError, "double quotes"),
        (csv('path,label\n"a,x\nb,y\n', "open.csv"), DataError, "as a table"),
    ]
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            read_images(path)


def test_target_names_the_column(csv):
    path = csv("path,label,Age,age\na,x,1.5,7\nb,y,2.5,8\n")
    assert read_images(path, target="label").labels.tolist() == ["x", "y"]
    assert read_images(path, target="Age").labels.tolist() == [1.5, 2.5]
    assert read_images(path, target="age").labels.tolist() == ["7", "8"]
    assert read_images(path, target="LABEL").labels.tolist() == ["x", "y"]
    with pytest.raises(DataError, match="a column 'weight', got path, label, Age"):
        read_images(path, target="weight")


def test_labels_stay_texts(csv):
    table = read_images(csv("path,label\na,01\nb,1\nc,10\nd,2\n"))
    assert table.classes == ("01", "1", "10", "2")
    assert not table.whole_numbers


def test_empty_labels_are_set_aside_with_the_rule(csv):
    rows = ["a,cat", "b,", "c,NA", "d,None", "e,NaN", "f,  ", "g,dog", ",cat", "h"]
    table = read_images(csv("path,label\n" + "\n".join(rows)))
    assert table.names == ["a", "g"]
    assert table.classes == ("cat", "dog")
    why = reasons(table)
    assert set(why) == {"b", "c", "d", "e", "f", "", "h"}
    assert why["b"] == "row 3 has an empty label"
    assert "row 4" in why["c"] and "'NA' counts as empty" in why["c"]
    assert "'None' counts as empty" in why["d"] and "folder" in why["d"]
    assert why[""] == "row 9 has no path"


def test_paths_listed_twice(csv):
    rows = ["a,cat", "a,cat", "b,cat", "b,dog", "c,dog", "d,", "d,dog"]
    table = read_images(csv("path,label\n" + "\n".join(rows)))
    # An empty cell contradicts nothing: d is a dog.
    assert (table.names, table.labels.tolist()) == (
        ["a", "c", "d"],
        ["cat", "dog", "dog"],
    )
    named = [(q.name, q.label, q.reason) for q in table.set_aside]
    assert named[0] == ("a", "cat", "row 3: this path is listed before")
    both = "this path is listed with different labels: 'cat', 'dog'"
    assert named[1] == ("b", "cat", f"row 4: {both}")
    assert named[2] == ("b", "dog", f"row 5: {both}")
    assert named[3] == ("d", "", "row 7 has an empty label")


def test_unknown_parts_are_set_aside_and_blank_ones_are_not(csv):
    rows = ["a,cat,train", "b,cat,holdout", "c,dog,", "d,dog,TEST", "e,emu,test"]
    table = read_images(csv("path,label,split\n" + "\n".join(rows)))
    assert table.names == ["a", "c", "d", "e"]
    assert table.split is not None and table.split.tolist() == [
        "train",
        "",
        "test",
        "test",
    ]
    assert reasons(table) == {
        "b": "row 3 has split 'holdout'; wanted train, val or test"
    }
    assert told(table, "test that train does not have", "'dog', 'emu'")
    assert read_images(csv("path,label,split\na,x,\nb,y,\n")).split is None


def test_several_labels(csv):
    table = read_images(csv("path,label\na,cat|dog\nb,dog\nc,-\nd,\n"))
    assert table.kind == "multi_label"
    assert table.classes == ("cat", "dog")
    assert table.counts() == {"cat": 1, "dog": 2}
    assert [q.name for q in table.set_aside] == ["d"]
    one = read_images(csv("path,label\na,cat|dog\nb,dog\n"), task="classification")
    assert (one.kind, one.classes) == ("single_label", ("cat|dog", "dog"))
    many = read_images(csv("path,label\na,cat\nb,dog\n"), task="multilabel")
    assert (many.kind, many.classes) == ("multi_label", ("cat", "dog"))


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["0.5", "2", "-1e3"], "numeric"),
        ([str(k) for k in range(30)], "single_label"),
        ([str(k) for k in range(31)], "numeric"),
        (["1", "2", "x"], "single_label"),
        ([f"2019_{k}" for k in range(40)], "single_label"),
        (["inf", "1"], "single_label"),
    ],
)
def test_what_labels_are_is_read_from_them(csv, labels, kind):
    rows = "".join(f"{k}.png,{label}\n" for k, label in enumerate(labels))
    assert read_images(csv("path,label\n" + rows)).kind == kind


def test_numbers(csv):
    path = csv("path,target\na,1\nb,2.5\nc,unknown\nd,\n")
    table = read_images(path, task="regression")
    assert (table.kind, table.classes, table.counts()) == ("numeric", (), {})
    assert table.labels.dtype == np.float64
    assert table.labels.tolist() == [1, 2.5]
    assert "'unknown' is not a number" in reasons(table)["c"]
    with pytest.raises(DataError, match=r"wants numbers .*'cat'.*--target"):
        read_images(csv("path,label\na,cat\nb,dog\n"), task="regression")


def test_a_data_frame():
    frame = pd.DataFrame({"path": [Path("a.png"), "b.png"], "label": ["x", "y"]})
    table = read_images(frame)
    assert (table.names, table.path(0)) == (["a.png", "b.png"], Path("a.png"))
    # The first row of a DataFrame is 0, of a CSV 2.
    frame = pd.DataFrame({"path": ["a", "b", None], "label": [None, "x", "y"]})
    assert list(reasons(read_images(frame)).values()) == [
        "row 0 has an empty label",
        "row 2 has no path",
    ]


@pytest.mark.parametrize(
    "nothing", [None, float("nan"), pd.NA, pd.NaT, np.float32("nan")]
)
def test_a_data_frame_with_holes(nothing):
    frame = pd.DataFrame(
        {
            "path": ["a", "b", "c", nothing],
            "label": ["x", nothing, "y", "y"],
            "split": [nothing, "train", "test", "test"],
        },
        dtype=object,
    )
    table = read_images(frame)
    assert (table.names, table.classes) == (["a", "c"], ("x", "y"))
    assert table.split is not None and table.split.tolist() == ["", "test"]


def test_whole_numbers_of_a_data_frame_are_ordered_as_numbers():
    frame = pd.DataFrame({"path": list("abc"), "label": [10, 9, 1]})
    table = read_images(frame)
    assert (table.classes, table.whole_numbers) == (("1", "9", "10"), True)
    table = read_images(frame.astype({"label": str}))
    assert (table.classes, table.whole_numbers) == (("1", "10", "9"), False)


# --- arrays and lists --------------------------------------------------------------


def test_arrays():
    for shape in [(3, 4, 5), (3, 4, 5, 1), (3, 4, 5, 3)]:
        pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        table = read_images(pixels, ["b", "a", "b"])
        assert len(table) == 3 and table.classes == ("a", "b")
        assert table.pixels is not None and np.array_equal(table.pixels, pixels)
        as_tensor = read_images(torch.from_numpy(pixels), torch.tensor([1, 0, 1]))
        assert as_tensor.pixels is not None
        assert np.array_equal(as_tensor.pixels, pixels)
        assert as_tensor.labels.tolist() == ["1", "0", "1"]
    table = read_images(np.zeros((2, 4, 4), np.uint8))
    assert (table.kind, table.labels.tolist()) == ("none", [None, None])
    assert read_images([np.zeros((4, 4)), np.ones((4, 4))], [0, 1]).classes == (
        "0",
        "1",
    )


@pytest.mark.parametrize(
    ("pixels", "wanted"),
    [
        (np.array([0, 0.5, 1]), [0, 128, 255]),
        (np.array([0, 0.5, 1], np.float16), [0, 128, 255]),
        (np.array([0, 1, 254.6]), [0, 1, 255]),
        (np.array([0, 1, 255], np.int64), [0, 1, 255]),
        (np.array([0, 1, 1], np.int32), [0, 1, 1]),
        (np.array([True, False, True]), [255, 0, 255]),
    ],
)
def test_pixels_become_bytes(pixels, wanted):
    table = read_images(pixels.reshape(1, 1, 3), ["x"])
    assert table.pixels is not None and table.pixels.dtype == np.uint8
    assert table.pixels.ravel().tolist() == wanted


def test_arrays_that_are_no_pictures():
    square = np.zeros((2, 4, 4))
    cases = [
        (np.zeros((4, 4)), r"Got shape \[4, 4\]"),
        (np.zeros((2, 3, 4, 4)), r"channels last: x.transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 4, 4, 4)), r"Got shape \[2, 4, 4, 4\]"),
        (np.zeros((2, 0, 4)), r"Got shape \[2, 0, 4\]"),
        (np.zeros((2, 4, 4, 0)), r"Got shape \[2, 4, 4, 0\]"),
        (None, r"Got shape \[\]"),
        (np.full((2, 4, 4), np.nan), "NaN or infinite"),
        (np.full((2, 4, 4), np.inf), "NaN or infinite"),
        (square - 0.1, "-0.1 to -0.1"),
        (square + 256, "256 to 256"),
        (np.zeros((1, 2, 2), dtype=object), "must be numbers"),
        (np.zeros((1, 2, 2), dtype=complex), "must be numbers"),
        ([np.zeros((4, 4)), np.zeros((5, 4))], "one array.*one size"),
    ]
    for pixels, message in cases:
        with pytest.raises(DataError, match=message):
            read_images(pixels)
    for nothing in ([], np.zeros((0, 4, 4))):
        with pytest.raises(NoDataError, match="no pictures"):
            read_images(nothing)


@pytest.mark.parametrize(
    "y",
    [
        np.array([10, 2, 0]),
        [10, 2, 0],
        (np.int64(10), np.uint8(2), 0),
        torch.tensor([10, 2, 0]),
        [torch.tensor(10), torch.tensor(2), torch.tensor(0)],
        pd.Series([10, 2, 0], index=[7, 8, 9]),
        np.array([[10], [2], [0]]),  # a column
    ],
)
def test_whole_numbers_are_classes_in_the_order_of_numbers(y):
    table = read_images(np.zeros((3, 4, 4)), y)
    assert (table.kind, table.classes) == ("single_label", ("0", "2", "10"))
    assert (table.labels.tolist(), table.whole_numbers) == (["10", "2", "0"], True)


def test_many_whole_numbers_are_classes_in_an_array_and_in_a_list():
    y = np.arange(100)
    for labels in (y, y.tolist(), pd.Series(y), torch.from_numpy(y)):
        table = read_images(np.zeros((100, 2, 2)), labels)
        assert table.classes == tuple(map(str, range(100)))


@pytest.mark.parametrize(
    ("y", "kind", "labels"),
    [
        (["a", "b", "a"], "single_label", ["a", "b", "a"]),
        (np.array(["None", "NA", "01"]), "single_label", ["None", "NA", "01"]),
        (["cafe\u0301", "caf\u00e9", "x"], "single_label", ["caf\u00e9"] * 2 + ["x"]),
        (["1", 1, "a"], "single_label", ["1", "1", "a"]),
        ([True, False, True], "single_label", ["True", "False", "True"]),
        (["a|b", "b", "-"], "multi_label", ["a|b", "b", "-"]),
        ([["b", "a"], ["b"], []], "multi_label", ["a|b", "b", "-"]),
        ([[0, 1], [1, 1], [0, 0]], "multi_label", ["1", "0|1", "-"]),
        (np.array([[0, 1], [1, 1], [0, 0]]), "multi_label", ["1", "0|1", "-"]),
        (torch.tensor([[0, 1.0], [1, 1], [0, 0]]), "multi_label", ["1", "0|1", "-"]),
        (np.array([1.0, 2, 3]), "numeric", [1, 2, 3]),
        ([1.5, 2, 3], "numeric", [1.5, 2, 3]),
    ],
)
def test_labels_of_arrays(y, kind, labels):
    table = read_images(np.zeros((3, 4, 4)), y)
    assert (table.kind, table.labels.tolist()) == (kind, labels)


def test_marks_name_their_columns_in_the_order_of_numbers():
    table = read_images(np.zeros((12, 2, 2)), np.eye(12, dtype=int))
    assert table.classes == tuple(map(str, range(12)))


def test_the_task_decides_what_numbers_are():
    pixels = np.zeros((3, 4, 4))
    table = read_images(pixels, [1, 2, 3], task="regression")
    assert (table.kind, table.labels.tolist()) == ("numeric", [1, 2, 3])
    assert not table.whole_numbers
    table = read_images(pixels, [1, 2, 3], task="classification")
    assert (table.kind, table.whole_numbers) == ("single_label", True)
    with pytest.raises(DataError, match="'a'"):
        read_images(pixels, ["a", "b", "c"], task="regression")


@pytest.mark.parametrize(
    "y", [["a", None, "b"], ["a", float("nan"), "b"], pd.Series(["a", pd.NA, "b"])]
)
def test_a_missing_label_is_set_aside(y):
    pixels = np.arange(3, dtype=np.uint8).repeat(4).reshape(3, 2, 2)
    table = read_images(pixels, y)
    assert (table.names, table.classes) == (["picture 0", "picture 2"], ("a", "b"))
    assert table.pixels is not None and table.pixels[:, 0, 0].tolist() == [0, 2]
    assert reasons(table) == {"picture 1": "row 1 has an empty label"}


def test_labels_that_do_not_fit():
    pixels = np.zeros((3, 4, 4))
    cases = [
        ([1, 2], "3 pictures and 2 labels"),
        ([[0, 2], [1, 1], [0, 0]], "0 and 1"),
        (np.array([[0.5, 1], [1, 1], [0, 0]]), "0 and 1"),
        ([[1, 2], [3], [1]], "lists of names"),
        (np.zeros((3, 2, 2)), "0 and 1"),
        ([None, None, None], "All 3 labels are empty"),
    ]
    for y, message in cases:
        with pytest.raises(DataError, match=message):
            read_images(pixels, y)


def test_lists_of_paths():
    for paths in (["a.png", Path("b.png")], np.array(["a.png", "b.png"])):
        table = read_images(paths, [3, 1])
        assert (table.names, table.classes) == (["a.png", "b.png"], ("1", "3"))
        assert table.whole_numbers and table.path(0) == Path("a.png")
    assert read_images(pd.Series(["a.png"], index=[5])).names == ["a.png"]
    assert read_images(["a.png"]).kind == "none"


# --- IDX ---------------------------------------------------------------------------


def as_idx(values: np.ndarray) -> bytes:
    """An array in LeCun's form: two zeros, 8 for bytes, the axes, their lengths."""
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    return head + values.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path):
    """A function that writes a data set in the form of MNIST, and what it holds."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (12, 5, 4)), np.arange(12)

    def write(part: str = "train", *, packed: bool = False) -> Path:
        files = {"images-idx3": pixels, "labels-idx1": labels}
        for name, values in files.items():
            path = tmp_path / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
            data = as_idx(values)
            path.write_bytes(gzip.compress(data) if packed else data)
        return tmp_path

    return write, pixels, labels


@pytest.mark.parametrize("packed", [False, True])
def test_idx(mnist, packed):
    write, pixels, labels = mnist
    table = read_images(write(packed=packed))
    assert table.pixels is not None and np.array_equal(table.pixels, pixels)
    assert table.labels.tolist() == [str(k) for k in labels]
    assert table.classes == tuple(map(str, range(12)))
    assert (table.kind, table.split, len(set(table.names))) == (
        "single_label",
        None,
        12,
    )


@pytest.mark.parametrize("test", ["t10k", "emnist-letters-test"])
def test_idx_with_a_test_part(mnist, test):
    write, *_ = mnist
    write()
    write(packed=True)  # the same files once more, packed
    table = read_images(write(test))
    assert len(table) == 24 and len(set(table.names)) == 24
    assert table.split is not None
    assert (table.split == "train").sum() == (table.split == "test").sum() == 12


def test_idx_as_numbers(mnist):
    table = read_images(mnist[0](), task="regression")
    assert (table.kind, table.labels.tolist()) == ("numeric", list(range(12)))


def test_packed_labels_beside_plain_pictures(mnist):
    root = mnist[0]()
    labels = root / "train-labels-idx1-ubyte"
    (root / "train-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(labels.read_bytes())
    )
    labels.unlink()
    assert len(read_images(root)) == 12


def test_damaged_idx(mnist, tmp_path):
    root = mnist[0]()
    labels = root / "train-labels-idx1-ubyte"
    good = labels.read_bytes()
    packed = gzip.compress(good)
    cases = [
        (good[:-1], r"damaged"),
        (good + b"x", r"damaged"),
        (good[:6], r"damaged"),
        (good[:3], r"damaged"),
        (b"", r"not an IDX file"),
        (b"\x00\x00\x0d" + good[3:], r"not an IDX file"),
        (as_idx(np.arange(11)), r"Got \[12, 5, 4\] and \[11\]"),
        (as_idx(np.zeros((12, 2, 2))), r"Got \[12, 5, 4\] and \[12, 2, 2\]"),
    ]
    for data, message in cases:
        labels.write_bytes(data)
        with pytest.raises(DataError, match=message):
            read_images(root)
    labels.unlink()
    with pytest.raises(DataError, match="labels-idx1-ubyte is missing"):
        read_images(root)
    flipped = bytearray(packed)
    flipped[len(flipped) // 2] ^= 255
    mangled = packed[:10] + b"\xff" * 20  # no block of deflate begins so
    for data in (packed[:-9], packed[:5], good, bytes(flipped), mangled, b""):
        (tmp_path / "x.gz").write_bytes(data)
        with pytest.raises(DataError, match=r"damaged|not an IDX"):
            read_idx(tmp_path / "x.gz")


def test_empty_and_unequal_idx(tmp_path):
    def write(part: str, pixels: np.ndarray) -> None:
        (tmp_path / f"{part}-images.idx3-ubyte").write_bytes(as_idx(pixels))
        labels = as_idx(np.zeros(len(pixels)))
        (tmp_path / f"{part}-labels.idx1-ubyte").write_bytes(labels)

    write("train", np.zeros((0, 4, 4)))
    with pytest.raises(NoDataError, match="hold no pictures"):
        read_images(tmp_path)
    write("t10k", np.zeros((2, 5, 5)))
    with pytest.raises(DataError, match="different sizes"):
        read_images(tmp_path)


# --- rows --------------------------------------------------------------------------


def test_rows_by_numbers_and_by_mask(make_folder):
    table = read_images(make_folder({"train/cat": 2, "test/dog": 2}))
    assert table.split is not None
    for rows in (np.array([3, 0]), np.array([True, False, False, True])):
        part = table.rows(rows)
        order = np.arange(4)[rows]
        assert part.names == [table.names[k] for k in order]
        assert part.labels.tolist() == table.labels[order].tolist()
        assert part.split is not None
        assert part.split.tolist() == table.split[order].tolist()
        assert part.path(0) == table.path(order[0])
    one = table.rows(np.array([0, 1, 2, 3]) < 2)
    assert one.counts() == {"dog": 2}  # test comes before train
    assert len(table.rows(np.zeros(4, dtype=bool))) == 0
