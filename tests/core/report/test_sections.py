"""The sections of a training report: headings, totals, and figures by hand."""

from math import nan

import numpy as np
import pandas as pd
import pytest

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.evaluation.evaluation import Evaluation, evaluate_predictions
from vicinal.core.metrics import Score
from vicinal.core.objective import Numeric, SingleLabel
from vicinal.core.report import sections
from vicinal.core.report.report import Figure, Matrix, Report, Section, Table, Text
from vicinal.core.training.history import Epoch

OBJECTIVE = SingleLabel(("ant", "bee", "cow"))
Y = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 0, 2, 2, 2])


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    probabilities = np.eye(3)[PREDICTED]
    frame = pd.DataFrame()
    return evaluate_predictions(
        OBJECTIVE, Y, probabilities, frame, 0, "most frequent class", ["a note"]
    )


def of_type(section: Section, kind: type) -> list:
    return [block for block in section.blocks if isinstance(block, kind)]


def history(*losses: float, best: int = 1) -> list[Epoch]:
    return [
        Epoch(k, 1 / k, loss, nan if np.isnan(loss) else 0.5, 0.1, 2.0, 50.0, k == best)
        for k, loss in enumerate(losses, 1)
    ]


def test_the_split_table_has_totals():
    split = np.array(["train", "train", "val", "test", "train"])
    labels = np.array(["a", "b", "a", "b", "a"])
    table = sections.split_table(split, labels, ("a", "b"), unit="image")
    assert table.columns == ["class", "train", "val", "test", "total"]
    assert table.rows == [["a", 2, 1, 0, 3], ["b", 1, 0, 1, 2]]
    assert table.totals == [["total", 3, 1, 1, 5]]
    plain = sections.split_table(split, unit="node")
    assert plain.columns == ["split", "nodes"]
    assert plain.rows == [["train", 3], ["val", 1], ["test", 1]]
    assert plain.totals == [["total", 5]]


def test_the_data_section_ends_with_the_notes():
    table = Table(["split", "images"], [["train", 3]])
    section = sections.data_section(["3 images"], table, notes=["a column is ignored"])
    assert section == Section(
        "Data",
        [Text("3 images."), table, Text("A column is ignored.", "warning")],
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("three rows are left out", "Three rows are left out."),
        ("valid.txt: 9 triples", "valid.txt: 9 triples."),
        ("rows.", "Rows."),
        ("is it?", "Is it?"),
        ("", "."),
    ],
)
def test_a_sentence_begins_with_a_capital_or_a_file_name(text, expected):
    assert sections.sentence(text) == expected


def test_the_quarantine_section_counts_and_lists():
    rows = [Quarantined("a.png", "cat", "truncated"), Quarantined("b.png", "", "empty")]
    section = sections.quarantine_section(rows, 1799, "image")
    assert section.title == "Quarantine"
    assert section.blocks == [
        Text("2 of 1,799 images quarantined; see data/quarantine.csv."),
        Table(["image", "label", "reason"], [list(row) for row in rows]),
    ]
    none = sections.quarantine_section([], 10, "node")
    assert none.blocks == [Text("No node was quarantined.")]


def test_a_long_table_says_what_is_left_out():
    table = sections.truncated_table(["n"], [[k] for k in range(100)], "Numbers.")
    assert len(table.rows) == sections.MAX_ROWS
    assert table.caption.startswith("Numbers. First 40 of 100 rows")


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (
            Score("accuracy", 0.967, 0.938, 0.982, 269),
            "Test accuracy 96.7 % (95 % CI 93.8 to 98.2, n = 269).",
        ),
        (
            Score("mae", 1.5, 1.25, 2.0, 12),
            "Test mean absolute error 1.5 (95 % CI 1.25 to 2, n = 12).",
        ),
        (Score("mae", 1.5, nan, nan, 1), "Test mean absolute error 1.5 (n = 1)."),
    ],
)
def test_the_headline_names_metric_interval_and_n(score, text):
    frame = pd.DataFrame()
    evaluation = Evaluation(score, [], {}, frame, np.zeros(0))
    assert sections.headline(evaluation) == text
    crossed = sections.headline(evaluation, "cross-validation")
    assert crossed.startswith("Cross-validated ")


def test_the_results_section_shows_scores_and_baselines(evaluation):
    other = {"linear baseline": Score("accuracy", 0.7, 0.6, 0.8, 10)}
    section = sections.results_section(
        evaluation, unit="image", other_models=other, temperature=1.25
    )
    headline, verdict, calibration, note = of_type(section, Text)
    assert (section.title, headline.tone) == ("Results", "lead")
    assert verdict.text == evaluation.verdict and verdict.tone == "warning"
    assert "temperature 1.25" in calibration.text
    assert note == Text("A note.", "warning")
    (table,) = of_type(section, Table)
    assert [row[:2] for row in table.rows] == [
        ["this model", "accuracy"],
        ["linear baseline", "accuracy"],
        ["most frequent class", "accuracy"],
        ["this model", "f1_macro"],
    ]
    assert table.columns == ["model", "metric", "value", "low", "high", "n"]
    assert len(of_type(section, Figure)) == 2


def test_without_held_out_examples_there_is_no_score():
    section = sections.results_section(None, unit="graph")
    (text,) = section.blocks
    assert isinstance(text, Text) and text.tone == "warning"
    assert "No score" in text.text and "graphs" in text.text
    assert sections.errors_section(None, unit="graph").blocks == [
        Text("No graph was held out.")
    ]


def test_an_error_is_described_as_better_when_lower():
    y = np.arange(20.0)
    frame = pd.DataFrame()
    evaluation = evaluate_predictions(Numeric(), y, y + 0.1, frame, 9.5, "median")
    section = sections.results_section(evaluation, unit="image")
    assert Text("An error: lower is better.") in section.blocks
    assert sections.errors_section(evaluation, unit="image").blocks == [
        Text("No errors to show.")
    ]


def test_the_errors_section_has_class_scores_with_averages(evaluation):
    section = sections.errors_section(evaluation, unit="image")
    assert section.title == "Errors"
    scores, pairs = of_type(section, Table)
    assert scores.columns == ["class", "precision", "recall", "F1", "support"]
    assert [row[0] for row in scores.rows] == ["bee", "ant", "cow"]  # by recall
    assert scores.rows[0][3] == "66.7 %" and scores.rows[0][4] == 3
    macro, weighted = scores.totals
    assert macro == ["macro average", "80.6 %", "80.6 %", "80.6 %", 10]
    assert weighted == ["weighted average", "80.0 %", "80.0 %", "80.0 %", 10]
    assert pairs.rows == [["ant", "bee", 1], ["bee", "ant", 1]]
    assert pairs.totals == [["all errors", "", 2]]
    (matrix,) = of_type(section, Matrix)
    assert matrix.counts == [[3, 1, 0], [1, 2, 0], [0, 0, 3]]


def test_the_training_section_plots_loss_and_score():
    section = sections.training_section(
        history(0.5, 0.4, 0.6, best=2), metric="accuracy", unit="image"
    )
    text, loss, score = section.blocks
    assert section.title == "Training"
    assert isinstance(text, Text) and text.text == (
        "3 epochs in 6 s (50 images/s). Best epoch 2: validation accuracy 0.5."
    )
    assert isinstance(loss, Figure) and ">loss<" in loss.svg
    assert isinstance(score, Figure) and ">validation accuracy<" in score.svg


def test_the_training_section_says_what_was_selected_and_kept():
    records = history(0.5, 0.4, best=2)
    summary = sections.training_summary(
        records, "mae", "node", selected=False, kept=False
    )
    assert "Last epoch 2: validation mae 0.5; this network was not kept." in summary
    blind = sections.training_section(history(nan), metric="mae", unit="node")
    assert len(blind.blocks) == 2  # nothing was validated: the train loss alone
    assert sections.training_section([], metric="mae", unit="node").blocks == [
        Text("No network was trained.")
    ]


def test_the_configuration_section_repeats_the_run():
    section = sections.configuration_section(
        data="photos",
        seed=3,
        seconds=12.4,
        settings={"lr": 0.1},
        rows=[("network", "resnet18")],
    )
    (table,) = of_type(section, Table)
    values = dict(table.rows)
    assert section.title == "Configuration"
    assert values["data"] == "photos" and values["network"] == "resnet18"
    assert values["random seed"] == "3" and values["time"] == "12 s"
    assert values["changed settings"] == '{"lr": 0.1}' and "Python" in values["vicinal"]


def test_the_sections_make_a_page(evaluation):
    titles = ["Results", "Errors", "Training"]
    report = Report(
        "run",
        "photos",
        [
            sections.results_section(evaluation, unit="image"),
            sections.errors_section(evaluation, unit="image"),
            sections.training_section(history(0.5), metric="accuracy", unit="image"),
        ],
    )
    assert [section.title for section in report.sections] == titles
    assert Report.from_dict(report.to_dict()) == report
    assert all(f"<h2>{title}</h2>" in report.html() for title in titles)
