"""The summary of a training run: what metrics.json holds."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.evaluation.evaluation import evaluate_predictions
from vicinal.core.objective import SingleLabel


class PointRun(TrainingRun):
    domain = "points"
    unit = "point"

    def data_statistics(self) -> dict[str, Any]:
        return {"points": 4}


def test_the_summary_has_the_notes_of_the_data_and_of_the_evaluation(tmp_path):
    objective, y = SingleLabel(("a", "b")), np.array([0, 1, 1, 0])
    estimator = SimpleNamespace(
        objective_=objective,
        split_=np.array(["test"] * 4),
        comparison_=None,
        model_description="the linear baseline",
        history_=[],
        final_networks=[],
    )
    data = SimpleNamespace(notes=["a column was left out"], quarantined=[])
    run: Any = SimpleNamespace(folder=tmp_path)
    points = PointRun(estimator, data, run, "points.csv")
    assert points.summary()["notes"] == ["a column was left out"]
    predicted = np.where(y[:, None] == [0, 1], 0.8, 0.2)
    table = pd.DataFrame({"label": np.array(["a", "b"])[y]})
    points.evaluation = evaluate_predictions(
        objective, y, predicted, table, 0, "most frequent", ["a point was left out"]
    )
    expected = ["a column was left out", "a point was left out"]
    assert points.summary()["notes"] == expected
