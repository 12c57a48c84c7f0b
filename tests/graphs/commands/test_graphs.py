"""The commands for whole graphs: from tables to a report and explanations."""

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest


def test_training_writes_a_complete_run(run_command, rings, check_files):
    output = run_command("check", rings)
    assert (
        output.code == 0 and "task: classification (one class per graph)" in output.out
    )
    assert "60 graphs: 5 to 9 (median 7) nodes" in output.out
    output = run_command("train", rings, "--epochs", "3")
    assert output.code == 0, output.err
    run = Path("runs/rings")
    check_files(run)
    for words in (
        "rings: classification (GraphClassifier)",
        "network 1 (gin):",
        "baseline: linear model without edges",
        "vicinal explain runs/rings DATA NAME",
    ):
        assert words in output.out, words
    epochs = [line for line in output.out.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == 3 and all("val loss" in line for line in epochs)
    assert not any(line.endswith(" *") for line in epochs)  # the last one is kept
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["score"]["value"] == 1
    assert metrics["statistics"]["graphs"] == 60
    rows = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 60 and rows[0]["label"] == "ring"
    assert "Results" in run_command("report", run).out


def test_the_test_split_and_other_graphs_are_evaluated(run_command, graph_run, home):
    rings, run = home / "rings", Path(graph_run)
    metrics = json.loads((run / "metrics.json").read_text())
    found = run_command("evaluate", run, "--json").json()
    assert found["score"] == metrics["score"]
    output = run_command("evaluate", run, rings)  # not on the graphs of training
    assert "this is the data of the run: its test split is evaluated" in output.out
    found = run_command("evaluate", run, rings, "--json").json()
    assert found["score"] == metrics["score"]
    copy = shutil.copytree(rings, "copy")
    found = run_command("evaluate", run, copy, "--json").json()
    assert found["score"]["n"] == 60
    assert "of these 60 graphs have the name of a training graph" in found["notes"][0]


def test_quarantined_rows_of_other_graphs_are_listed(run_command, graph_run, home):
    copy = Path(shutil.copytree(home / "rings", "copy"))
    with (copy / "edges.csv").open("a") as file:
        file.write("\ng1,0,\n")
    found = run_command("evaluate", graph_run, copy, "--json").json()
    rows = [note for note in found["notes"] if note.startswith("quarantined: ")]
    assert len(rows) == 1 and "target is empty" in rows[0]
    assert rows[0] in run_command("evaluate", graph_run, copy).out


def test_other_graphs_are_predicted_and_explained(
    run_command, refused, graph_run, home
):
    Path("new.csv").write_text(
        "graph_id,source,target\nx,a,b\nx,b,c\nx,c,d\nx,d,e\nx,e,a\nx,a,c\n"
    )
    output = run_command("predict", graph_run, "new.csv")
    assert output.code == 0 and output.out.startswith("x") and "chord" in output.out
    found = run_command("explain", graph_run, "new.csv", "x", "--json").json()
    assert found["target"] == "chord" and len(found["nodes"]) == 5
    effects = {row["id"]: row["effect"] for row in found["nodes"]}
    assert min(effects["x:a"], effects["x:c"]) > max(effects["x:d"], effects["x:e"])
    words = ("explain", graph_run, "new.csv", "x", "--output", "x.html", "--seed", "3")
    output = run_command(*words)
    assert output.code == 0 and "all 5 possible choices" in output.out
    assert "x:a" in Path("x.html").read_text()
    output = run_command("predict", graph_run, "new.csv", "--embeddings", "x.csv")
    assert output.code == 0 and pd.read_csv("x.csv")["id"].tolist() == ["x"]
    message = refused("explain", graph_run, "new.csv", "y")
    assert "There is no graph 'y'" in message
    message = refused("explain", graph_run, home / "rings", "nope")
    assert "g17 and 50 more" in message and "g23" not in message
    message = refused("explain", graph_run, "new.csv", "x", "--target", "star")
    assert "There is no class 'star'. Known: chord, ring." in message


def test_the_score_of_a_network_is_taken_apart(run_command, gin_run, home):
    rings = home / "rings"
    found = run_command("inspect", gin_run, rings, "g1", "--json").json()
    assert found["max_error"] < 1e-3 and len(found["nodes"]) == 6
    total = found["bias"] + sum(row["term"] for row in found["nodes"])
    assert total == pytest.approx(found["score"], abs=1e-3)
    words = ("inspect", gin_run, rings, "g1", "--target", "ring")
    other = run_command(*words, "--json").json()
    assert other["score"] != found["score"] or found["target"] == "ring"
    output = run_command("inspect", gin_run, rings, "g1")
    assert "log sum" in output.out and "g1:0" in output.out
    output = run_command("inspect", gin_run, rings, "g1", "--node", "g1:0")
    assert output.code == 0 and "layers.2 (GIN) at g1:0" in output.out


def test_what_cannot_be_inspected_is_refused(refused, graph_run, gin_run, home):
    rings = home / "rings"
    message = refused("inspect", graph_run, rings, "g1")
    assert "The linear baseline has no layers" in message
    for words, expected in (
        (["nobody"], "no graph 'nobody'"),
        (["g1", "--node", "g2:0"], "no node 'g2:0'"),
        (["g1", "--target", "star"], "no class 'star'"),
    ):
        assert expected in refused("inspect", gin_run, rings, *words)


def test_graphs_are_not_merged_into_one(refused, rings):
    for command, domain in (("check", "nodes"), ("train", "links")):
        message = refused(command, rings, "--domain", domain)
        assert "Nodes of different graphs have the same name: '0' is a node" in message
        assert "in the column 'graph_id'" in message and "--domain graphs" in message


def test_one_csv_of_all_graphs_is_trained_on(run_command, refused, rings):
    edges = (rings / "edges.csv").read_text().splitlines()
    labels = dict(
        line.split(",") for line in (rings / "graphs.csv").read_text().splitlines()[1:]
    )
    rows = [edges[0] + ",label"]
    rows += [f"{line},{labels[line.split(',')[0]]}" for line in edges[1:]]
    Path("all.csv").write_text("\n".join(rows))
    output = run_command("train", "all.csv", "--network", "none", "--json")
    assert output.json()["score"]["value"] == 1
    rows[2] = rows[2].replace("ring", "chord")
    Path("all.csv").write_text("\n".join(rows))
    assert "Graph 'g0' must have one label" in refused("train", "all.csv")


def test_columns_that_the_user_names(run_command, rings):
    names = {"graph_id": "molecule", "id": "atom", "source": "a", "target": "b"}
    for file in Path(rings).glob("*.csv"):
        frame = pd.read_csv(file).rename(columns={**names, "label": "shape"})
        frame.to_csv(file, index=False)
    flags = ["--graph-column", "molecule", "--source-column", "a"]
    flags += ["--destination-column", "b", "--target", "shape"]
    if (Path(rings) / "nodes.csv").exists():
        flags += ["--id-column", "atom"]
    output = run_command("check", rings, *flags)
    assert output.code == 0 and "60 labelled graphs: 2 classes" in output.out
    output = run_command("train", rings, *flags, "--network", "none")
    assert output.code == 0, output.err
    output = run_command("predict", "runs/rings", rings, "--json")
    assert output.code == 0 and output.json()["n"] == 60
    output = run_command("explain", "runs/rings", rings, "g1")
    assert output.code == 0, output.err
