"""A column of 0 and 1 per class."""

import pytest

from vicinal.errors import DataError
from vicinal.images.data.read import read_images


def test_one_1_per_row_is_one_class_per_image(csv):
    text = "image,MEL,NV,BCC,age\na.png,1.0,0.0,0.0,33\nb.png,0,1,0,\nc.png,,1,0,5\n"
    table = read_images(csv(text))
    assert (table.kind, table.labels.tolist()) == ("single_label", ["MEL", "NV"])
    assert "'MEL', 'NV', 'BCC'; one class per image" in table.notes[0]
    assert "columns not used: 'age'" in table.notes
    assert [q.reason for q in table.quarantined] == ["row 4 has an empty label"]
    assert read_images(csv(text), task="multilabel").kind == "multi_label"
    assert read_images(csv(text), target="age").labels.tolist() == ["33", "5"]


@pytest.mark.parametrize("no", ["0", "-1", "False"])
def test_several_or_no_1_per_row_are_several_classes(csv, no):
    yes = {"0": "1", "-1": "1", "False": "True"}[no]
    rows = [(yes, no, yes), (no, no, no), (no, no, yes)]
    text = "".join(f"{k}.png,train,{','.join(row)}\n" for k, row in enumerate(rows))
    table = read_images(csv("path,split,hat,tie,wig\n" + text))
    assert table.kind == "multi_label"
    assert table.labels.tolist() == ["hat|wig", "-", "wig"]
    assert table.classes == ("hat", "tie", "wig")


def test_columns_that_cannot_be_classes(csv):
    with pytest.raises(DataError, match=r"one 1 per row.*Got 2 in row 0"):
        read_images(csv("path,a,b\n1.png,1,1\n"), task="classification")
    with pytest.raises(DataError, match="must not contain"):
        read_images(csv("path,a|b,c\n1.png,1,1\n"))
    for text in ("path,a,b\n1.png,1,2\n", "path,a\n1.png,1\n"):
        with pytest.raises(DataError, match="no column for the labels"):
            read_images(csv(text))
    assert read_images(csv("path,label,x,y\n1.png,k,1,0\n")).classes == ("k",)


def test_the_names_of_columns_are_the_classes(csv):
    """Also with spaces, in another form of Unicode, and if they mean an empty cell."""
    table = read_images(csv("path, cat, none,cafe\u0301\na.png,1,0,0\nb.png,0,1,0\n"))
    assert table.classes == ("caf\u00e9", "cat", "none") and not table.quarantined
    assert table.labels.tolist() == ["cat", "none"]
    with pytest.raises(DataError, match="have the same name"):
        read_images(csv("path,cat, cat\na.png,1,0\n"))


def test_minus_one_beside_zero_is_refused(csv):
    """It means unknown in CheXpert."""
    with pytest.raises(DataError, match="hold both 0 and -1"):
        read_images(csv("path,a,b\n1.png,1,0\n2.png,-1,1\n"))
