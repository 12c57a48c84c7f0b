"""`vicinal check` and the detection of domains: printed, overridden, and refused."""

import csv
import json
from pathlib import Path

import pytest

from vicinal.domains import DOMAINS


@pytest.fixture
def graph(tmp_path) -> Path:
    """Return a directory with a small graph."""
    (tmp_path / "town").mkdir()
    rows = "".join(f"n{k},{'ab'[k % 2]}\n" for k in range(6))
    (tmp_path / "town" / "nodes.csv").write_text(f"id,label\n{rows}")
    edges = "".join(f"n{k},n{(k + 1) % 6}\n" for k in range(6))
    (tmp_path / "town" / "edges.csv").write_text(f"source,target\n{edges}")
    return tmp_path / "town"


@pytest.fixture
def images(make_directory) -> Path:
    """Return images with given splits: one is twice in train, one also in test."""
    counts = {"train/cat": 4, "train/dog": 3, "test/cat": 2, "test/dog": 1}
    root = make_directory(counts, height=16, width=16)
    copy = (root / "train/cat/0.png").read_bytes()
    (root / "train/cat/again.png").write_bytes(copy)
    (root / "test/cat/leak.png").write_bytes((root / "train/cat/1.png").read_bytes())
    return root


def test_the_domain_is_printed_in_one_line(run_command, graph, images):
    output = run_command("check", graph)
    line = "domain: nodes (directory with nodes.csv and edges.csv); --domain overrides"
    assert output.code == 0 and output.out.splitlines()[0] == line
    output = run_command("check", graph, "--json")
    assert output.json()["domain"] == "nodes" and line in output.err
    output = run_command("check", images)
    line = "domain: images (directory with images); --domain overrides"
    assert output.out.splitlines()[0] == line


def test_graphs_tables_and_collections_are_recognised(run_command, graph, tmp_path):
    output = run_command("check", graph / "edges.csv")
    assert "domain: nodes (graph or edge list (edges.csv))" in output.out
    words = ("check", graph / "nodes.csv", "--edges", graph / "edges.csv")
    assert "domain: nodes (table of nodes (nodes.csv))" in run_command(*words).out
    rows = "".join(f"g{k},a,b\ng{k},b,c\n" for k in range(3))
    (tmp_path / "many.csv").write_text(f"graph_id,source,target\n{rows}")
    output = run_command("check", tmp_path / "many.csv")
    assert "domain: graphs (several graphs in many.csv)" in output.out


def test_domain_overrides_what_is_detected(run_command, refused, graph):
    output = run_command("check", graph, "--domain", "links")
    assert output.code == 0 and "domain:" not in output.out
    assert output.out.startswith("task: links (which nodes are connected)")
    found = run_command("check", "--json", "--domain=links", graph).json()
    assert found["domain"] == "links" and found["statistics"]["pairs"] == 6
    assert "holds no images" in refused("check", graph, "--domain", "images")


@pytest.mark.parametrize("command", ["check", "train"])
@pytest.mark.parametrize("text", ["a,b\n1,2\n", ""])
def test_data_of_no_domain_are_refused(command, text, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(text)
    message = refused(command, "table.csv")
    assert message.startswith("table.csv is not recognised as data of any domain.")
    assert "--domain" in message
    for domain in DOMAINS:
        assert f"  {domain.name:<16}{domain.reads}" in message
    assert [path.name for path in Path().iterdir()] == ["table.csv"]


def test_a_directory_of_no_domain_is_refused(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    message = refused("check", tmp_path / "empty")
    assert "is not recognised as data of any domain" in message
    (tmp_path / "empty" / "notes.txt").write_text("hello")
    assert "is not recognised" in refused("train", tmp_path / "empty")


@pytest.mark.parametrize("flags", [(), ("--domain", "links"), ("--domain", "images")])
def test_a_run_directory_is_refused_as_data(flags, refused, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").touch()
    (run / "settings.json").write_text(json.dumps({"data": "town"}))
    for command in ("check", "train"):
        message = refused(command, run, *flags)
        assert f"{run} is a run directory that `vicinal train` wrote" in message


def test_nothing_usable_is_an_error_after_the_reasons(run_command, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "0.png").write_bytes(b"")
    words = ("check", tmp_path / "data", "--quarantine", tmp_path / "bad.csv")
    output = run_command(*words)
    assert output.code == 2
    assert "2 images: 0 usable, 2 quarantined" in output.out
    assert "quarantined: cat/0.png: the file is empty" in output.out
    assert f"vicinal: Nothing in {tmp_path / 'data'} can be used: all 2" in output.err
    with (tmp_path / "bad.csv").open(encoding="utf-8") as file:
        assert [row["name"] for row in csv.DictReader(file)] == [
            "cat/0.png",
            "dog/0.png",
        ]


def test_quarantine_is_the_same_in_json_and_csv(run_command, graph, tmp_path):
    with (graph / "edges.csv").open("a") as file:
        file.write("n1,nobody\n")
    path = tmp_path / "bad.csv"
    found = run_command("check", graph, "--quarantine", path, "--json").json()
    with path.open(encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == found["quarantine"]
    assert found["quarantined"] == 1 and found["usable"] == 6


def test_hints_are_printed_and_are_not_among_the_notes_in_json(run_command, graph):
    with (graph / "edges.csv").open("a") as file:
        file.write("n0,n1\n")
    words = ("check", graph, "--domain", "links")
    note = "1 duplicate edge merged; each counts once"
    lines = run_command(*words).out.splitlines()
    assert f"note: {note}" in lines
    assert "note: training needs at least 10 connected pairs" in lines  # a hint
    assert run_command(*words, "--json").json()["notes"] == [note]


def test_the_path_of_the_quarantine_is_checked_first(refused, graph, tmp_path):
    message = refused("check", graph, "--quarantine", tmp_path / "gone" / "bad.csv")
    assert "cannot be written" in message


def test_check_of_images_counts_classes_by_split(run_command, images):
    output = run_command("check", images)
    assert output.code == 0
    lines = [line.split() for line in output.out.splitlines()]
    for row in (
        ["class", "train", "test"],
        ["cat", "5", "3"],
        ["dog", "3", "1"],
        ["total", "8", "4"],
    ):
        assert row in lines
    found = run_command("check", images, "--json").json()
    assert found["splits"] == {"train": 8, "test": 4}
    assert found["classes_by_split"] == [
        {"class": "cat", "train": 5, "test": 3},
        {"class": "dog", "train": 3, "test": 1},
    ]


def test_check_of_images_finds_duplicates_within_and_across_splits(run_command, images):
    output = run_command("check", images)
    assert "exact duplicates: 4 images in 2 groups" in output.out
    assert "duplicates across splits: 2 images in 1 group" in output.out
    assert "train/cat/1.png (train)" in output.out
    assert "test/cat/leak.png (test)" in output.out
    found = run_command("check", images, "--json").json()
    assert {
        tuple(sorted(image["path"] for image in group))
        for group in found["exact_duplicates"]
    } == {
        ("train/cat/0.png", "train/cat/again.png"),
        ("test/cat/leak.png", "train/cat/1.png"),
    }
    (group,) = found["duplicates_across_splits"]
    assert {(image["path"], image["split"]) for image in group} == {
        ("train/cat/1.png", "train"),
        ("test/cat/leak.png", "test"),
    }


def test_check_of_images_without_given_splits(run_command, make_directory):
    root = make_directory({"cat": 3, "dog": 2}, height=16, width=16)
    output = run_command("check", root)
    assert "exact duplicates: none" in output.out
    assert "across splits" not in output.out
    found = run_command("check", root, "--json").json()
    assert found["splits"] == {"all": 5} and found["duplicates_across_splits"] == []
