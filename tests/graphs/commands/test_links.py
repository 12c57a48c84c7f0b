"""The commands for links: from a list of edges to a report and probabilities."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vicinal import load
from vicinal.errors import NoDataError


def test_check_counts_the_pairs_that_are_edges(run_command, town):
    edges = pd.read_csv(town / "edges.csv")
    output = run_command("check", town, "--domain", "links")
    pairs, possible = len(edges), 150 * 149 // 2
    assert output.code == 0
    assert f"{pairs:,} of {possible:,} pairs are edges" in output.out
    edges["kind"] = ["road", "rail"] * (pairs // 2) + ["road"] * (pairs % 2)
    more = edges.assign(kind="canal").head(3)  # pairs that are edges already
    path = Path("edges.csv")
    pd.concat([edges, more]).to_csv(path, index=False)
    words = ("check", path, "--domain=links", "--relation-column", "kind")
    assert "3 relations: road" in run_command(*words).out
    found = run_command(*words, "--json").json()
    assert (found["task"], found["statistics"]["pairs"]) == ("links", pairs)
    assert found["statistics"]["possible_pairs"] == possible
    edges.head(4).to_csv(path, index=False)
    output = run_command("check", path, "--domain", "links")
    assert output.code == 0
    assert "training needs at least 10 connected pairs" in output.out


def test_training_writes_a_complete_run(run_command, town, check_files):
    words = ("train", town / "edges.csv", "--domain", "links")
    output = run_command(*words, "--decoder", "none")
    assert output.code == 0, output.err
    run = Path("runs/edges")
    check_files(run)
    for words in (
        "edges.csv: links (LinkPredictor)",
        "edges for training",
        "linear baseline after",
        "logistic regression on pair features",
        "baseline: common neighbours",
        "baseline: Katz",
        "vicinal explain runs/edges NODE NODE",
    ):
        assert words in output.out, words
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["score"]["metric"] == "auroc" and metrics["score"]["value"] > 0.5
    found = run_command("evaluate", run, "--json").json()
    assert found["score"] == metrics["score"]
    splits = list(csv.DictReader((run / "data/splits.csv").read_text().splitlines()))
    test = [row for row in splits if row["split"] == "test"]
    assert len(test) == metrics["splits"]["test"]
    assert {row["label"] for row in test} == {"edge", "no edge"}
    assert "Errors" in run_command("report", run).out


def test_embeddings_of_the_nodes_are_written(run_command, link_run):
    output = run_command("predict", link_run, "--embeddings", "v.csv")
    assert output.code == 0 and ": v.csv" in output.out
    frame, model = pd.read_csv("v.csv", index_col="id"), load(link_run)
    assert frame.index.tolist() == model.graph_.ids.tolist()
    np.testing.assert_allclose(frame.to_numpy(), model.transform(), atol=1e-5)
    rows = model.transform(["n4", "n2"])
    np.testing.assert_allclose(frame.loc[["n4", "n2"]].to_numpy(), rows, atol=1e-5)
    with pytest.raises(NoDataError, match=r"no node 'n4x'\. Did you mean"):
        model.transform(["n4x"])


def test_the_most_probable_new_edges_are_predicted(run_command, link_run, town):
    edges = {
        frozenset(row.values())
        for row in csv.DictReader((town / "edges.csv").read_text().splitlines())
    }
    found = run_command("predict", link_run, "--top", "7", "--json").json()
    rows = found["predictions"]
    probabilities = [row["probability"] for row in rows]
    assert len(rows) == 7 and probabilities == sorted(probabilities, reverse=True)
    pairs = [(row["source"], row["target"]) for row in rows]
    assert not {frozenset(pair) for pair in pairs} & edges
    names = [name for pair in pairs for name in pair]
    again = run_command("predict", link_run, *names, "--json").json()["predictions"]
    assert [row["probability"] for row in again] == pytest.approx(
        probabilities, abs=1e-4
    )


def test_the_most_probable_new_edges_of_one_node_are_predicted(run_command, link_run):
    words = ("predict", link_run, "n3", "--top", "4", "--json")
    rows = run_command(*words).json()["predictions"]
    expected = load(link_run).most_likely(4, node="n3")
    assert [row["target"] for row in rows] == expected["target"].tolist()
    assert {row["source"] for row in rows} == {"n3"} and len(rows) == 4


def test_pairs_that_are_edges_are_marked(run_command, link_run, town):
    edges = pd.read_csv(town / "edges.csv").astype(str)
    u, v = edges.iloc[0]
    neighbours = {*edges["target"][edges["source"] == u], u}
    neighbours |= {*edges["source"][edges["target"] == u]}
    other = next(name for name in edges["target"] if name not in neighbours)
    lines = run_command("predict", link_run, u, v, u, other).out.splitlines()
    assert lines[0].startswith(f"{u} - {v} ")
    assert lines[0].endswith("  (already an edge)")
    assert lines[1].startswith(f"{u} - {other} ") and lines[1].endswith(" %")


def test_pairs_are_predicted_by_name_or_from_a_csv(run_command, refused, link_run):
    Path("pairs.csv").write_text("source,target\nn1,n2\nn5,n1\n")
    words = ("predict", link_run, "pairs.csv", "--output", "predictions.csv")
    output = run_command(*words)
    assert output.code == 0 and "2 pairs: predictions.csv" in output.out
    message = refused("predict", link_run, "n1", "n2", "n3")
    assert "Names come in pairs" in message
    message = refused("predict", link_run, "n1", "nobody")
    assert "There is no node 'nobody'" in message
    for command in ("predict", "explain"):
        message = refused(command, link_run, "n1", "n1")
        assert "A pair must be two nodes" in message


def test_the_probability_of_an_edge_is_explained(run_command, refused, link_run):
    found = run_command("explain", link_run, "n1", "n2", "--json").json()
    assert found["max_error"] < 1e-5 and len(found["contributions"]) > 10
    row = run_command("predict", link_run, "n1", "n2", "--json").json()["predictions"]
    assert found["probability"] == pytest.approx(row[0]["probability"], abs=1e-4)
    words = ("explain", link_run, "n1", "n2", "--output", "pair.svg")
    output = run_command(*words)
    assert "paths of" in output.out and "for the average pair" in output.out
    assert ">n1</text>" in Path("pair.svg").read_text()
    message = refused("inspect", link_run, "n1", "n2")
    assert "The linear baseline has no layers" in message


def test_links_have_settings_of_their_own(refused, run_command, town):
    words = ("train", town, "--domain", "links")
    for flags in (("--num-neighbors", "5"), ("--network", "gcn")):
        output = run_command(*words, *flags)
        assert output.code == 2 and "Unrecognized options" in output.err
        assert flags[0] in output.err
    message = refused(*words, "--decoder", "none", "--keep", "network")
    assert "keep must be auto where decoder is none" in message


@pytest.mark.parametrize(
    "decoder", [pytest.param("dot", marks=pytest.mark.slow), "mlp"]
)
def test_the_score_of_a_network_is_taken_apart(run_command, refused, town, decoder):
    flags = ("--decoder", decoder, "--epochs", "3", "--keep", "network")
    words = ("train", town, "--domain", "links", *flags, "--out", "network")
    output = run_command(*words)
    assert output.code == 0
    assert f"network 1 (GraphSAGE with {decoder} decoder)" in output.out
    assert ": kept" in output.out
    epochs = [line for line in output.out.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == 3 and epochs[0].endswith(" *")  # the best so far
    found = run_command("inspect", "network", "n1", "n2", "--json").json()
    assert found["max_error"] < 1e-4
    total = found["bias"] + sum(found["terms"])
    assert total == pytest.approx(found["score"], abs=1e-4)
    assert set(found["layers"]) == {"n1", "n2"}
    layers = [layer for own in found["layers"].values() for layer in own]
    assert all(layer["max_error"] < 1e-4 for layer in layers)
    output = run_command("inspect", "network", "n1", "n2")
    assert "n1 - n2: score" in output.out
    assert "layers.1 (GraphSAGE) at n2" in output.out
    message = refused("inspect", "network", "n1", "n2", "--relation", "knows")
    assert "have no relations" in message
    message = refused("explain", "network", "n1", "n2")
    assert "explain needs the linear baseline" in message


def test_training_pairs_are_counted_with_their_negatives(link_run):
    run = Path(link_run)
    splits = pd.read_csv(run / "data" / "splits.csv")["split"].value_counts()
    counted = json.loads((run / "metrics.json").read_text())["splits"]
    assert counted["train"] == 2 * splits["train"]  # negatives are drawn every epoch
    assert (counted["val"], counted["test"]) == (splits["val"], splits["test"])
