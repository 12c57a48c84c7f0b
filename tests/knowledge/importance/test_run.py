"""The commands and the run of importance."""

import json
from pathlib import Path

import pytest

from vicinal.core.domain import OpenRun
from vicinal.core.report.console import Console
from vicinal.core.storage.run_folder import Run
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.knowledge.importance import commands
from vicinal.knowledge.importance.domain import (
    IMPORTANCE,
    CheckImportance,
    ExplainImportance,
    ImportanceData,
    InspectImportance,
    PredictImportance,
)
from vicinal.knowledge.importance.regressor import ImportanceRegressor
from vicinal.knowledge.importance.run import ImportanceRun


@pytest.fixture
def console() -> Console:
    return Console(json=True)


@pytest.fixture
def files(films, tmp_path) -> tuple[str, str]:
    triples, nodes = films
    paths = tmp_path / "films.tsv", tmp_path / "nodes.csv"
    triples.to_csv(paths[0], sep="\t", index=False, header=False)
    nodes.to_csv(paths[1], index=False)
    return str(paths[0]), str(paths[1])


def test_a_run_writes_its_results(files, tmp_path, few_trees):
    data, nodes = files
    parameters = {"target": "views", "minutes": 0, "folds": 2}
    table, task = commands.read(data, ImportanceData(nodes=nodes), parameters)
    assert task == "importance" and table.target_name == "views"
    estimator = IMPORTANCE.estimator(task)(**parameters)
    estimator.check_data(table)
    with Run.create(tmp_path / "run") as run:
        work = ImportanceRun(estimator, table, run, data)
        lines = [str(step) for step in work.steps()]
        summary = json.loads((run.folder / "metrics.json").read_text())
        report = (run.folder / "report.txt").read_text()
    text = "\n".join(lines)
    assert "log(1 + views) is predicted" in text and "split: 2 folds of 160" in text
    assert "200 entities" not in text
    names = [row["model"] for row in summary["models"]]
    assert names[:3] == ["blend of ridge and boosting", "ridge", "boosting"]
    assert summary["score"]["metric"] == "spearman"
    assert "PageRank" in report and "Highest predictions" in report
    assert "won" in report and "NDCG@100" in report
    assert (tmp_path / "run" / "predictions.csv").exists()


def test_check_describes_the_graph_and_the_target(files, console):
    data, nodes = files
    found = commands.check(data, CheckImportance(nodes=nodes, top=3), console)
    text = "\n".join(found.lines)
    assert "target views: 160 entities" in text and "betweenness: share" in text
    assert len(found.extra["centralities"]) == 3
    found = commands.check(data, CheckImportance(top=0), console)
    assert "no target" in found.lines[-1] and not found.extra
    with pytest.raises(SettingError, match="top must be"):
        commands.check(data, CheckImportance(top=-1), console)
    table = "id,views,year,type\nfilm-001,3,2000,film\n"
    Path(nodes).write_text(table)
    found = commands.check(data, CheckImportance(nodes=nodes, top=0), console)
    assert "no target" in found.lines[-1] and "'year'" in "; ".join(found.notes)
    with pytest.raises(DataError, match="no column 'visits'"):
        commands.check(data, CheckImportance(nodes=nodes, target="visits"), console)


def test_commands_on_a_model(regressor, console, tmp_path):
    run = OpenRun("run", regressor)
    found = commands.predict(run, PredictImportance(top=5), console)
    assert len(found.frame) == 5 and found.frame["label"].isna().all()
    found = commands.predict(run, PredictImportance(["Film 001"]), console)
    assert found.frame["entity"].tolist() == ["film-001"]
    facts = tmp_path / "facts.tsv"
    rows = ["new\tstars\tperson-001", "new\tgenre\tgenre-1", "new\twon\tother"]
    facts.write_text("\n".join([*rows, "film-001\tgenre\tgenre-2"]) + "\n")
    found = commands.predict(run, PredictImportance(facts=str(facts)), console)
    assert found.frame["entity"].tolist() == ["new"] and "2 triples" in found.notes[-1]
    facts.write_text("\n".join([*rows, "newer\tgenre"]) + "\n")
    found = commands.predict(run, PredictImportance(facts=str(facts)), console)
    assert len(found.quarantined) == 1 and len(found.frame) == 1
    facts.write_text("film-001\tgenre\tgenre-2\n")
    with pytest.raises(NoDataError, match="no new entity"):
        commands.predict(run, PredictImportance(facts=str(facts)), console)
    shown = commands.explain(run, ExplainImportance("film-001"), console)
    text = "\n".join(shown.text)
    assert "labels of sharers" in text and "typical entity" in text
    assert json.dumps(shown.data) and shown.data["sharers"]
    shown = commands.inspect(run, InspectImportance(2), console)
    assert json.dumps(shown.data) and "more" in "\n".join(shown.text)
    assert str(
        commands.evaluate(run, IMPORTANCE.commands["evaluate"].arguments(), console)
    )


def test_training_stops_when_it_is_asked_to(films, few_trees):
    from vicinal.core.training.trainer import TrainingInterrupted

    triples, nodes = films
    model = ImportanceRegressor(target="views", folds=2)
    table = model.read(triples, nodes=nodes.head(40))
    model.start_fit()
    model.fit_baseline(table)
    with pytest.raises(TrainingInterrupted):
        list(model.train_network(0.0, stop_requested=lambda: True))
