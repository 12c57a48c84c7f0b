"""Arrays and lists of paths: pixels by dtype, labels in every usual form."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal.errors import DataError, NoDataError
from vicinal.images.data.read import ImageTable, read_images


def reasons(table: ImageTable) -> dict[str, str]:
    return {q.name: q.reason for q in table.quarantined}


def test_arrays_of_every_shape():
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
    ("pixels", "expected"),
    [
        (np.array([0, 0.5, 1]), [0, 128, 255]),
        (np.array([0, 0.5, 1], np.float16), [0, 128, 255]),
        (np.array([-1e-7, 0.01, 1 + 1e-7], np.float32), [0, 3, 255]),
        (np.array([0, 1, 255], np.int64), [0, 1, 255]),
        (np.array([0, 1, 1], np.int32), [0, 1, 1]),
        (np.array([True, False, True]), [255, 0, 255]),
    ],
)
def test_pixels_are_converted_to_uint8(pixels, expected):
    table = read_images(pixels.reshape(1, 1, 3), ["x"])
    assert table.pixels is not None and table.pixels.dtype == np.uint8
    assert table.pixels.ravel().tolist() == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_conversion_of_an_image_does_not_depend_on_the_others(dtype):
    top = 1 if np.issubdtype(dtype, np.floating) else 255
    dark = np.full((1, 4, 4), top / 255).astype(dtype)  # one level above black
    bright = np.full((1, 4, 4), top).astype(dtype)
    alone = read_images(dark).pixels
    together = read_images(np.concatenate([dark, bright])).pixels
    assert alone is not None and (alone == 1).all()
    assert together is not None and together[:, 0, 0].tolist() == [1, 255]


def test_arrays_that_are_not_images_raise():
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
        (square + 1.01, r"0\.\.1\. Got 1.01 to 1.01 .* Divide by 255.* uint8"),
        (square + 254.6, r"0\.\.1\. Got 254.6 to 254.6"),
        (square + 1e300, r"0\.\.1\. Got 1e\+300"),
        (square.astype(int) + 256, r"0\.\.255\. Got 256 to 256"),
        (square.astype(np.uint16) + 60000, "Divide 16-bit pixels by 257"),
        (square.astype(np.int8) - 1, "-1 to -1"),
        (np.zeros((1, 2, 2), dtype=object), "must be numbers"),
        (np.zeros((1, 2, 2), dtype=complex), "must be numbers"),
    ]
    for pixels, message in cases:
        with pytest.raises(DataError, match=message):
            read_images(pixels)
    for empty in ([], np.zeros((0, 4, 4))):
        with pytest.raises(NoDataError, match="no images"):
            read_images(empty)


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
def test_integer_labels_are_classes_sorted_as_numbers(y):
    table = read_images(np.zeros((3, 4, 4)), y)
    assert (table.kind, table.classes) == ("single_label", ("0", "2", "10"))
    assert (table.labels.tolist(), table.whole_numbers) == (["10", "2", "0"], True)


def test_many_integer_labels_of_an_array_or_list_are_classes():
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
        ([["a"], ("b",), []], "multi_label", ["a", "b", "-"]),
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


def test_a_number_and_its_text_are_one_class_with_a_note():
    table = read_images(np.zeros((3, 4, 4)), ["1", 1, "a"])
    assert "as numbers and as texts are one class each: '1'" in table.notes[0]
    frame = pd.DataFrame({"path": ["a", "b", "c"], "label": ["1", 1, "a"]})
    assert table.notes[0] in read_images(frame).notes
    frame["label"] = [True, False, True]
    assert read_images(frame).classes == ("False", "True")


def test_label_matrix_columns_are_classes_sorted_as_numbers():
    table = read_images(np.zeros((12, 2, 2)), np.eye(12, dtype=int))
    assert table.classes == tuple(map(str, range(12)))


def test_an_empty_column_of_a_label_matrix_is_a_class():
    y = np.array([[0, 1, 0], [0, 1, 0]])
    table = read_images(np.zeros((2, 2, 2)), y)
    assert table.classes == ("0", "1", "2") and table.counts() == {"1": 2}
    assert table.rows(np.array([0])).classes == ("0", "1", "2")
    assert read_images(np.zeros((2, 2, 2)), [[], ["a"]]).classes == ("a",)


def test_integral_floats_are_numeric_with_a_note():
    table = read_images(np.zeros((2, 2, 2)), np.array([1.0, 2.0]))
    assert table.kind == "numeric" and "--task classification" in table.notes[0]
    assert read_images(np.zeros((2, 2, 2)), [0.5, 2.0]).notes == []


def test_the_task_determines_the_kind_of_numbers():
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
def test_missing_labels_are_quarantined(y):
    pixels = np.arange(3, dtype=np.uint8).repeat(4).reshape(3, 2, 2)
    table = read_images(pixels, y)
    assert (table.names, table.classes) == (["image 0", "image 2"], ("a", "b"))
    assert table.pixels is not None and table.pixels[:, 0, 0].tolist() == [0, 2]
    assert reasons(table) == {"image 1": "row 1 has an empty label"}


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.array([0, -1, 1, 2]), ("0", "1", "2")),
        (["a", "unknown", "b", "a"], ("a", "b")),
        (pd.Series(["a", "?", "b", "a"]), ("a", "b")),
        (torch.tensor([3, -1, 0, 1]), ("0", "1", "3")),
    ],
)
def test_labels_that_mean_unlabelled_are_quarantined(y, classes):
    table = read_images(np.zeros((4, 3, 3), np.uint8), y)
    assert table.classes == classes and len(table) == 3
    assert "means unlabelled" in reasons(table)["image 1"]
    assert "1 of 4 are unlabelled" in table.notes[0]


def test_minus_one_among_many_classes_means_unlabelled():
    images, y = np.zeros((101, 2, 2), np.uint8), np.arange(-1, 100)
    table = read_images(images, y)
    assert len(table.classes) == 100 and "-1" not in table.classes
    few = read_images(images[:4], [0.0, 1.0, 2.0, -1.0], task="classification")
    assert few.classes == ("0.0", "1.0", "2.0")


def test_classes_of_a_model_never_mean_unlabelled():
    images, y = np.zeros((4, 3, 3), np.uint8), ["a", "unknown", "b", "?"]
    table = read_images(images, y, classes=("a", "b", "unknown"))
    assert table.classes == ("a", "b", "unknown")
    frame = pd.DataFrame({"path": list("wxyz"), "label": y})
    assert read_images(frame, classes=("a", "?")).classes == ("?", "a", "b")


def test_minus_one_that_is_a_class_or_a_number():
    images = np.zeros((4, 3, 3), np.uint8)
    assert read_images(images, [1, -1, -1, 1]).classes == ("-1", "1")
    assert read_images(images, [0.0, -1.0, 1.0, 2.0]).labels.tolist() == [0, -1, 1, 2]


def test_invalid_labels_raise():
    pixels = np.zeros((3, 4, 4))
    cases = [
        ([1, 2], "Got 2 labels for 3 images"),
        ([[0, 2], [1, 1], [0, 0]], "0 and 1"),
        (np.array([[0.5, 1], [1, 1], [0, 0]]), "0 and 1"),
        ([[1, 2], [3], [1]], "lists of class names"),
        (np.zeros((3, 2, 2)), "0 and 1"),
        ([None, None, None], "All 3 labels are empty"),
    ]
    for y, message in cases:
        with pytest.raises(DataError, match=message):
            read_images(pixels, y)


def test_lists_of_paths_are_read():
    for paths in (["a.png", Path("b.png")], np.array(["a.png", "b.png"])):
        table = read_images(paths, [3, 1])
        assert (table.names, table.classes) == (["a.png", "b.png"], ("1", "3"))
        assert table.whole_numbers and table.path(0) == Path("a.png")
    assert read_images(pd.Series(["a.png"], index=[5])).names == ["a.png"]
    assert read_images(["a.png"]).kind == "none"


def test_labels_as_a_dataframe_and_as_bytes():
    pixels = np.zeros((3, 4, 4), np.uint8)
    frame = pd.DataFrame({"label": ["b", "a", "b"]})
    assert read_images(pixels, frame).labels.tolist() == ["b", "a", "b"]
    marks = pd.DataFrame({"cat": [1, 0, 1], "dog": [0, 0, 1]})
    table = read_images(pixels, marks)
    assert (table.kind, table.classes) == ("multi_label", ("cat", "dog"))
    assert table.labels.tolist() == ["cat", "-", "cat|dog"]
    with pytest.raises(DataError, match="columns of 0 and 1 named like the classes"):
        read_images(pixels, frame.assign(other=1))
    for labels in (np.array([b"b", b"a", b"b"]), [b"b", b"a", b"b"]):
        assert read_images(pixels, labels).classes == ("a", "b")
