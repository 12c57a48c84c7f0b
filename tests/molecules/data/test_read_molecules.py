"""Tables and files of molecules: columns, rows, targets, replicates."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from vicinal.errors import ClassError, DataError, NoDataError, SettingError
from vicinal.molecules.data.read import read_molecules
from vicinal.molecules.data.reader import MoleculeReader
from vicinal.molecules.estimators import MoleculeClassifier
from vicinal.molecules.settings import MoleculeColumns

SMILES = ["CCCCO", "CCCCN", "c1ccccc1O", "CC(=O)Nc1ccccc1"]


@pytest.fixture
def table(tmp_path):
    """Write a text to a file, and return its path."""

    def write(text: str, name: str = "molecules.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def columns(**names) -> MoleculeColumns:
    return MoleculeColumns(**names)


def rows_of(smiles: list[str], values: list[object]) -> str:
    return "".join(f"{s},{v}\n" for s, v in zip(smiles, values, strict=True))


# --- files --------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["smiles", "SMILES", "Canonical SMILES", "mol", "smi"])
def test_tables_of_any_separator_and_usual_name(table, separator, name):
    text = f"{name},y\n" + rows_of(SMILES, [0.5, 1.5, 2.5, 3.5])
    found = read_molecules(table(text.replace(",", separator)))
    assert found.smiles == SMILES and found.targets.ravel().tolist() == [
        0.5,
        1.5,
        2.5,
        3.5,
    ]
    assert found.lines.tolist() == [2, 3, 4, 5] and found.task == "regression"


def test_structures_are_found_by_their_content(table):
    text = "code,drug,y\n" + "".join(
        f"C{k},{s},{k % 2}\n" for k, s in enumerate(SMILES)
    )
    found = read_molecules(table(text))
    assert found.smiles == SMILES and found.target_names == ["y"]
    assert "structures are read from the column 'drug', by its content" in found.notes


def test_a_gzipped_table_and_lines_of_smiles(table, tmp_path):
    text = "smiles,y\n" + rows_of(SMILES, [1, 0, 1, 0])
    path = tmp_path / "m.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert read_molecules(path).classes == [("0", "1")]
    lines = "".join(f"{s} name {k}\n" for k, s in enumerate(SMILES))
    found = read_molecules(table(lines, "m.smi"))
    assert found.smiles == SMILES and found.task == "none"
    assert read_molecules(table("\n".join(SMILES), "m.txt")).smiles == SMILES


def test_records_of_an_sd_file(tmp_path):
    path = tmp_path / "m.sdf"
    with Chem.SDWriter(str(path)) as writer:
        for k, smiles in enumerate(SMILES):
            mol = Chem.MolFromSmiles(smiles)
            mol.SetProp("pIC50", str(5 + k / 2))
            writer.write(mol)
    found = read_molecules(path)
    assert found.target_names == ["pIC50"] and len(found) == 4
    assert found.targets.ravel().tolist() == [5, 5.5, 6, 6.5]


def test_data_frames_and_lists():
    frame = pd.DataFrame(
        {"smiles": SMILES, "logp": [0.1, 0.2, 0.3, 0.4]}, index=[*"abcd"]
    )
    found = read_molecules(frame)
    assert found.target_names == ["logp"] and found.lines.tolist() == [0, 1, 2, 3]
    mols = [Chem.MolFromSmiles(s) for s in SMILES]
    for structures in (SMILES, tuple(SMILES), mols):
        found = read_molecules(structures, ["a", "b", "a", None])
        assert found.classes == [("a", "b")] and len(found) == 3
        assert "row 3: has no target" in found.quarantined[0].reason
    with pytest.raises(DataError, match=r"a target for each of 4 molecules. Got 3"):
        read_molecules(SMILES, [1, 2, 3])
    with pytest.raises(DataError, match=r"a target for each of 4 molecules. Got 5"):
        read_molecules(SMILES, [1, 2, 3, 4, 5])


# --- columns ------------------------------------------------------------------------


def test_columns_that_the_user_names(table):
    parts = ["train", "train", "val", "test"]
    text = "smiles,other,a,b,part,w\n" + "".join(
        f"C{s},{s},{k},{2 * k}.5,{part},{k + 1}\n"
        for k, (s, part) in enumerate(zip(SMILES, parts, strict=True))
    )
    path = table(text)
    named = columns(
        smiles_columns=("other",),
        target_columns=("b", "a"),
        splits_column="part",
        weight_column="w",
    )
    found = read_molecules(path, columns=named, task="regression")
    assert found.target_names == ["b", "a"]
    assert found.targets.tolist() == [[0.5, 0], [2.5, 1], [4.5, 2], [6.5, 3]]
    assert found.split is not None and found.weights is not None
    assert found.split.tolist() == ["train", "train", "val", "test"]
    assert found.weights.tolist() == [1, 2, 3, 4]
    for name in ("smiles_columns", "target_columns", "ignore_columns"):
        with pytest.raises(DataError, match="no column 'x'"):
            read_molecules(path, columns=columns(**{name: ("x",)}))


def test_several_targets_with_blanks(table):
    text = "a,b,smiles\n" + "".join(
        f"{a},{b},{s}\n" for a, b, s in zip("01 1", "1 0 ", SMILES, strict=True)
    )
    found = read_molecules(table(text))
    assert found.target_names == ["a", "b"] and found.classes == [("0", "1")] * 2
    expected = [[0, 1], [1, np.nan], [np.nan, 0], [1, np.nan]]
    np.testing.assert_array_equal(found.targets, expected)


def test_an_unclear_target_is_not_guessed(table):
    text = "smiles,weight,tpsa\n" + "".join(
        f"{s},{k + 0.5},{9.5 - k}\n" for k, s in enumerate(SMILES)
    )
    found = read_molecules(table(text))
    assert found.task == "none"
    assert "name it with --target-columns" in found.notes[-1]
    assert "'weight', 'tpsa'" in found.notes[-1]


def test_row_numbers_and_identifiers_are_no_targets(table):
    more = [*SMILES, "CCCCCl", "CCCCBr", "CCCCF"]
    text = "num,cid,smiles,exp\n" + "".join(
        f"{k},{900 + 7 * k},{s},{k / 4}\n" for k, s in enumerate(more)
    )
    assert read_molecules(table(text)).target_names == ["exp"]


def test_a_table_of_pairs_of_molecules_is_refused(table):
    text = "smiles_1,smiles_2,y\n" + "".join(f"{s},{s},1\n" for s in SMILES)
    with pytest.raises(DataError, match="A row has several molecules"):
        read_molecules(table(text))
    with pytest.raises(DataError, match="no column of structures"):
        read_molecules(table("a,b\n1,2\n3,4\n"))


# --- rows ---------------------------------------------------------------------------


def test_bad_rows_are_quarantined_with_their_line(table):
    text = f"smiles,y\n{SMILES[0]},1.5\n,2.5\nC(C)(C)(C)(C)C,3.5\n{SMILES[1]},\n"
    text += f"{SMILES[2]},many\n{SMILES[3]},4.5,6\n{SMILES[3]},5.5\n"
    found = read_molecules(table(text), task="regression")
    assert found.smiles == [SMILES[0], SMILES[3]] and found.num_rows == 7
    assert [(q.name, q.reason) for q in found.quarantined] == [
        ("", "line 3: blank"),
        (
            "C(C)(C)(C)(C)C",
            "line 4: impossible: atom 0 (C, counted from 0) has too many bonds",
        ),
        (SMILES[1], "line 5: has no target"),
        (SMILES[3], "line 7: has 3 cells, the header 2"),
        (SMILES[2], "line 6: the target 'many' is not a number"),
    ]


def test_rows_stay_aligned_with_the_file(table):
    """Every row of the source has a row when predicting, usable or not."""
    text = f"smiles\n{SMILES[0]}\n\n{SMILES[1]}\nnothing\n{SMILES[2]}\n"
    rows = [*MoleculeReader(table(text)).rows()]
    assert [row.row.line for row in rows] == [2, 3, 4, 5, 6]
    assert [row.molecule.mol is not None for row in rows] == [1, 0, 1, 0, 1]


def test_blocks_hold_all_rows(table):
    text = "smiles,y\n" + rows_of(SMILES * 5, [*range(20)])
    blocks = [*MoleculeReader(table(text)).blocks(8)]
    assert [len(block) for block in blocks] == [8, 8, 4]
    assert [row.row.line for block in blocks for row in block] == [*range(2, 22)]


def test_changes_are_counted(table):
    text = "smiles,y\nCCN.Cl,1.5\nCCCN.Br,2.5\n[2H]CCCCC,3.5\nCCCCO,4.5\n"
    notes = read_molecules(table(text)).notes
    assert "2 of 4 molecules: counter-ions or solvents removed" in notes
    assert "1 of 4 molecules: isotope labels removed" in notes


# --- replicates ---------------------------------------------------------------------


def test_replicates_are_averaged(table):
    text = "smiles,y\nCCCCO,1\nOCCCC,2\nCCCCO,4.5\nCCCCN,7\n"
    found = read_molecules(table(text), task="regression")
    assert found.smiles == ["CCCCO", "CCCCN"] and found.replicates.tolist() == [3, 1]
    assert found.targets[:, 0].tolist() == [2.5, 7]
    deviation = np.sqrt((1.5**2 + 0.5**2 + 2**2) / 2)
    np.testing.assert_allclose(found.deviations[:, 0], [deviation, np.nan])
    start = "3 rows are replicates of 1 structure: merged, averaged (standard deviation"
    assert any(note.startswith(start) for note in found.notes)


def test_replicates_of_different_classes_are_quarantined(table):
    text = "smiles,y\nCCCCO,1\nOCCCC,0\nCCCCN,1\nCCCCCl,0\nCCCCCl,0\n"
    found = read_molecules(table(text))
    assert found.smiles == ["CCCCN", "CCCCCl"]
    reasons = [q.reason for q in found.quarantined]
    assert reasons == [
        "line 2: the same structure has different classes of y (2, 3)",
        "line 3: the same structure has different classes of y (2, 3)",
    ]
    with pytest.raises(NoDataError, match="different classes"):
        read_molecules(table("smiles,y\nCCCCO,1\nOCCCC,0\n"))


def test_nothing_usable_is_an_error(table):
    with pytest.raises(NoDataError, match="The first: line 2: "):
        read_molecules(table("smiles,y\nnothing,1\n"))
    with pytest.raises(NoDataError, match="nothing at"):
        read_molecules("missing.csv")
    with pytest.raises(DataError, match=r"must be a file of molecules"):
        read_molecules(table("x", "m.pdf"))


# --- what people write --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "targets"),
    [
        ("CCO,1.5\nCCCCN,2.5\n", "m.csv", [1.5, 2.5]),  # no header
        ("CCO\nCCCCN\n", "m.csv", None),
        ("smiles,P value\nCCO,1.5\nCCN,2.5\n", "m.csv", [1.5, 2.5]),
        ("structure,F (%)\nCCO,1.5\nCCN,2.5\n", "m.csv", [1.5, 2.5]),
        ("smiles activity\nCCO 1.5\nCCN 2.5\n", "m.txt", [1.5, 2.5]),
        ("CCO ethanol\nCCN ethyl amine\n", "m.txt", None),
        ("canonical smiles\nCCO\nCCN\n", "m.txt", None),
        ("smiles,y,,\nCCO,1.5,,\nCCN,2.5,\n", "m.csv", [1.5, 2.5]),
        ("smiles,y\nCCO,1.5,\nCCN,2.5,\n", "m.csv", [1.5, 2.5]),
        ('"smiles"\n"CCO"\n"CCN"\n', "m.csv", None),
        ("#smiles,y\nCCO,1.5\nCCN,2.5\n", "m.csv", [1.5, 2.5]),
        ("smiles;y\nCCO;1,5\nCCN;2,5\n", "m.csv", [1.5, 2.5]),
        ("smiles,y\r\nCCO,1.5\r\nCCN,2.5\r\n", "m.csv", [1.5, 2.5]),
        ("\ufeffsmiles,y\nCCO,1.5\n\nCCN,2.5\n", "m.csv", [1.5, 2.5]),
    ],
)
def test_layouts_of_text(table, text, name, targets):
    found = read_molecules(table(text, name))
    assert Chem.MolToSmiles(found.mols[0]) == "CCO" and len(found) == 2
    if targets is not None:
        assert found.targets.ravel().tolist() == targets


def test_a_stray_quote_does_not_swallow_rows(table):
    text = 'smiles,y\nCCCCN,"b,2.5\n' + "CCO,1\n" * 40
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_molecules(table(text))


def test_blanks_of_a_data_frame():
    """As Tox21 read by pandas."""
    a, b = [0, 1, np.nan, 1], [1, 0, 0, np.nan]
    found = read_molecules(pd.DataFrame({"smiles": SMILES, "a": a, "b": b}))
    assert found.target_names == ["a", "b"] and np.isnan(found.targets).sum() == 2


def test_targets_that_are_blank_or_equal_at_the_beginning(table):
    rows = [f"{'C' * (k % 40 + 1)}O,0,\n" for k in range(1200)]
    rows += [f"{'C' * (k + 1)}N,1,{k % 2}\n" for k in range(30)]
    found = read_molecules(table("smiles,a,b\n" + "".join(rows)))
    assert found.target_names == ["a", "b"]
    assert (~np.isnan(found.targets)).sum(axis=0).tolist() == [70, 30]


def test_texts_beside_classes_and_words_for_unlabelled(table):
    text = "smiles,y\n" + "".join(f"{'C' * (k + 1)}O,{k % 2}\n" for k in range(20))
    found = read_molecules(table(text + "CCCCN,inconclusive\nCCCN,?\n"))
    assert found.classes == [("0", "1", "inconclusive")] and len(found) == 21
    assert any("1 of 22 are unlabelled" in note for note in found.notes)


def test_a_column_called_fold_is_no_split_unless_it_names_splits(table):
    text = "smiles,y,fold\n" + rows_of(SMILES, ["1.5,0", "2.5,1", "3.5,2", "4.5,3"])
    assert read_molecules(table(text)).split is None
    with pytest.raises(DataError, match="--splits-column"):
        read_molecules(table(text), columns=columns(splits_column="fold"))


def test_replicates_of_two_splits_are_not_merged(table):
    text = "smiles,y,split\nCCCCO,1.5,train\nOCCCC,9.5,test\nCCCCN,2,train\n"
    found = read_molecules(table(text))
    assert found.targets.ravel().tolist() == [1.5, 9.5, 2]
    assert "1 structure in more than one split" in found.notes


def test_replicates_are_averaged_by_their_weights(table):
    text = "smiles,y,w\nCCCCO,1,3\nOCCCC,5,1\nCCCCN,7,0\n"
    named = columns(target_columns=("y",), weight_column="w")
    found = read_molecules(table(text), columns=named, task="regression")
    assert found.targets[:, 0].tolist() == [2, 7]
    assert found.weights is not None and found.weights.tolist() == [4, 0]


def test_merged_forms_are_noted(table):
    text = "smiles,y\nCCCCN.Cl,2.5\nCCCCN,7.5\nCCCCO,1.5\n"
    notes = read_molecules(table(text)).notes
    assert any("1 of them in forms of other salts or isotopes" in n for n in notes)


def test_a_conflict_in_one_target_leaves_the_others(table):
    text = "smiles,a,b\nCCCCO,1,0\nOCCCC,0,0\nCCCCN,1,1\n"
    found = read_molecules(table(text))
    np.testing.assert_array_equal(found.targets, [[np.nan, 0], [1, 1]])
    assert [q.label for q in found.quarantined] == ["1|0", "0|0"]
    assert "different classes of a" in found.quarantined[0].reason


def test_a_row_is_quarantined_once(table):
    text = "smiles,a,b\nCCCCO,x,z\nCCCCN,1,2\n"
    named = columns(target_columns=("a", "b"))
    found = read_molecules(table(text), columns=named, task="regression")
    assert len(found.quarantined) == 1 and len(found) == 1
    with pytest.raises(DataError, match=r"No target can be used.*not a number"):
        read_molecules(table("smiles,y\nCCO,a\nCCN,b\n"), task="regression")


def test_the_structure_of_a_record_is_its_own(tmp_path):
    path = tmp_path / "m.sdf"
    with Chem.SDWriter(str(path)) as writer:
        for smiles in ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CCCCO"):
            mol = Chem.MolFromSmiles(smiles)
            mol.SetProp("Metabolite SMILES", "CCCCCCCC")
            mol.SetProp("dose", "5 \u00b5M")
            writer.write(mol)
    found = read_molecules(path)
    assert len(found) == 3 and found.replicates.max() == 1
    assert Chem.MolToSmiles(found.mols[0]) == "C[C@H](N)C(=O)O"
    path.write_bytes(path.read_text().encode("latin-1"))
    assert len(read_molecules(path)) == 3
    zipped = tmp_path / "renamed.sdf"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert len(read_molecules(zipped)) == 3
    zipped.write_bytes(zipped.read_bytes()[:200])
    with pytest.raises(DataError, match="damaged gzip"):
        read_molecules(zipped)


def test_records_that_are_no_molecule_have_the_reason(tmp_path):
    path = tmp_path / "m.sdf"
    with Chem.SDWriter(str(path)) as writer:
        for smiles in ("CCCCO", "CC(C)(C)(C)C"):
            mol = Chem.MolFromSmiles(smiles, sanitize=False)
            mol.UpdatePropertyCache(strict=False)
            mol.SetProp("pIC50", "5.5")
            writer.write(mol)
        writer.write(Chem.MolFromSmiles("CCCCN"))
    path.write_text(path.read_text() + "nonsense\n$$$$\n")
    found = read_molecules(path)
    reasons = {q.name: (q.label, q.reason) for q in found.quarantined}
    label, reason = reasons["CC(C)(C)(C)C"]
    assert (
        label == "5.5" and "record 2: impossible: atom 1 (C, counted from 0)" in reason
    )
    assert reasons[""][1] == "record 4: cannot be read as a record"
    assert len(found) == 1


def test_the_positive_class_is_the_second_of_two():
    smiles, y = ["CC", "CCC", "CCO"], [["ok", "0"], ["toxic", "1"], ["ok", "0"]]

    def read(positive, rows=y):
        columns = MoleculeColumns(positive_class=positive)
        return read_molecules(smiles, rows, columns=columns)

    assert read(None).classes == [("ok", "toxic"), ("0", "1")]
    assert read("ok").classes == [("toxic", "ok"), ("0", "1")]
    np.testing.assert_array_equal(read("ok").targets[:, 0], [1, 0, 1])
    assert read("0").classes == [("ok", "toxic"), ("1", "0")]
    with pytest.raises(ClassError, match="There is no class 'toxik'"):
        read("toxik")
    with pytest.raises(SettingError, match="more than two classes"):
        read("b", ["a", "b", "c"])
    with pytest.raises(SettingError, match="the targets are numbers"):
        read("1", [0.5, 1.5, 2.25])
    assert read(0).classes == read("0").classes
    assert read("safe", ["safe"] * 3).classes == [("safe",)]


def test_a_positive_class_makes_numbers_classes():
    smiles = ["C" * n + "O" for n in range(2, 26)]
    y = [0.5, 1.5] * 12
    options = {"network": "none", "descriptors": "fast", "folds": 2}
    model = MoleculeClassifier(**options, positive_class="0.5").fit(smiles, y)
    assert [str(k) for k in model.classes_] == ["1.5", "0.5"]


def test_the_positive_class_is_kept_in_predictions_and_other_data():
    smiles = [c + end for c in ("C" * n for n in range(2, 20)) for end in ("", "O")]
    y = ["inactive" if text.endswith("O") else "active" for text in smiles]
    options = {"network": "none", "descriptors": "fast", "folds": 2}
    usual = MoleculeClassifier(**options).fit(smiles, y)
    other = MoleculeClassifier(**options, positive_class="inactive").fit(smiles, y)
    assert list(usual.classes_) == ["inactive", "active"]
    assert list(other.classes_) == ["active", "inactive"]
    probabilities = usual.predict_proba(smiles)
    np.testing.assert_allclose(other.predict_proba(smiles), probabilities[:, ::-1])
    np.testing.assert_array_equal(other.predict(smiles), usual.predict(smiles))
    scored = other.evaluate(smiles[:10], y[:10]).predictions
    assert scored["label"].tolist() == y[:10]
