"""Domains as values: the estimator of a task, and what an opened run knows."""

import json

import pytest

from vicinal.core.domain import OpenRun
from vicinal.domains import DOMAINS, named_domain
from vicinal.errors import DataError


def test_every_estimator_can_be_imported():
    for domain in DOMAINS:
        for task, target in domain.estimators.items():
            assert domain.estimator(task).__name__ == target.rpartition(":")[2]


def test_a_task_that_a_domain_does_not_have_is_a_data_error():
    with pytest.raises(DataError, match=r"multilabel, which links do not have.*: cho"):
        named_domain("links").estimator("multilabel")


def test_a_run_knows_its_data_target_and_training_examples(tmp_path):
    data, run = tmp_path / "graphs.csv", tmp_path / "run"
    (run / "data").mkdir(parents=True)
    settings = {"domain": "graphs", "data": str(data), "parameters": {}}
    settings["options"] = {"target": "solubility"}
    (run / "settings.json").write_text(json.dumps(settings))
    rows = "id,split\ng1,train\ng2,test\nNA,train\n"
    (run / "data" / "splits.csv").write_text(rows)
    opened = OpenRun(str(run), model=None)
    assert opened.is_data(str(tmp_path / "." / "graphs.csv"))
    assert not opened.is_data(str(tmp_path / "other.csv"))
    assert opened.trained_target() == "solubility"
    assert opened.training_names() == {"g1", "NA"}


def test_a_model_directory_says_nothing_of_its_data(tmp_path):
    opened = OpenRun(str(tmp_path), model=None)
    assert not opened.is_data(str(tmp_path)) and opened.trained_target() is None
    assert opened.training_names() == set()
