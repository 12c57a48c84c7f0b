"""`vicinal demo`."""

import pytest


def test_the_demo_of_graphs(run_command):
    output = run_command("demo", "graphs", "--seeds", "2", "--json")
    found = output.json()
    for words in (
        "34 nodes, 78 edges",
        "Node classification",
        "Link prediction",
        "Explanation of",
    ):
        assert words in output.err
    assert found["score"]["value"] > 0.9
    assert found["explanation"]["max_error"] < 1e-5
    assert set(found["links"]["auroc"]) == {
        "vicinal",
        "common neighbours",
        "Adamic-Adar",
        "Katz",
    }


@pytest.mark.parametrize("domain", ["images", "graphs"])
def test_repetitions_must_be_positive(domain, refused):
    message = refused("demo", domain, "--seeds", "0")
    assert "seeds must be 1 or more. Got 0 instead." in message
