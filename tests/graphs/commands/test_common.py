"""What the commands of nodes, links and graphs share: errors and forms of data."""

from pathlib import Path


def test_run_directories_are_not_data(refused, node_run):
    for command in ("check", "train"):
        message = refused(command, node_run)
        assert f"{node_run} is a run directory that" in message
        message = refused(command, "twon", "--domain", "links")
        assert "There is nothing at" in message


def test_a_missing_run_is_refused(refused, town):
    Path("runs").mkdir()
    for words in (
        ["explain", "runs/nope", "a", "b"],
        ["inspect", "runs/nope", town, "g1"],
        ["predict", "runs/nope", town],
        ["evaluate", "runs/nope"],
        ["predict", "runs/nope", "n1", "n2"],
    ):
        assert "There is no trained model in runs/nope" in refused(*words), words


def test_tables_that_are_almost_a_graph_are_refused_with_a_hint(refused):
    Path("pairs.csv").write_text("a,b\nb,c\n")
    assert "an edge list (source,target[,weight])" in refused("check", "pairs.csv")
    Path("town").mkdir()
    Path("town/nodes.csv").write_text("id,label\na,x\n")
    assert "The directory town has no edges.csv." in refused("check", "town")
