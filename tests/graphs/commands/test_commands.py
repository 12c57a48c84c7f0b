"""The verbs for graphs: from two tables to a report, and every mistake in a message."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from vicinal.cli.app import MISTAKE, OK, main
from vicinal.core.storage.run_folder import CHECKPOINT
from vicinal.graphs.data.detect import is_graph

FILES = {
    "settings.json", "env.json", "classes.json", "metrics.csv", "metrics.json",
    "model.json", "model.safetensors", "predictions.csv", "report.html", "report.json",
    "report.txt", "data/index.csv", "data/splits.csv", "data/quarantine.csv",
}  # fmt: skip


class Told(NamedTuple):
    """What a command gave back."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        assert self.out.count("\n") == 1
        return json.loads(self.out, parse_constant=pytest.fail)


Say = Callable[..., Told]


@pytest.fixture
def say(capsys, tmp_path, monkeypatch) -> Say:
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Told:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Told(code, *capsys.readouterr())

    return run


@pytest.fixture
def folder(tmp_path, block_tables) -> Path:
    nodes, edges = block_tables()
    place = tmp_path / "town"
    place.mkdir()
    nodes.to_csv(place / "nodes.csv", index=False)
    edges.to_csv(place / "edges.csv", index=False)
    return place


def trained(say: Say, folder: Path, *more: object) -> str:
    told = say("train", folder, "--network", "none", "--json", *more)
    assert told.code == OK, told.err
    return told.json()["run"]


def test_check_says_what_the_graph_is(say, folder):
    told = say("check", folder)
    assert told.code == OK
    assert "task: classification, one class a node" in told.out
    assert "150 nodes" in told.out and "undirected" in told.out
    assert "150 nodes with a label: 3 classes" in told.out
    assert "of the edges between labelled nodes join equal labels" in told.out
    assert "4 columns, 4 features" in told.out
    found = say("check", folder, "--json").json()
    assert found["graph"]["nodes"] == 150 and found["task"] == "single_label"
    assert found["features"] == list("abcd")
    with (folder / "edges.csv").open("a") as file:
        file.write("n1,nobody\nn1,n1\n")
    told = say("check", folder, "--quarantine", "bad.csv")
    assert "set aside: n1 - nobody" in told.out and "1 edge from a node to" in told.out
    rows = list(csv.reader(Path("bad.csv").read_text().splitlines()))
    assert rows[0] == ["name", "label", "reason"] and rows[1][0] == "n1 - nobody"


def test_from_tables_to_a_report(say, folder):
    told = say("train", folder, "--network", "gcn", "--epochs", "60", "--members", "2")
    assert told.code == OK, told.err
    run = Path("runs/town")
    there = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
    assert there - {".lock"} >= FILES
    for words in (
        "town: classification of nodes",
        "to learn from",
        "first answer after",
        "network 2, gcn:",
        "2 networks against the first answer",
        "to beat: features alone",
        "to beat: neighbours' labels alone",
        "to beat: most frequent class",
    ):
        assert words in told.out, words
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["baselines"]) == {
        "most frequent class",
        "features alone",
        "neighbours' labels alone",
    }
    rows = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 150 and {row["part"] for row in rows} == {
        "train",
        "val",
        "test",
    }
    page = (run / "report.html").read_text()
    for title in ("What was understood", "How good it is", "Where it errs"):
        assert title in page
    told = say("report", run)
    assert told.code == OK and "What was run" in told.out
    assert say("evaluate", run, "--json").json()["score"] == metrics["score"]


def test_predict_nodes_by_name_and_newcomers(say, folder):
    run = trained(say, folder)
    told = say("predict", run, "n3", "n5")
    assert told.code == OK and told.out.startswith("n3") and " %" in told.out
    found = say("predict", run, "--json").json()["predictions"]
    assert len(found) == 150 and found[3]["id"] == "n3"
    Path("new.csv").write_text("id,a,b,c,d\nx,0,0,2,0\ny,2,0,0,0\n")
    Path("links.csv").write_text("source,target\nx,n1\n")
    came = ("--new-nodes", "new.csv", "--new-edges", "links.csv")
    told = say("predict", run, *came, "--json")
    rows = told.json()["predictions"]
    assert [row["id"] for row in rows] == ["x", "y"]
    assert [row["alone"] for row in rows] == [False, True]
    told = say("predict", run, *came, "--output", "said.csv")
    assert "1 node without an edge" in told.out
    assert len(Path("said.csv").read_text().splitlines()) == 3
    for verb in ("explain", "inspect"):
        told = say(verb, run, "x", *came)
        assert "There is no node" not in told.err
        assert say(verb, run, "x").err.startswith("vicinal: There is no node 'x'")
    found = say("explain", run, "x", *came, "--json").json()
    assert found["off"] < 1e-4 and found["score"] == pytest.approx(
        rows[0]["probability"], abs=1e-4
    )
    Path("names.csv").write_text("id\nn7\n")
    assert say("predict", run, "names.csv").out.startswith("n7")


def test_what_of_newcomers_cannot_be_used_is_said(say, folder):
    run = trained(say, folder)
    Path("new.csv").write_text("id,a,b,c,d\nx,much,0,2,0\n,2,0,0,0\nx,1,1,1,1\n")
    Path("links.csv").write_text("source,target\nx,n1\nx,nobody\n")
    came = ("--new-nodes", "new.csv", "--new-edges", "links.csv")
    told = say("predict", run, *came)
    assert told.code == OK and "set aside: x - nobody: line 3" in told.out
    assert "line 3: the node has no name" in told.out
    assert "line 4: this node is listed before" in told.out
    assert "note: column 'a': 1 cell cannot be read: 'much'" in told.out
    found = say("predict", run, *came, "--json").json()
    assert [row["id"] for row in found["predictions"]] == ["x"]
    assert len(found["set_aside"]) == 3
    assert "x - nobody" in say("explain", run, "x", *came).out


def test_another_graph_is_scored(say, folder, tmp_path, block_tables):
    run = trained(say, folder)
    nodes, edges = block_tables(seed=3)
    nodes.to_csv("others.csv", index=False)
    edges.to_csv("links.csv", index=False)
    told = say("evaluate", run, "others.csv", "--edges", "links.csv", "--json")
    assert told.code == OK and told.json()["score"]["n"] == 150
    names = pd.read_csv("others.csv")
    names.assign(id="other " + names["id"]).to_csv("others.csv", index=False)
    links = pd.read_csv("links.csv")
    ("other " + links).to_csv("links.csv", index=False)
    told = say("evaluate", run, "others.csv", "--edges", "links.csv")
    assert told.code == OK and "were learned from" not in told.out
    told = say("evaluate", run, folder)
    assert "nodes have the names of nodes that were learned from" in told.out


def test_a_finished_run_is_made_again_the_same(say, folder):
    words = ("train", folder, "--network", "sage", "--epochs", "20", "--members", "1")
    assert say(*words, "--out", "r").code == OK
    before = json.loads(Path("r/metrics.json").read_text())
    told = say("train", folder, "--out", "r", "--resume")
    assert told.code == OK, told.err
    after = json.loads(Path("r/metrics.json").read_text())
    assert after["score"] == before["score"]
    assert not Path("r", CHECKPOINT).exists()
    told = say("train", folder, "--out", "r", "--resume", "--hidden", "8")
    assert told.code == MISTAKE and "hidden (64 then, 8 now)" in told.err


@pytest.mark.parametrize("form", ["graphml", "gml"])
def test_a_graph_of_networkx(say, form):
    path = f"club.{form}"
    getattr(nx, f"write_{form}")(nx.karate_club_graph(), path)
    told = say("train", path, "--target", "club", "--network", "none")
    assert told.code == OK, told.err
    assert "34 nodes, 78 edges (undirected, weighted)" in told.out


def test_forms_of_graphs_are_known_by_their_first_line(tmp_path):
    def written(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    assert is_graph(written("a.csv", "Source,Target\n1,2\n"))
    assert is_graph(written("b.txt", "# SNAP\n1 2\n"))
    assert is_graph(written("c.tsv", "1\t2\n"))
    assert not is_graph(written("d.csv", "path,label\na.jpg,x\n"))
    assert not is_graph(written("e.txt", "path,label\na.jpg,x\n"))
    assert not is_graph(tmp_path)
    assert is_graph("x.graphml") and not is_graph("photos")


@pytest.mark.parametrize(
    "words, told",
    [
        (("train", "town/edges.csv"), "No node has a label"),
        (("train", "town", "--target", "colour"), "no column 'colour'"),
        (("train", "town", "--network", "gnn"), "gnn"),
        (("train", "town", "--dropout", "1.5"), "dropout must be from 0"),
        (("train", "town", "--resume"), "--resume needs --out"),
        (
            ("train", "town/nodes.csv", "--edges", "none.csv"),
            "none.csv. Check",
        ),
        (("check", "town/edges.csv", "--task", "odd"), "odd"),
    ],
)
def test_a_mistake_is_one_message(say, folder, words, told):
    found = say(*words)
    assert found.code == MISTAKE and told in found.err
    assert "Traceback" not in found.err
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_a_node_that_is_not_there(say, folder):
    run = trained(say, folder)
    told = say("predict", run, "n1x")
    assert told.code == MISTAKE and "There is no node 'n1x'. Did you mean" in told.err


def test_what_an_answer_rests_on(say, folder):
    run = trained(say, folder)
    told = say("explain", run, "n4")
    assert told.code == OK and "by the first answer" in told.out
    assert "nodes have a say in it" in told.out or "1 nodes" in told.out
    found = say("explain", run, "n4", "--json").json()
    assert found["off"] < 1e-4 and found["nodes"][0]["share"] > 0
    told = say("inspect", run, "n4")
    assert told.code == MISTAKE and "has no layers" in told.err
    told = say("explain", run, "n4", "--target", "k9")
    assert told.code == MISTAKE and "no class 'k9'" in told.err


@pytest.mark.parametrize("form", [".html", ".png", ".svg", ".pdf"])
def test_an_explanation_is_drawn(form, say, folder):
    run, place = trained(say, folder), Path(f"n4{form}")
    told = say("explain", run, "n4", "--output", place)
    assert told.code == OK and f"drawing: {place}" in told.out
    begins = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    assert place.read_bytes().startswith(begins.get(form, b"<!"))
    found = say("explain", run, "n4", "--output", place, "--json").json()
    assert found["drawing"] == str(place) and found["nodes"]


def test_a_place_that_cannot_be_written_is_found_before_the_work(say, folder):
    run = trained(say, folder)
    Path("said.csv").mkdir()
    for words in (
        ["explain", run, "nobody", "--output", "gone/n4.png"],
        ["predict", run, "nobody", "--output", "gone/said.csv"],
        ["predict", run, "nobody", "--embeddings", "gone/vectors.npz"],
        ["evaluate", run, "gone.csv", "--output", "gone/said.csv"],
    ):
        told = say(*words)
        assert told.code != OK and "cannot be written" in told.err, told.err
        assert "nobody" not in told.err
    told = say("predict", run, "--output", "said.csv")
    assert told.code != OK and "it is a folder. Name a file." in told.err
    told = say("predict", run, "--output", "said.json")
    assert told.code == MISTAKE and "must be a .csv file" in told.err


def test_a_drawing_of_a_strange_ending_is_refused(say, folder):
    run = trained(say, folder)
    told = say("evaluate", run, "--target", "label")
    assert told.code == MISTAKE and "--target names a column of other DATA" in told.err
    told = say("explain", run, "n4", "--output", "n4.txt")
    assert told.code == MISTAKE and "no page or picture by its ending" in told.err
    assert not Path("n4.txt").exists()


@pytest.mark.parametrize("form", ["csv", "npz"])
def test_embeddings_are_written(form, say, folder):
    from vicinal import load

    how = "--network", "gcn", "--deliver", "networks", "--epochs", "2"
    run = trained(say, folder, *how)
    place = Path(f"vectors.{form}")
    told = say("predict", run, "n4", "n7", "--embeddings", place)
    assert told.code == OK and f"numbers each: {place}" in told.out
    wanted = load(run).transform(["n4", "n7"])
    if form == "csv":
        frame = pd.read_csv(place, index_col="id")
        ids, vectors = frame.index.tolist(), frame.to_numpy()
    else:
        with np.load(place, allow_pickle=False) as file:
            ids, vectors = file["ids"].tolist(), file["embeddings"]
    assert ids == ["n4", "n7"] and wanted.shape == (2, 64) and wanted.any()
    np.testing.assert_allclose(vectors, wanted, rtol=1e-5, atol=1e-7)
    told = say("predict", run, "--embeddings", "vectors.txt")
    assert told.code == MISTAKE and "takes a .csv or a .npz file" in told.err


def test_of_labels_alone_there_are_no_embeddings(say, folder):
    from vicinal import load

    run = trained(say, folder)
    assert load(run).linear_.view == "labels"  # what is nearest the truth here
    told = say("predict", run, "--embeddings", "v.csv")
    assert told.code == MISTAKE and "there are no embeddings" in told.err
    assert not Path("v.csv").exists()


def test_what_is_no_data_is_told(say, folder):
    run = trained(say, folder)
    for verb in ("check", "train"):
        told = say(verb, run)
        assert told.code == MISTAKE and f"{run} is a run that" in told.err
        told = say(verb, "twon", "--task", "links")
        assert told.code == MISTAKE and "There is nothing at" in told.err
    told = say("train", folder, "--task", "links", "--network", "gcn")
    assert told.code == MISTAKE and "chosen by its --decoder" in told.err
    told = say("train", folder, "--target", "id")
    assert told.code == MISTAKE and "nothing can be learned of a class" in told.err
    told = say("check", folder, "--target", "id")
    assert told.code == OK and "are they names?" in told.out


def test_a_graph_whose_edges_are_to_be_learned_is_checked(say, folder):
    edges = pd.read_csv(folder / "edges.csv")
    told = say("check", folder, "--task", "links")
    pairs, possible = len(edges), 150 * 149 // 2
    assert told.code == OK
    assert f"{pairs:,} of {possible:,} pairs of nodes are joined" in told.out
    edges["how"] = ["road", "rail"] * (pairs // 2) + ["road"] * (pairs % 2)
    more = edges.assign(how="canal").head(3)  # of pairs that are joined already
    few = Path("few.csv")
    pd.concat([edges, more]).to_csv(few, index=False)
    words = "check", few, "--task=links", "--relation-column", "how"
    assert "3 relations: road" in say(*words).out
    found = say(*words, "--json").json()
    assert (found["task"], found["pairs"]) == ("links", pairs)
    edges.head(4).to_csv(few, index=False)
    told = say("check", few, "--task", "links")
    assert told.code == OK and "10 joined pairs or more are wanted" in told.out


@pytest.mark.parametrize("what", ["a number", "several labels"])
def test_what_an_answer_that_is_no_class_rests_on(say, folder, what):
    nodes = pd.read_csv(folder / "nodes.csv")
    if what == "a number":
        nodes["label"] = 20 + 3 * nodes["a"] + np.arange(len(nodes)) / 100
    else:
        nodes["label"] += np.where(nodes["a"] > 0, "|high", "|low")
    nodes.to_csv(folder / "nodes.csv", index=False)
    say("train", folder, "--network", "none", "--out", "first")
    told = say("explain", "first", "n4")
    assert told.code == OK and "node" in told.out and "features that add" in told.out
    found = say("explain", "first", "n4", "--json").json()
    assert found["off"] < 1e-4 and len(found["features"])
    if what == "a number":
        assert found["what"] == "number" and found["target"] is None
        total = sum(part["says"][0] for part in found["nodes"]) + found["rest"][0]
        assert total == pytest.approx(found["score"], abs=1e-3)
        told = say("explain", "first", "n4", "--target", "high")
        assert told.code == MISTAKE and "it tells a number" in told.err
    else:
        assert say("explain", "first", "n4", "--target", "low").out.startswith(
            "n4: low"
        )
    nets = "--network", "sage", "--deliver", "networks", "--epochs", 3, "--members", 1
    say("train", folder, *nets, "--out", "nets")
    told = say("explain", "nets", "n4")
    moved = "number" if what == "a number" else "log-odds"
    assert told.code == OK and f"add most to the {moved}" in told.out
    told = say("inspect", "nets", "n4")
    assert ("the number: " if what == "a number" else "logits: high") in told.out


def test_a_network_opened_by_its_messages(say, folder):
    import torch

    import vicinal
    from vicinal.graphs.nodes.networks import NetworkConfig, build

    model = vicinal.load(trained(say, folder))
    torch.manual_seed(0)
    model.networks_ = [build("gcn", NetworkConfig(4, 8, 2, 3, 0.0, 1)).eval()]
    model.save("net")
    told = say("inspect", "net", "n4")
    assert told.code == OK and "layers.1 (GCN) of n4" in told.out
    assert "logits: k0" in told.out
    found = say("inspect", "net", "n4", "--json").json()
    assert max(layer["off"] for layer in found["layers"]) < 1e-5
    z = np.array(found["layers"][-1]["value"]) / found["temperature"]
    chance = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    assert found["answer"] == pytest.approx(chance.max(), abs=1e-4)
    assert f"calibrated (temperature {found['temperature']:.3g})" in told.out
    told = say("explain", "net", "n4")
    assert told.code == OK and "draws" in told.out
    assert "what the log-odds lose without each edge" in told.out
    assert "features that add most" in told.out
    for name in ("tree.html", "tree.png"):
        told = say("inspect", "net", "n4", "--output", name)
        assert told.code == OK and "off by" in told.out and Path(name).exists()
    page = Path("tree.html").read_text()
    assert "after layer 2" in page and "its computational graph, by gcn" in page
    told = say("inspect", "net", "n4", "--output", "tree.txt")
    assert told.code == MISTAKE and "no page or picture" in told.err


def test_the_demo_of_graphs(say):
    told = say("demo", "graphs", "--seeds", "2")
    assert told.code == OK, told.err
    for words in ("34 nodes, 78 edges", "Nodes. Told", "Edges. A fifth", "Inside. It"):
        assert words in told.out
    found = say("demo", "graphs", "--seeds", "2", "--json").json()
    assert found["score"]["value"] > 0.9 and found["inside"]["off"] < 1e-5
    assert set(found["edges"]["auroc"]) == {
        "vicinal",
        "common neighbours",
        "Adamic-Adar",
        "Katz",
    }


# --- samples and memory -----------------------------------------------------------


def test_a_graph_learned_from_samples(say, folder):
    words = ("--network", "sage", "--neighbours", "6", "4", "--epochs", "3")
    told = say("train", folder, *words, "--members", "1", "--memory", "0.5")
    assert told.code == OK and "learn from samples of 6, 4 neighbours" in told.out
    began = json.loads(Path("runs/town/settings.json").read_text())["parameters"]
    assert began["neighbours"] == [6, 4] and began["memory"] == 0.5
    told = say("train", folder, *words, "--out", "runs/town", "--resume")
    assert told.code == OK, told.err
    told = say("train", folder, "--neighbours", "6", "--network", "sage")
    assert told.code == MISTAKE and "a number for each of 2 layers" in told.err
    assert not Path("runs/town-2").exists()


# --- which nodes are joined -------------------------------------------------------


def test_edges_from_a_list_to_a_report(say, folder):
    told = say("train", folder / "edges.csv", "--task", "links")
    assert told.code == OK, told.err
    run = Path("runs/edges")
    there = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
    assert there - {".lock"} >= FILES
    for words in (
        "which nodes are joined",
        "edges to learn from",
        "what two nodes have between them",
        "to beat: common neighbours",
        "to beat: Katz",
        "vicinal explain runs/edges NODE NODE",
    ):
        assert words in told.out, words
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["score"]["metric"] == "auroc" and metrics["score"]["value"] > 0.5
    found = say("evaluate", run, "--json").json()
    assert found["score"] == metrics["score"]
    splits = list(csv.DictReader((run / "data/splits.csv").read_text().splitlines()))
    held = [row for row in splits if row["split"] == "test"]
    assert len(held) == metrics["pairs"]["test"]
    assert {row["label"] for row in held} == {"edge", "no edge"}
    assert "Where it errs" in say("report", run).out


def test_vectors_of_the_nodes_of_a_model_of_edges(say, folder):
    from vicinal import load
    from vicinal.errors import NoDataError

    run = say("train", folder, "--task", "links", "--json").json()["run"]
    told = say("predict", run, "--embeddings", "v.csv")
    assert told.code == OK and "numbers each: v.csv" in told.out
    frame, model = pd.read_csv("v.csv", index_col="id"), load(run)
    assert frame.index.tolist() == model.graph_.ids.tolist()
    np.testing.assert_allclose(frame.to_numpy(), model.transform(), atol=1e-5)
    some = model.transform(["n4", "n2"])
    np.testing.assert_allclose(frame.loc[["n4", "n2"]].to_numpy(), some, atol=1e-5)
    with pytest.raises(NoDataError, match=r"no node 'n4x'\. Did you mean"):
        model.transform(["n4x"])


def test_chances_of_pairs_and_the_likeliest(say, folder):
    run = say("train", folder, "--task", "links", "--json").json()["run"]
    listed = {
        frozenset(row.values())
        for row in csv.DictReader((folder / "edges.csv").read_text().splitlines())
    }
    found = say("predict", run, "--top", "7", "--json").json()["predictions"]
    chances = [row["chance"] for row in found]
    assert len(found) == 7 and chances == sorted(chances, reverse=True)
    pairs = [(row["source"], row["target"]) for row in found]
    assert not {frozenset(pair) for pair in pairs} & listed
    names = [name for pair in pairs for name in pair]
    again = say("predict", run, *names, "--json").json()["predictions"]
    assert [row["chance"] for row in again] == pytest.approx(chances, abs=1e-4)
    Path("pairs.csv").write_text("source,target\nn1,n2\nn5,n1\n")
    told = say("predict", run, "pairs.csv", "--output", "said.csv")
    assert told.code == OK and "2 pairs: said.csv" in told.out
    told = say("predict", run, "n1", "n2", "n3")
    assert told.code == MISTAKE and "Names come in pairs" in told.err
    told = say("predict", run, "n1", "nobody")
    assert told.code == MISTAKE and "There is no node 'nobody'" in told.err
    for verb in ("predict", "explain"):
        told = say(verb, run, "n1", "n1")
        assert told.code == MISTAKE and "A pair is of two nodes" in told.err


def test_what_a_chance_adds_up_to(say, folder):
    run = say("train", folder, "--task", "links", "--json").json()["run"]
    found = say("explain", run, "n1", "n2", "--json").json()
    assert found["off"] < 1e-5 and len(found["parts"]) > 10
    wanted = say("predict", run, "n1", "n2", "--json").json()["predictions"][0]
    assert found["chance"] == pytest.approx(wanted["chance"], abs=1e-4)
    told = say("explain", run, "n1", "n2", "--output", "pair.svg")
    assert "paths of" in told.out and "of the average pair" in told.out
    assert ">n1</text>" in Path("pair.svg").read_text()
    told = say("inspect", run, "n1", "n2")
    assert told.code == MISTAKE and "The first answer has no layers" in told.err


def test_edges_have_settings_of_their_own(say, folder):
    told = say("train", folder, "--task", "links", "--neighbours", "5")
    assert told.code == MISTAKE and "neighbours" in told.err
    words = ("--decoder", "dot", "--epochs", "3", "--out", "r")
    told = say("train", folder, "--task", "links", *words)
    assert told.code == OK, told.err
    assert "network 1, GraphSAGE with a decoder: dot" in told.out


@pytest.mark.parametrize("decoder", ["dot", "mlp"])
def test_a_network_s_score_of_a_pair_is_opened(say, folder, decoder, monkeypatch):
    from vicinal.core.evaluation.significance import PairedComparison

    monkeypatch.setattr(PairedComparison, "better", True)  # whatever it is worth
    words = ("--decoder", decoder, "--epochs", "3", "--out", "net")
    assert say("train", folder, "--task", "links", *words).code == OK
    found = say("inspect", "net", "n1", "n2", "--json").json()
    assert found["off"] < 1e-4
    total = found["base"] + sum(found["parts"])
    assert total == pytest.approx(found["score"], abs=1e-4)
    assert set(found["layers"]) == {"n1", "n2"}
    assert all(one["off"] < 1e-4 for own in found["layers"].values() for one in own)
    told = say("inspect", "net", "n1", "n2")
    assert "n1 - n2: score" in told.out and "layers.1 (GraphSAGE) of n2" in told.out
    told = say("inspect", "net", "n1", "n2", "--relation", "knows")
    assert told.code == MISTAKE and "have no relations" in told.err


def test_a_run_that_is_not_there_is_told(say, folder):
    Path("runs").mkdir()
    for words in (
        ["explain", "runs/nope", "a", "b"],
        ["inspect", "runs/nope", folder, "g1"],
        ["predict", "runs/nope", folder],
        ["evaluate", "runs/nope"],
        ["predict", "runs/nope", "n1", "n2"],
    ):
        told = say(*words)
        assert told.code == MISTAKE, words
        assert "There is no model in runs/nope" in told.err, words


def test_what_is_forgotten_is_named(say, folder):
    told = say("train", folder / "nodes.csv", "--target", "label")
    assert told.code == MISTAKE and "--edges" in told.err
    told = say("train", folder / "edges.csv", "--target", "label")
    assert told.code == MISTAKE and "'label' is a column of nodes" in told.err
    told = say("train", folder, "--target", "labels")
    assert told.code == MISTAKE and "Did you mean 'label'" in told.err
    run = say("train", folder, "--network", "none", "--json").json()["run"]
    told = say("predict", run, "n99999")
    assert told.code == MISTAKE and "--new-nodes" in told.err
    nodes = (folder / "nodes.csv").read_text()
    (folder / "nodes.csv").write_text(nodes.replace("label", "topic", 1))
    told = say("check", folder)
    assert "--target takes another, such as topic" in told.out


def test_a_network_answers_where_it_is_asked_for(say, folder, rings):
    words = ("--task", "links", "--deliver", "networks")
    told = say("train", folder, *words)
    assert told.code == MISTAKE and "deliver" in told.err
    told = say("train", folder, *words, "--decoder", "dot", "--epochs", "2")
    assert told.code == OK, told.err
    assert "delivered, as was asked for" in told.out or ": kept" in told.out
    told = say("train", rings, "--epochs", "1", "--deliver", "networks", "--out", "g")
    assert told.code == OK, told.err
    assert say("inspect", "g", rings, "g1").code == OK


# --- whole graphs -----------------------------------------------------------------


@pytest.fixture
def rings(tmp_path) -> Path:
    """Rings, and rings with a chord: sixty of five to nine nodes."""
    place = tmp_path / "rings"
    place.mkdir()
    lines, labels = ["graph_id,source,target"], ["graph_id,label"]
    for k in range(60):
        size = 5 + k % 5
        ends = [(v, (v + 1) % size) for v in range(size)] + [(0, 2)] * (k % 2)
        lines += [f"g{k},{a},{b}" for a, b in ends]
        labels.append(f"g{k},{'chord' if k % 2 else 'ring'}")
    (place / "edges.csv").write_text("\n".join(lines))
    (place / "graphs.csv").write_text("\n".join(labels))
    return place


def test_graphs_from_tables_to_a_report(say, rings):
    told = say("check", rings)
    assert told.code == OK and "task: classification, one class a graph" in told.out
    assert "60 graphs: 5 to 9 (median 7) nodes" in told.out
    told = say("train", rings, "--epochs", "3")
    assert told.code == OK, told.err
    run = Path("runs/rings")
    there = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
    assert there - {".lock"} >= FILES
    for words in (
        "classification of graphs",
        "network 1, gin:",
        "to beat: answer without edges",
        "vicinal explain runs/rings GRAPHS NAME",
    ):
        assert words in told.out, words
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["score"]["value"] == 1 and metrics["set"]["graphs"] == 60
    found = say("evaluate", run, "--json").json()
    assert found["score"] == metrics["score"]
    told = say("evaluate", run, rings)  # its own: those that it learned from are not
    assert "the graphs that it held out are scored" in told.out
    assert say("evaluate", run, rings, "--json").json()["score"] == metrics["score"]
    again = shutil.copytree(rings, "again")
    found = say("evaluate", run, again, "--json").json()
    assert found["score"]["n"] == 60
    rows = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 60 and rows[0]["label"] == "ring"
    assert "How good it is" in say("report", run).out


def test_other_graphs_are_told_and_explained(say, rings):
    run = say("train", rings, "--network", "none", "--json").json()["run"]
    Path("new.csv").write_text(
        "graph_id,source,target\nx,a,b\nx,b,c\nx,c,d\nx,d,e\nx,e,a\nx,a,c\n"
    )
    told = say("predict", run, "new.csv")
    assert told.code == OK and told.out.startswith("x") and "chord" in told.out
    found = say("explain", run, "new.csv", "x", "--json").json()
    assert found["target"] == "chord" and len(found["nodes"]) == 5
    costs = {row["id"]: row["cost"] for row in found["nodes"]}
    assert min(costs["x:a"], costs["x:c"]) > max(costs["x:d"], costs["x:e"])
    told = say("explain", run, "new.csv", "y")
    assert told.code == MISTAKE and "There is no graph 'y'" in told.err
    told = say("explain", run, rings, "nope")
    assert "g17 and 50 more" in told.err and "g23" not in told.err
    told = say("explain", run, "new.csv", "x", "--output", "x.html", "--seed", "3")
    assert told.code == OK and "of all 5 ways" in told.out
    assert "x:a" in Path("x.html").read_text()
    told = say("predict", run, "new.csv", "--embeddings", "x.csv")
    assert told.code == OK and pd.read_csv("x.csv")["id"].tolist() == ["x"]
    told = say("explain", run, "new.csv", "x", "--target", "star")
    assert told.code == MISTAKE and "no class 'star'" in told.err


def test_a_network_s_score_of_a_graph_is_opened(say, rings, monkeypatch):
    from vicinal.core.evaluation.significance import PairedComparison

    run = say("train", rings, "--network", "none", "--json").json()["run"]
    told = say("inspect", run, rings, "g1")
    assert told.code == MISTAKE and "The first answer has no layers" in told.err
    monkeypatch.setattr(PairedComparison, "better", True)  # whatever it is worth
    assert say("train", rings, "--epochs", "3", "--out", "net").code == OK
    found = say("inspect", "net", rings, "g1", "--json").json()
    assert found["off"] < 1e-3 and len(found["nodes"]) == 6
    adds = sum(row["adds"] for row in found["nodes"])
    assert found["base"] + adds == pytest.approx(found["score"], abs=1e-3)
    other = say("inspect", "net", rings, "g1", "--target", "ring", "--json").json()
    assert other["score"] != found["score"] or found["target"] == "ring"
    told = say("inspect", "net", rings, "g1")
    assert "log sum" in told.out and "g1:0" in told.out
    told = say("inspect", "net", rings, "g1", "--node", "g1:0")
    assert told.code == OK and "layers.2 (GIN) of g1:0" in told.out
    for words, wrong in (
        (["nobody"], "no graph 'nobody'"),
        (["g1", "--node", "g2:0"], "no node 'g2:0'"),
        (["g1", "--target", "star"], "no class 'star'"),
    ):
        told = say("inspect", "net", rings, *words)
        assert told.code == MISTAKE and wrong in told.err


def test_one_csv_of_many_graphs(say, rings):
    edges = (rings / "edges.csv").read_text().splitlines()
    labels = dict(
        line.split(",") for line in (rings / "graphs.csv").read_text().splitlines()[1:]
    )
    rows = [edges[0] + ",label"]
    rows += [f"{line},{labels[line.split(',')[0]]}" for line in edges[1:]]
    Path("all.csv").write_text("\n".join(rows))
    told = say("train", "all.csv", "--network", "none", "--json")
    assert told.code == OK, told.err
    assert told.json()["score"]["value"] == 1
    rows[2] = rows[2].replace("ring", "chord")
    Path("all.csv").write_text("\n".join(rows))
    told = say("train", "all.csv")
    assert told.code == MISTAKE and "Graph 'g0' has two labels" in told.err


def test_what_may_be_a_graph_is_told_how_one_looks(say):
    Path("pairs.csv").write_text("a,b\nb,c\n")
    told = say("check", "pairs.csv")
    assert told.code == MISTAKE
    assert "A list of edges has the columns source,target[,weight]." in told.err
    Path("town").mkdir()
    Path("town/nodes.csv").write_text("id,label\na,x\n")
    told = say("check", "town")
    assert told.code == MISTAKE and "The folder town holds no edges.csv." in told.err
