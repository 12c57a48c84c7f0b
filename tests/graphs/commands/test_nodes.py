"""The commands for nodes: from tables to a report, predictions and explanations."""

import csv
import json
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from vicinal import load
from vicinal.core.storage.run_folder import CHECKPOINT
from vicinal.graphs.nodes import ensemble


def test_check_describes_the_graph(run_command, town):
    output = run_command("check", town)
    assert output.code == 0
    assert "task: classification (one class per node)" in output.out
    assert "150 nodes" in output.out and "undirected" in output.out
    assert "150 nodes with a label: 3 classes" in output.out
    assert "homophily" in output.out
    assert "4 columns, 4 features" in output.out
    found = run_command("check", town, "--json").json()
    assert found["statistics"]["num_nodes"] == 150
    assert found["task"] == "classification"
    assert found["features"] == list("abcd")


def test_check_lists_quarantined_edges(run_command, town):
    with (town / "edges.csv").open("a") as file:
        file.write("n1,nobody\nn1,n1\n")
    output = run_command("check", town, "--quarantine", "bad.csv")
    assert "quarantined: n1 - nobody" in output.out and "1 self-loop" in output.out
    rows = list(csv.reader(Path("bad.csv").read_text().splitlines()))
    assert rows[0] == ["name", "label", "reason"] and rows[1][0] == "n1 - nobody"
    found = run_command("check", town, "--json").json()
    assert [row["name"] for row in found["quarantine"]] == ["n1 - nobody"]
    assert found["quarantined"] == 1


def test_check_reports_labels_that_look_like_identifiers(run_command, refused, town):
    output = run_command("check", town, "--target", "id")
    assert output.code == 0 and "If they are identifiers" in output.out
    assert "identifiers and not classes" in refused("train", town, "--target", "id")


def test_check_suggests_a_column_of_labels(run_command, town):
    nodes = (town / "nodes.csv").read_text()
    (town / "nodes.csv").write_text(nodes.replace("label", "topic", 1))
    output = run_command("check", town)
    assert "--target takes another, such as topic" in output.out


def test_columns_that_the_user_names(run_command, refused, town):
    names = {"id": "number", "label": "kind", "source": "one", "target": "two"}
    for path in (town / "nodes.csv", town / "edges.csv"):
        frame = pd.read_csv(path, dtype=str).rename(columns=names).assign(note="x")
        frame.to_csv(path, index=False)
    flags = (
        "--source-column",
        "two",
        "--destination-column",
        "one",
        "--target",
        "kind",
    )
    words = ("--id-column", "number", *flags, "--drop-columns", "b", "d", "note")
    found = run_command("check", town, *words, "--json").json()
    assert found["features"] == ["a", "c"] and found["task"] == "classification"
    assert found["statistics"]["num_nodes"] == 150 and found["quarantined"] == 0
    message = refused("check", town, *flags, "--drop-columns", "e")
    assert "no column 'e'" in message and "number" in message


def test_training_writes_a_complete_run(run_command, town, check_files):
    flags = ("--network", "gcn", "--epochs", "60", "--ensemble-size", "2")
    output = run_command("train", town, *flags)
    assert output.code == 0, output.err
    run = Path("runs/town")
    check_files(run)
    for words in (
        "town: classification (NodeClassifier)",
        "for training",
        "linear baseline after",
        "network 1 (gcn):",
        "2 networks against the linear baseline",
        "baseline: most frequent class",
        "baseline: linear model without edges",
        "baseline: label propagation",
        "vicinal explain runs/town NODE",
    ):
        assert words in output.out, words
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["baselines"]) == {
        "most frequent class",
        "linear model without edges",
        "label propagation",
    }
    rows = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 150
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    page = (run / "report.html").read_text()
    assert all(f"<h2>{title}</h2>" in page for title in ("Data", "Results", "Errors"))
    output = run_command("report", run)
    assert output.code == 0 and "Configuration" in output.out
    assert run_command("evaluate", run, "--json").json()["score"] == metrics["score"]


@pytest.mark.slow
def test_a_network_of_a_worker_process_is_counted(run_command, town, monkeypatch):
    monkeypatch.setattr(ensemble, "num_cores", lambda: 2)
    monkeypatch.setattr(ensemble, "TIMED_EPOCHS", 2)
    monkeypatch.setattr(ensemble, "MIN_WORKER_SECONDS", 0.0)
    flags = ("--network", "gcn", "--epochs", "60", "--ensemble-size", "2")
    output = run_command("train", town, *flags)
    assert output.code == 0, output.err
    assert "network 2 (gcn):" in output.out
    assert "2 networks against the linear baseline" in output.out


def test_nodes_are_predicted_by_name(run_command, node_run):
    output = run_command("predict", node_run, "n3", "n5")
    assert output.code == 0 and output.out.startswith("n3") and " %" in output.out
    found = run_command("predict", node_run, "--json").json()["predictions"]
    assert len(found) == 150 and found[3]["id"] == "n3"
    Path("names.csv").write_text("id\nn7\n")
    assert run_command("predict", node_run, "names.csv").out.startswith("n7")


def test_new_nodes_are_predicted_and_explained(run_command, refused, node_run):
    Path("new.csv").write_text("id,a,b,c,d\nx,0,0,2,0\ny,2,0,0,0\n")
    Path("new-edges.csv").write_text("source,target\nx,n1\n")
    new = ("--new-nodes", "new.csv", "--new-edges", "new-edges.csv")
    rows = run_command("predict", node_run, *new, "--json").json()["predictions"]
    assert [row["id"] for row in rows] == ["x", "y"]
    assert [row["isolated"] for row in rows] == [False, True]
    output = run_command("predict", node_run, *new, "--output", "predictions.csv")
    assert "1 isolated node" in output.out
    assert len(Path("predictions.csv").read_text().splitlines()) == 3
    for command in ("explain", "inspect"):
        assert "There is no node" not in run_command(command, node_run, "x", *new).err
        assert refused(command, node_run, "x").startswith("There is no node 'x'")
    found = run_command("explain", node_run, "x", *new, "--json").json()
    assert found["max_error"] < 1e-4
    assert found["score"] == pytest.approx(rows[0]["probability"], abs=1e-4)


def test_unusable_rows_of_new_nodes_are_quarantined(run_command, node_run):
    Path("new.csv").write_text("id,a,b,c,d\nx,much,0,2,0\n,2,0,0,0\nx,1,1,1,1\n")
    Path("new-edges.csv").write_text("source,target\nx,n1\nx,nobody\n")
    new = ("--new-nodes", "new.csv", "--new-edges", "new-edges.csv")
    output = run_command("predict", node_run, *new)
    assert output.code == 0
    assert "quarantined: x - nobody: line 3" in output.out
    assert "quarantined: line 3: the id is empty" in output.out
    assert "line 4: duplicate of line 2" in output.out
    assert "note: column 'a': 1 cell such as 'much' not a number" in output.out
    found = run_command("predict", node_run, *new, "--json").json()
    assert [row["id"] for row in found["predictions"]] == ["x"]
    assert len(found["quarantine"]) == 3
    assert "x - nobody" in run_command("explain", node_run, "x", *new).out


def test_another_graph_is_evaluated(run_command, node_run, town, block_tables):
    nodes, edges = block_tables(seed=3)
    nodes.to_csv("others.csv", index=False)
    edges.to_csv("edges.csv", index=False)
    words = ("evaluate", node_run, "others.csv", "--edges", "edges.csv")
    assert run_command(*words, "--json").json()["score"]["n"] == 150
    nodes.assign(id="other " + nodes["id"]).to_csv("others.csv", index=False)
    ("other " + edges).to_csv("edges.csv", index=False)
    output = run_command(*words)
    assert output.code == 0 and "name of a training node" not in output.out
    with (town / "edges.csv").open("a") as file:
        file.write("nobody,nowhere\n")
    output = run_command("evaluate", node_run, town)
    assert "nodes have the name of a training node" in output.out
    assert "quarantined: " in output.out and "nobody" in output.out


def test_target_of_evaluate_needs_data(refused, node_run):
    message = refused("evaluate", node_run, "--target", "label")
    assert "--target names a column of DATA" in message


def test_resuming_a_finished_run_reproduces_its_score(run_command, refused, town):
    flags = ("--network", "sage", "--epochs", "20", "--ensemble-size", "1")
    assert run_command("train", town, *flags, "--out", "r").code == 0
    before = json.loads(Path("r/metrics.json").read_text())
    output = run_command("train", town, "--out", "r", "--resume")
    assert output.code == 0, output.err
    after = json.loads(Path("r/metrics.json").read_text())
    assert after["score"] == before["score"]
    assert not Path("r", CHECKPOINT).exists()
    message = refused("train", town, "--out", "r", "--resume", "--hidden", "8")
    assert "hidden (was 64, now 8)" in message


@pytest.mark.parametrize("suffix", ["graphml", "gml"])
def test_files_of_networkx_are_trained_on(run_command, suffix):
    path = f"club.{suffix}"
    getattr(nx, f"write_{suffix}")(nx.karate_club_graph(), path)
    output = run_command("train", path, "--target", "club", "--network", "none")
    assert output.code == 0, output.err
    assert "34 nodes, 78 edges (undirected, weighted)" in output.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train", "town/edges.csv"), "No node has a label"),
        (("train", "town", "--target", "colour"), "no column 'colour'"),
        (("train", "town", "--target", "labels"), "Did you mean 'label'"),
        (("train", "town", "--network", "gnn"), "gnn"),
        (("train", "town", "--dropout", "1.5"), "dropout must be from 0"),
        (("train", "town", "--resume"), "--resume needs --out"),
        (("train", "town/nodes.csv", "--target", "label"), "--edges"),
        (("train", "town/nodes.csv", "--edges", "none.csv"), "none.csv. Check"),
        (("train", "town/edges.csv", "--target", "label"), "is a column of nodes"),
        (("check", "town/edges.csv", "--task", "odd"), "odd"),
    ],
)
def test_a_user_error_is_one_message_and_leaves_no_run(
    run_command, town, words, expected
):
    output = run_command(*words)
    assert output.code == 2 and expected in output.err
    assert "Traceback" not in output.err
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_an_unknown_node_is_refused_with_similar_names(refused, node_run):
    assert "There is no node 'n1x'. Did you mean" in refused("predict", node_run, "n1x")
    assert "--new-nodes" in refused("predict", node_run, "n99999")


def test_a_list_of_names_needs_a_column_of_names(refused, node_run):
    Path("names.csv").write_text("town\nn7\n")
    assert "names.csv has no column of node names" in refused(
        "predict", node_run, "names.csv"
    )
    assert "There is nothing at gone.csv" in refused("predict", node_run, "gone.csv")


def test_the_linear_baseline_is_explained_by_nodes(run_command, refused, node_run):
    output = run_command("explain", node_run, "n4")
    assert output.code == 0 and "by the linear baseline" in output.out
    assert "nodes contribute to the" in output.out
    found = run_command("explain", node_run, "n4", "--json").json()
    assert found["max_error"] < 1e-4 and found["nodes"][0]["share"] > 0
    assert "has no layers" in refused("inspect", node_run, "n4")
    message = refused("explain", node_run, "n4", "--target", "k9")
    assert "There is no class 'k9'. Known: k0, k1, k2." in message


@pytest.mark.parametrize(
    "suffix", [".html", ".png", ".svg", pytest.param(".pdf", marks=pytest.mark.slow)]
)
def test_an_explanation_is_plotted(suffix, run_command, node_run):
    path = Path(f"n4{suffix}")
    output = run_command("explain", node_run, "n4", "--output", path)
    assert output.code == 0 and f"plot: {path}" in output.out
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    assert path.read_bytes().startswith(starts.get(suffix, b"<!"))
    if suffix == ".svg":
        words = ("explain", node_run, "n4", "--output", path, "--json")
        found = run_command(*words).json()
        assert found["plot"] == str(path) and found["nodes"]


def test_output_paths_are_checked_before_any_work(run_command, refused, node_run):
    Path("predictions.csv").mkdir()
    for words in (
        ["explain", node_run, "nobody", "--output", "gone/n4.png"],
        ["predict", node_run, "nobody", "--output", "gone/predictions.csv"],
        ["predict", node_run, "nobody", "--embeddings", "gone/vectors.npz"],
        ["evaluate", node_run, "gone.csv", "--output", "gone/predictions.csv"],
    ):
        message = refused(*words)
        assert "cannot be written" in message and "nobody" not in message
    message = refused("predict", node_run, "--output", "predictions.csv")
    assert "it is a directory. Name a file." in message
    message = refused("predict", node_run, "--output", "predictions.json")
    assert "must be a .csv file" in message


def test_a_plot_of_an_unknown_suffix_is_refused(refused, node_run):
    message = refused("explain", node_run, "n4", "--output", "n4.txt")
    assert "--output must end in .html, .png, .svg, .pdf" in message
    assert not Path("n4.txt").exists()


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_embeddings_are_written(suffix, run_command, refused, gcn_run):
    path = Path(f"vectors.{suffix}")
    output = run_command("predict", gcn_run, "n4", "n7", "--embeddings", path)
    assert output.code == 0 and f"embeddings [2, 64]: {path}" in output.out
    expected = load(gcn_run).transform(["n4", "n7"])
    if suffix == "csv":
        frame = pd.read_csv(path, index_col="id")
        ids, vectors = frame.index.tolist(), frame.to_numpy()
    else:
        with np.load(path, allow_pickle=False) as file:
            ids, vectors = file["ids"].tolist(), file["embeddings"]
    assert ids == ["n4", "n7"] and expected.shape == (2, 64) and expected.any()
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-7)
    message = refused("predict", gcn_run, "--embeddings", "vectors.txt")
    assert "--embeddings must be a .csv or .npz file" in message


def test_label_propagation_has_no_embeddings(run_command, node_run):
    assert load(node_run).linear_.feature_set == "label_propagation"
    output = run_command("predict", node_run, "--embeddings", "v.csv")
    assert output.code == 2 and "has no embeddings" in output.err
    assert output.out == "" and not Path("v.csv").exists()


@pytest.mark.parametrize(
    "kind", ["numeric", pytest.param("multilabel", marks=pytest.mark.slow)]
)
def test_numbers_and_several_labels_are_explained(
    run_command, refused, town, labelled, kind
):
    labelled(kind)
    run_command("train", town, "--network", "none", "--out", "linear")
    output = run_command("explain", "linear", "n4")
    assert output.code == 0 and "node" in output.out
    assert "Contribution of features to" in output.out
    found = run_command("explain", "linear", "n4", "--json").json()
    assert found["max_error"] < 1e-4 and len(found["features"])
    if kind == "numeric":
        assert found["quantity"] == "number" and found["target"] is None
        terms = [node["contributions"][0] for node in found["nodes"]]
        total = sum(terms) + found["base"][0]
        assert total == pytest.approx(found["score"], abs=1e-3)
        message = refused("explain", "linear", "n4", "--target", "high")
        assert "the model predicts a number" in message
    else:
        output = run_command("explain", "linear", "n4", "--target", "low")
        assert output.out.startswith("n4: low")
    flags = ("--network", "sage", "--keep", "network", "--epochs", "3")
    run_command("train", town, *flags, "--ensemble-size", 1, "--out", "sage")
    output = run_command("explain", "sage", "n4")
    quantity = "predicted number" if kind == "numeric" else "log-odds of"
    assert output.code == 0 and f"Attribution of the {quantity}" in output.out
    output = run_command("inspect", "sage", "n4")
    line = "predicted number: " if kind == "numeric" else "logits: high"
    assert line in output.out


def test_the_messages_of_a_network_are_shown(run_command, refused, gcn_run):
    output = run_command("inspect", gcn_run, "n4")
    assert output.code == 0 and "layers.1 (GCN) at n4" in output.out
    assert "logits: k0" in output.out
    found = run_command("inspect", gcn_run, "n4", "--json").json()
    assert max(layer["max_error"] for layer in found["layers"]) < 1e-5
    z = np.array(found["layers"][-1]["output"]) / found["temperature"]
    probabilities = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    assert found["probability"] == pytest.approx(probabilities.max(), abs=1e-4)
    assert f"calibrated (temperature {found['temperature']:.3g})" in output.out
    for name in ("tree.html", "tree.png"):
        output = run_command("inspect", gcn_run, "n4", "--output", name)
        assert output.code == 0 and "error" in output.out and Path(name).exists()
    page = Path("tree.html").read_text()
    assert "after layer 2" in page and "Computation graph of n4: gcn" in page
    message = refused("inspect", gcn_run, "n4", "--output", "tree.txt")
    assert "--output must end in" in message


def test_a_network_is_explained_by_edges(run_command, gcn_run):
    output = run_command("explain", gcn_run, "n4")
    assert output.code == 0 and "draws" in output.out
    assert "Decrease of the log-odds of" in output.out
    assert "to features, by integrated gradients" in output.out


def test_training_with_sampled_neighbours(run_command, refused, town):
    flags = ("--network", "sage", "--num-neighbors", "6", "4", "--epochs", "3")
    words = ("train", town, *flags)
    output = run_command(*words, "--ensemble-size", "1", "--memory", "0.5")
    assert output.code == 0
    assert "mini-batches of 6, 4 neighbours per layer" in output.out
    parameters = json.loads(Path("runs/town/settings.json").read_text())["parameters"]
    assert parameters["num_neighbors"] == [6, 4] and parameters["memory"] == 0.5
    output = run_command(*words, "--out", "runs/town", "--resume")
    assert output.code == 0, output.err
    message = refused("train", town, "--num-neighbors", "6", "--network", "sage")
    assert "a number for each of 2 layers" in message
    assert not Path("runs/town-2").exists()


def test_a_run_lists_quarantined_rows_notes_and_unused_nodes(run_command, town):
    nodes = pd.read_csv(town / "nodes.csv")
    split = np.resize(["train", "train", "val", "test"], len(nodes))
    nodes["split"] = np.where(np.arange(len(nodes)) % 10, split, "")
    nodes.loc[nodes["split"] == "test", "label"] = nodes["label"].mode()[0]
    nodes.loc[[3, 7], "label"] = "seen in no training node"
    nodes.to_csv(town / "nodes.csv", index=False)
    edges = (town / "edges.csv").read_text()
    (town / "edges.csv").write_text(f"{edges.rstrip()}\nn1,nobody\n")
    output = run_command("train", town, "--network", "none")
    assert output.code == 0, output.err
    note = "classes without a training node, left out: seen in no training node"
    assert f"note: {note}" in output.out and "1 row quarantined" in output.out
    run = Path("runs/town")
    metrics = json.loads((run / "metrics.json").read_text())
    assert note in metrics["notes"] and metrics["quarantined"] == 1
    listed = pd.read_csv(run / "data" / "splits.csv", keep_default_na=False)
    assert set(listed["split"]) == {"train", "val", "test"}
    assert len(listed) == sum(metrics["splits"].values()) < len(nodes)
    new = "id,a,b,c,d\nnew,0,0,0,0\n"
    Path("new.csv").write_text(new)
    Path("new-edges.csv").write_text("source,target\nnew,n1\nnew,nobody\n")
    words = ("--new-nodes", "new.csv", "--new-edges", "new-edges.csv")
    assert "quarantined: new - nobody" in run_command("predict", run, *words).out


def test_evaluate_scores_the_test_split_that_another_graph_gives(
    run_command, town, node_run
):
    nodes = pd.read_csv(town / "nodes.csv")
    nodes["id"] = "other-" + nodes["id"]
    nodes["split"] = np.where(np.arange(len(nodes)) < 30, "test", "train")
    edges = "other-" + pd.read_csv(town / "edges.csv").astype(str)
    other = town.parent / "other"
    other.mkdir()
    nodes.to_csv(other / "nodes.csv", index=False)
    edges.to_csv(other / "edges.csv", index=False)
    found = run_command("evaluate", node_run, other, "--json").json()
    assert found["score"]["n"] == 30
    assert "only nodes of the test split are scored" in found["notes"]
