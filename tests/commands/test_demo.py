"""`vicinal demo`."""

import pytest

from vicinal.molecules.generation import demo as generation


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


@pytest.mark.slow
def test_the_demo_of_new_molecules(run_command, monkeypatch, tmp_path):
    few = tmp_path / "few.smi"
    few.write_text("\n".join(generation.DATA.read_text().splitlines()[:400]))
    monkeypatch.setattr(generation, "DATA", few)
    monkeypatch.setattr(generation, "NUM_SAMPLES", 20)
    monkeypatch.setattr(generation, "BUDGET", 110)
    output = run_command("demo", "generation", "--json")
    found = output.json()
    assert found["score"]["metric"] == "nll"
    names = [each["name"] for each in found["samples"]]
    assert {"this model", "fragments without context", "BRICS"} <= set(names)
    assert generation.TRACED in output.err
    assert "3 rows quarantined" in output.err
