"""The report of a training run lists every quarantined row, and the calibration."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.evaluation.evaluation import Evaluation, evaluate_predictions
from vicinal.core.objective import SingleLabel
from vicinal.core.report.report import Table
from vicinal.core.report.training_report import ExtraBlocks, RunResults, make_report


class Trained:
    """What the report reads of an estimator."""

    objective_ = SingleLabel(("a", "b"))
    history_: tuple[Any, ...] = ()
    comparison_ = None
    comparison_text = ""
    final_networks: tuple[Any, ...] = ()
    temperature_ = 1.25
    random_state = 7
    validation_metric = "accuracy"
    model_description = "the linear baseline"
    linear_description = "linear model, penalty 0.1"
    baseline_name = "linear baseline"

    def get_params(self) -> dict[str, Any]:
        return {"random_state": 7}


@pytest.fixture
def evaluation() -> Evaluation:
    objective, y = SingleLabel(("a", "b")), np.arange(40) % 2
    predicted = np.where(y[:, None] == [0, 1], 0.8, 0.2)
    names = np.array(["a", "b"])
    table = pd.DataFrame({"label": names[y], "predicted": names[y]})
    return evaluate_predictions(objective, y, predicted, table, 0, "most frequent")


def test_everything_of_a_run_is_in_its_report(evaluation):
    rows = [Quarantined(f"row {k}", "a", f"reason {k}") for k in range(3)]
    results = RunResults(
        name="first",
        source="data.csv",
        unit="row",
        description=["40 rows of 3 columns"],
        splits=Table(["split", "rows"], [["train", 40]]),
        quarantined=rows,
        notes=["a column was left out"],
        evaluation=evaluation,
        linear_score=evaluation.score,
        linear_seconds=1.5,
        seconds=2.0,
        selects_epoch=True,
        extra=ExtraBlocks(),
    )
    report = make_report(Trained(), results)
    titles = [section.title for section in report.sections]
    assert titles == "Data Quarantine Results Errors Training Configuration".split()
    text = report.text()
    for row in rows:
        assert row.name in text and row.reason in text
    assert "temperature 1.25" in text and "This model: the linear baseline." in text
    assert "Linear baseline after 1.5 s: linear model, penalty 0.1." in text
    assert "A column was left out." in text
