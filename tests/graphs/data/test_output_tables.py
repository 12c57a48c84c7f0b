"""Predictions and embeddings as printed lines and files."""

import numpy as np
import pandas as pd
import pytest

from vicinal.core.report.console import Console
from vicinal.core.report.predictions import MAX_PREDICTIONS
from vicinal.errors import SettingError
from vicinal.graphs.data.output_tables import PredictionOutput


def test_only_the_first_predictions_are_printed(capsys):
    n = MAX_PREDICTIONS + 2
    frame = pd.DataFrame({"id": [f"n{k}" for k in range(n)], "predicted": [1.5] * n})
    files = PredictionOutput(None, None)
    found = files.write(frame, "node", [], ["a note"], Console(False))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["n0", "1.5"]
    assert lines[-1] == "... and 2 more (--output FILE.csv takes all)"
    assert (found["n"], found["output"], found["notes"]) == (n, None, ["a note"])


def test_embeddings_without_columns_are_refused(tmp_path):
    files = PredictionOutput(None, str(tmp_path / "v.csv"))
    with pytest.raises(SettingError, match="has no embeddings"):
        files.write_embeddings(np.array(["a"]), np.zeros((1, 0)), Console(False))
    assert not (tmp_path / "v.csv").exists()
