"""Tables of drugs and of proteins beside the interactions."""

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError
from vicinal.interactions.data.interaction_table import InteractionTable, drug_features
from vicinal.interactions.data.read import read_interactions

INTERACTIONS = pd.DataFrame(
    {"drug_1": ["a", "b", "c"], "drug_2": ["b", "c", None], "effect": ["x", "Y", "z"]}
)
DRUGS = {
    "id": ["a", "b", "new"],
    "smiles": ["CCO", "", "c1ccccc1"],
    "targets": ["P1|P2", "P2", ""],
    "effects": ["y;w", "", "w"],
}


def read(drugs=None, proteins=None) -> InteractionTable:
    """Read the interactions beside tables that are given by their columns."""
    of_drugs = None if drugs is None else pd.DataFrame(drugs)
    of_proteins = None if proteins is None else pd.DataFrame(proteins)
    return read_interactions(INTERACTIONS, of_drugs, of_proteins)


def entries(table: InteractionTable) -> tuple[set, set]:
    """Return the targets and the single effects by their names."""
    targets = {(table.drugs[d], table.proteins[p]) for d, p in table.targets}
    return targets, {
        (table.drugs[d], table.single_effects[s]) for d, s in table.singles
    }


def has_note(table: InteractionTable, *words: str) -> bool:
    return any(all(word in note for word in words) for note in table.notes)


def test_one_row_for_each_drug():
    table = read(DRUGS)
    assert table.drugs.tolist() == ["a", "b", "c", "new"]
    assert table.smiles == ["CCO", None, None, "c1ccccc1"]
    assert table.proteins.tolist() == ["P1", "P2"]
    targets, singles = entries(table)
    assert targets == {("a", "P1"), ("a", "P2"), ("b", "P2")}
    assert singles == {("a", "Y"), ("a", "w"), ("new", "w"), ("c", "z")}
    assert has_note(table, "1 drug of the interactions", "'c'")
    assert has_note(table, "2 of 4 drugs without a readable structure")


def test_single_effects_of_the_same_name():
    table = read(DRUGS)
    assert table.effects.tolist() == ["Y", "x"]
    assert table.single_effects.tolist() == ["Y", "w", "z"]
    assert table.single_of_effect().tolist() == [0, -1]


def test_several_rows_for_each_drug():
    one = read({"drug": ["a", "a", "b", "a"], "target": ["P1", "P2", "P2", "P1"]})
    targets, singles = entries(one)
    assert targets == {("a", "P1"), ("a", "P2"), ("b", "P2")}
    assert singles == {("c", "z")} and one.smiles == [None] * 3
    assert not has_note(one, "structure")
    other = read(
        {
            "STITCH": ["a", "a", "b"],
            "Individual Side Effect": ["C1", "C2", "C1"],
            "Side Effect Name": ["w", "v", "W"],
        }
    )
    assert entries(other)[1] == {("a", "w"), ("a", "v"), ("b", "w"), ("c", "z")}


def test_the_column_that_matches_the_interactions_names_the_drugs():
    table = read({"id": ["1", "2"], "name": ["a", "b"], "smiles": ["C", "CC"]})
    assert table.smiles == ["C", "CC", None]
    assert has_note(table, "not read", "'id'")
    with pytest.raises(
        DataError, match=r"No drug of the interactions \('a', 'b', 'c'\)"
    ):
        read({"id": ["1", "2"], "smiles": ["C", "CC"]})
    with pytest.raises(DataError, match="no column of their names"):
        read({"smiles": ["C", "CC"]})


def test_quarantined_rows_of_drugs():
    table = read(
        {
            "id": ["a", "", "b", "c\x01", "c", "c"],
            "smiles": ["C1CC", "C", "N", "O", "C", "CC"],
            "targets": ["", "", "P\x02", "", "", ""],
        }
    )
    reasons = {row.name: row.reason for row in table.quarantined}
    assert reasons.pop("drugs row 0").startswith("structure: ")
    assert reasons == {
        "drugs row 1": "no drug is given",
        "drugs row 2": "the name contains the character U+0002",
        "drugs row 3": "the name contains the character U+0001",
        "drugs row 5": "another structure of 'c'",
    }
    assert table.smiles == [None, "N", "C"]
    assert len(table.targets) == len(table.proteins) == 0


def test_proteins():
    proteins = {"Gene 1": ["P2", "P9", "P1", "P1"], "Gene 2": ["P1", "P2", "P2", "P1"]}
    table = read(DRUGS, proteins)
    assert table.proteins.tolist() == ["P1", "P2", "P9"]
    assert table.protein_edges.tolist() == [[0, 1], [1, 2]]
    assert has_note(table, "1 row of a protein with itself")
    table = read(None, {"u": ["P1", ""], "v": ["P2", "P1"]})
    assert [row.name for row in table.quarantined] == ["proteins row 1"]
    with pytest.raises(DataError, match="two columns of proteins"):
        read(None, {"u": ["P1"], "v": ["P2"], "w": ["P3"]})


def test_files_of_drugs_and_proteins(tmp_path):
    drugs, proteins = tmp_path / "drugs.csv", tmp_path / "proteins.tsv"
    drugs.write_text("id;smiles;targets\na;CCO;P1|P2\nb;X;P1\n")
    proteins.write_text("protein_1\tprotein_2\nP1\tP3\n")
    table = read_interactions(INTERACTIONS, drugs, proteins)
    assert entries(table)[0] == {("a", "P1"), ("a", "P2"), ("b", "P1")}
    assert table.protein_edges.tolist() == [[0, 2]]
    assert [row.name for row in table.quarantined] == ["drugs line 3"]


def test_features():
    features = drug_features(read(DRUGS, {"u": ["P1"], "v": ["P2"]}))
    assert features.names == ["structure", "targets", "single_effects"]
    assert features.structure is not None and features.targets is not None
    assert features.structure.shape == (4, 2048)
    # ethanol: three atoms, and three of radius 1; none of radius 2 adds an atom or bond
    assert features.structure.sum(axis=1).ravel().tolist()[0][0] == 6
    assert features.is_known("structure").tolist() == [True, False, False, True]
    np.testing.assert_array_equal(
        features.targets.toarray(), [[1, 1], [0, 1], [0, 0], [0, 0]]
    )
    assert features.protein_edges is not None
    bare = drug_features(read_interactions(INTERACTIONS[:2]))
    assert bare.names == [] and bare.protein_edges is None
