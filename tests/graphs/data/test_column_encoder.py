"""Columns of dates, codes, several texts and huge numbers."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from vicinal.graphs.data.column_encoder import encoder_of_column
from vicinal.graphs.data.node_features import FeatureEncoder


@pytest.mark.parametrize(
    "cells",
    [
        ["1970-01-02", "1970-01-04", ""],
        ["1970/01/02", "1970/01/04", None],
        ["1970-01-02 00:00:00", "1970-01-04T02:00:00+02:00", float("nan")],
        [datetime(1970, 1, 2), datetime(1970, 1, 4), pd.NaT],
        pd.to_datetime(["1970-01-02", "1970-01-04", None]).tolist(),
    ],
)
def test_dates_are_days(cells):
    encoder, note = encoder_of_column("joined", cells)
    assert encoder is not None and encoder.kind == "date" and "dates" in note
    assert (encoder.mean, encoder.std) == (2, 1)  # of the days 1 and 3
    assert encoder.transform(cells).tolist() == [[-1, 0], [1, 0], [0, 1]]
    assert encoder.transform(["1970-01-06", "soon"]).tolist() == [[3, 0], [0, 1]]
    assert "'soon' not a date" in encoder.describe_unreadable(["soon", ""])


def test_other_dates_are_ignored_with_a_hint():
    cells = [f"{day:02}.04.2015" for day in range(1, 29)]
    encoder, note = encoder_of_column("joined", cells)
    assert encoder is None and "must be written as 2015-04-13" in note


def test_codes_with_leading_zeros_are_categories():
    cells = ["02139", "10001", "94110", "10001"] * 3
    encoder, note = encoder_of_column("zip", cells)
    assert encoder is not None and encoder.categories == ("02139", "10001", "94110")
    assert "codes such as '02139'" in note
    for cells in ([2139, "02139"] * 4, [" 02139", "2139"] * 4):
        encoder, note = encoder_of_column("zip", cells)
        assert encoder is not None and encoder.categories == ("02139", "2139")
        assert "codes such as '02139'" in note
    for numbers in (["0", "10", "2"], ["0.5", "01.5"], ["0", "1"]):
        encoder, _ = encoder_of_column("n", numbers)
        assert encoder is not None and not encoder.categories


def test_several_texts_of_a_cell_are_indicators():
    frame = pd.DataFrame({"tags": ["rock|folk", "folk | pop", "", "rock", "pop"] * 2})
    encoder, notes = FeatureEncoder.from_features(frame)
    assert encoder.feature_names()[:3] == ["tags=folk", "tags=pop", "tags=rock"]
    x = encoder.transform(frame, 10)[:4, :3]
    assert x.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert len(notes) == 1 and "split at |" in notes[0]
    restored = FeatureEncoder.from_dict(encoder.to_dict())
    other = pd.DataFrame({"tags": ["pop|jazz", "pop"]})
    assert restored.transform(other, 2)[:, :3].tolist() == [[0, 1, 0], [0, 1, 0]]
    (line,) = restored.describe_unreadable(other)
    assert "1 cell such as 'pop|jazz'" in line


def test_numbers_beyond_float32_are_missing():
    cells = ["1", "3", "1e300", "-inf"] + ["1", "3"] * 20
    encoder, note = encoder_of_column("a", cells)
    assert encoder is not None and "2 cells such as '1e300'" in note
    assert (encoder.mean, encoder.std) == (2, 1)
    assert np.isfinite(encoder.transform(cells)).all()
    matrix = encoder.transform([1.0, 1e300])
    assert matrix.tolist() == [[-1, 0], [0, 1]]


def test_integers_beyond_any_float_are_missing():
    cells = [10**400, *([1, 3] * 20)]
    encoder, note = encoder_of_column("a", cells)
    assert encoder is not None and "1 cell such as 1000000" in note
    assert encoder.transform(cells)[:2].tolist() == [[0, 1], [-1, 0]]
