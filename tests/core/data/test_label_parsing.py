"""Labels of a column or an array: kinds, quarantine, and parsing for another task."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal.core.data.label_parsing import (
    Labels,
    has_label,
    labels_from_array,
    parse_labels,
    with_labels,
    with_task,
)
from vicinal.errors import DataError

NAMES = ["a", "b", "c", "d"]


@dataclass(frozen=True)
class Table:
    """The fields that labels fill in."""

    labels: Any = None
    kind: str = "none"
    whole_numbers: bool = False
    label_source: Labels | None = None
    quarantined: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def test_integers_are_classes_that_are_kept_as_whole_numbers():
    labels = parse_labels(NAMES, pd.Series([1, 2, 1, None]), "auto")
    assert labels.kind == "single_label" and labels.whole_numbers
    assert labels.values is not None
    assert labels.values.tolist() == ["1", "2", "1", None]


def test_text_in_a_regression_target_is_quarantined_by_name():
    labels = parse_labels(NAMES, ["1.5", "x", "", "2"], "regression")
    assert labels.values is not None
    assert labels.values.tolist() == [1.5, None, None, 2.0]
    (row,) = labels.quarantined
    assert (row.name, row.label) == ("b", "x")
    with pytest.raises(DataError, match="Got 'x'"):
        parse_labels(NAMES[:2], ["x", "y"], "regression")


@pytest.mark.parametrize("convert", [np.array, torch.tensor])
def test_minus_one_in_an_integer_array_is_unlabelled(convert):
    labels = labels_from_array(NAMES, convert([0, 1, -1, 0]), "auto", "node")
    assert has_label(labels.values, 4).tolist() == [True, True, False, True]


def test_a_wrong_shape_is_refused_in_terms_of_the_examples():
    with pytest.raises(DataError, match="a label for each of 4 molecules"):
        labels_from_array(NAMES, [1, 2, 3], "auto", "molecule")
    with pytest.raises(DataError, match="several labels of one molecule as one text"):
        labels_from_array(NAMES, np.eye(4), "auto", "molecule")


def test_labels_of_any_table_are_parsed_again_for_another_task():
    cells = [f"{k}.50" for k in range(40)] + ["many"]
    names = [f"row {k}" for k in range(41)]
    given = Table(notes=["kept"], quarantined=["another row"])
    numeric = with_labels(given, parse_labels(names, cells, "auto"))
    assert numeric.kind == "numeric" and len(numeric.quarantined) == 2
    classes = with_task(numeric, names, "classification")
    assert classes.labels.tolist() == cells and classes.kind == "single_label"
    assert classes.quarantined == ["another row"]
    assert classes.notes[0] == "kept" and len(classes.notes) == 2  # and many classes
