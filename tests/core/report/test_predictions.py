"""Predictions and embeddings as printed lines and files."""

import numpy as np
import pandas as pd
import pytest

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.report.predictions import (
    MAX_PREDICTIONS,
    Predictions,
    check_embeddings_path,
    write_embeddings,
)
from vicinal.errors import SettingError


def test_only_the_first_predictions_are_printed():
    n = MAX_PREDICTIONS + 2
    frame = pd.DataFrame({"id": [f"n{k}" for k in range(n)], "predicted": [1.5] * n})
    row = Quarantined("n50", "", "no features")
    found = Predictions(frame, "node", [row], ["a note"], ["a hint"])
    lines = list(found.lines())
    assert lines[0].split() == ["n0", "1.5"]
    assert lines[-1] == "... and 2 more (--output FILE.csv takes all)"
    assert len(lines) == MAX_PREDICTIONS + 1
    assert found.to_dict() == {
        "n": n,
        "predictions": frame.to_dict("records"),
        "notes": ["a note"],
        "quarantine": [{"name": "n50", "label": "", "reason": "no features"}],
    }


def test_as_many_predictions_as_fit_are_all_printed():
    frame = pd.DataFrame({"source": ["a"], "target": ["b"], "probability": [0.25]})
    assert [line.split() for line in Predictions(frame, "pair").lines()] == [
        ["a", "-", "b", "25.0", "%"]
    ]


def test_known_edges_are_marked():
    frame = pd.DataFrame(
        {
            "source": ["a", "a"],
            "target": ["b", "c"],
            "probability": [0.9, 0.25],
            "is_edge": [True, False],
        }
    )
    found = Predictions(frame, "pair", marks={"is_edge": "already an edge"})
    assert list(found.lines()) == [
        "a - b     90.0 %  (already an edge)",
        "a - c     25.0 %",
    ]


def test_embeddings_without_columns_are_refused(tmp_path):
    with pytest.raises(SettingError, match="has no embeddings"):
        write_embeddings(tmp_path / "v.csv", np.array(["a"]), np.zeros((1, 0)))
    assert not (tmp_path / "v.csv").exists()


def test_embeddings_of_another_suffix_are_refused(tmp_path):
    with pytest.raises(SettingError, match=r"must be a \.csv or \.npz file"):
        check_embeddings_path(str(tmp_path / "v.txt"))


def test_a_name_prints_no_line_of_its_own():
    frame = pd.DataFrame({"id": ["a\nb  cat"], "predicted": ["dog\tcat"]})
    assert list(Predictions(frame, "node").lines()) == [r"a\nb  cat  dog\tcat"]
