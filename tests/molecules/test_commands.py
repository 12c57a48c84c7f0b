"""Commands on tables of molecules as people have them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vicinal.cli.app import main
from vicinal.errors import DataError, QuarantineWarning
from vicinal.molecules.estimators import MoleculeClassifier, MoleculeRegressor

pytestmark = pytest.mark.usefixtures("without_plots")

CHAINS = ["C" * n for n in range(2, 14)]
SMILES = [c + end for c in CHAINS for end in ("", "O", "N", "C(=O)O", "F")]
N = len(SMILES)
LENGTHS = [len(smiles) + 0.01 * (k % 7) for k, smiles in enumerate(SMILES)]
ACIDS = ["active" if smiles.endswith("(=O)O") else "inactive" for smiles in SMILES]
QUICK = "--network none --descriptors fast --split random".split()
FAST: dict[str, Any] = {"network": "none", "descriptors": "fast", "split": "random"}


KINDS = ("numbers", "three classes")


def write(path: Path, **columns: Any) -> str:
    pd.DataFrame({"smiles": SMILES, **columns}).to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[str, str]:
    """A table of lengths and a run on it, which tests do not change."""
    folder = tmp_path_factory.mktemp("lengths")
    data, out = write(folder / "a.csv", y=LENGTHS), str(folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VICINAL_CACHE", str(folder / "cache"))
        patch.setattr("vicinal.core.report.plots.to_svg", lambda *_: "<svg/>")
        assert main(["train", data, "--out", out, *QUICK]) == 0
    return data, out


def run(capsys: Any, *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "kind", ["classes", *(pytest.param(k, marks=pytest.mark.slow) for k in KINDS)]
)
def test_several_targets_and_several_classes_run_to_the_end(tmp_path, capsys, kind):
    sparse = [None if k % 3 == 0 else v for k, v in enumerate(LENGTHS)]
    columns: dict[str, Any] = {
        "numbers": {"a": LENGTHS, "b": sparse},
        "classes": {"a": [0, 1] * (N // 2), "b": [1, None, 0] * (N // 3)},
        "three classes": {"a": ["x", "y", "z"] * (N // 3)},
    }[kind]
    data = write(tmp_path / "data.csv", **columns)
    out = str(tmp_path / "run")
    found = run(
        capsys, "train", data, "--out", out, *QUICK, "--target-columns", *columns
    )
    metric = {"numbers": "nrmse", "classes": "auroc", "three classes": "auroc"}
    assert found["score"]["metric"] == metric[kind]
    assert (tmp_path / "run" / "report.html").exists()
    predicted = run(capsys, "predict", out, "CCO", "c1ccccc1")["predictions"]
    names = ("a", "b") if kind != "three classes" else ("predicted", "p_x", "p_z")
    assert all(set(names) <= row.keys() for row in predicted)
    assert main(["predict", out, "CCO"]) == 0
    printed = capsys.readouterr().out
    assert "similarity" not in printed
    assert run(capsys, "evaluate", out)["score"] == found["score"]
    assert run(capsys, "explain", out, "CCO")["molecule"] == "CCO"


def test_other_data_are_read_by_the_columns_of_training(tmp_path, capsys):
    other = SMILES[::-1]
    data = write(tmp_path / "a.csv", product_smiles=other, logS=LENGTHS)
    out = str(tmp_path / "run")
    named = ["--smiles-columns", "product_smiles", "--target-columns", "logS"]
    run(capsys, "train", data, "--out", out, *QUICK, *named)
    rows = run(capsys, "predict", out, data)["predictions"]
    assert [row["smiles"] for row in rows] == other
    assert [row["predicted"] for row in rows] == pytest.approx(LENGTHS, abs=1)
    # a column of a usual name is no longer taken for the target
    new = write(tmp_path / "b.csv", value=[0.0] * N, logS=LENGTHS[::-1], MW=LENGTHS)
    found = run(capsys, "evaluate", out, new)
    assert found["score"]["value"] < 1 and found["score"]["n"] == N
    # data with one target of another name are scored, with a note
    renamed = write(tmp_path / "c.csv", solubility=[x + 0.5 for x in LENGTHS[::-1]])
    found = run(capsys, "evaluate", out, renamed)
    assert any("'solubility' is scored as 'logS'" in note for note in found["notes"])


def test_the_test_rows_of_other_data_are_counted_as_overlap(tmp_path, capsys):
    data = write(
        tmp_path / "a.csv", y=LENGTHS, split=["train"] * (N - 20) + ["test"] * 20
    )
    out = str(tmp_path / "run")
    run(capsys, "train", data, "--out", out, *QUICK)
    copy = tmp_path / "copy.csv"
    copy.write_text(Path(data).read_text())
    found = run(capsys, "evaluate", out, str(copy))
    assert found["score"]["n"] == 20
    assert "in the training data" not in found["verdict"]


def test_the_class_of_a_probability_is_named(tmp_path):
    y = np.array([ACIDS, ["yes", "no"] * (N // 2)], dtype=object).T
    frame = pd.DataFrame(y, columns=["hERG", "other"]).assign(smiles=SMILES)
    model = MoleculeClassifier(**FAST, target_columns=("hERG", "other")).fit(frame)
    predicted = model.predict_mols(model.mols_of(["CCCCC(=O)O"]))
    table = model.predictions_frame(["CCCCC(=O)O"], predicted)
    assert table["hERG=active"][0] > 0.8 and "other=yes" in table
    found = model.explain("CCCCC(=O)O", "hERG")
    assert found.quantity == "log-odds of hERG=active"
    assert found.score == pytest.approx(predicted.values[0, 0])


def test_rows_of_weight_0_are_not_used():
    y = [1000.0 if k % 2 else v for k, v in enumerate(LENGTHS)]
    frame = pd.DataFrame({"smiles": SMILES, "y": y, "w": [1.0, 0.0] * (N // 2)})
    model = MoleculeRegressor(**FAST, weight_column="w", target_columns=("y",))
    model.fit(frame)
    assert model.evaluate().score.n == N // 2
    assert model.predict(["CCCCCCO"])[0] == pytest.approx(7, abs=1)
    assert model.data_ is not None
    assert "30 molecules of weight 0 not used" in model.data_.notes
    with pytest.raises(DataError, match="0 molecules with a target to train on"):
        model.fit(frame.assign(w=0.0))


def test_a_given_split_is_noted():
    split = ["train"] * 40 + ["val"] * 8 + ["test"] * 8 + [None] * 4
    frame = pd.DataFrame({"smiles": SMILES, "y": LENGTHS, "split": split})
    model = MoleculeRegressor(**FAST).fit(frame)
    assert model.evaluate().score.n == 8 and model.evaluate().scored == "test"
    assert model.data_ is not None
    notes = " ".join(model.data_.notes)
    assert "4 molecules without a split not used" in notes
    assert "8 molecules of the val split used for training" in notes


def test_stereoisomers_across_the_given_split_are_noted():
    pairs = ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"]
    frame = pd.DataFrame({"smiles": [*SMILES, *pairs], "y": [*LENGTHS, 1.0, 2.0]})
    frame["split"] = ["train"] * (N + 1) + ["test"]
    model = MoleculeRegressor(**FAST).fit(frame)
    assert model.data_ is not None
    assert any("1 test molecule are stereoisomers" in k for k in model.data_.notes)


@pytest.mark.parametrize("names", [("similarity", "a"), ("a", "a_low")])
def test_targets_with_names_of_other_columns_are_refused(names):
    frame = pd.DataFrame({"smiles": SMILES, names[0]: LENGTHS, names[1]: LENGTHS[::-1]})
    with pytest.raises(DataError, match="cannot be called"):
        MoleculeRegressor(**FAST, target_columns=names).fit(frame)


def test_a_constant_target_is_refused():
    with pytest.raises(DataError, match="must have two different numbers or more"):
        MoleculeRegressor(**FAST).fit(SMILES, [3.0] * N)


def test_a_target_of_few_values_has_no_interval(tmp_path, capsys):
    few: list[float | None] = [None] * N
    few[:4] = [1.5, 2.0, 3.0, 4.0]
    data = write(tmp_path / "a.csv", a=LENGTHS, b=few)
    out = str(tmp_path / "run")
    run(capsys, "train", data, "--out", out, *QUICK, "--target-columns", "a", "b")
    found = run(capsys, "predict", out, "CCO")
    assert "b_low" not in found["predictions"][0] and "a_low" in found["predictions"][0]
    assert any("no intervals of b" in note for note in found["notes"])


def test_a_molecule_that_cannot_be_read_is_named(trained, capsys):
    _, out = trained
    assert main(["predict", out, "C1CC"]) == 2
    assert "C1CC: row 0" in capsys.readouterr().err


def test_structural_alerts_are_shown(trained, capsys):
    _, out = trained
    found = run(capsys, "explain", out, "CCCC[N+](=O)[O-]", "--alerts")
    assert found["alerts"] and found["alerts"][0]["atoms"]


def test_predictions_do_not_change_in_a_file_with_bad_rows(trained, tmp_path, capsys):
    data, out = trained
    bad = [s if k % 20 else "C1CC" for k, s in enumerate(SMILES)]
    table, output = tmp_path / "new.csv", tmp_path / "predicted.csv"
    pd.DataFrame({"smiles": bad}).to_csv(table, index=False)
    run(capsys, "predict", out, str(table), "--output", str(output))
    found = pd.read_csv(output)
    assert found["smiles"].tolist() == bad
    assert found["predicted"].isna().tolist() == [k % 20 == 0 for k in range(N)]
    assert found["reason"].notna().tolist() == found["predicted"].isna().tolist()
    expected = {
        row["smiles"]: row["predicted"]
        for row in run(capsys, "predict", out, data)["predictions"]
    }
    pairs = zip(found["smiles"], found["predicted"], strict=True)
    good = [(value, expected[smiles]) for smiles, value in pairs if value == value]
    np.testing.assert_allclose(*np.array(good).T)


def test_identifiers_stay_beside_the_predictions(tmp_path, capsys):
    names = [f"X-{k}" for k in range(N)]
    data = write(tmp_path / "a.csv", **{"Compound ID": names}, y=LENGTHS)
    out = str(tmp_path / "run")
    run(capsys, "train", data, "--out", out, *QUICK)
    output = tmp_path / "predicted.csv"
    run(capsys, "predict", out, data, "--output", str(output))
    assert pd.read_csv(output)["id"].tolist() == names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Name SMILES, or a file of molecules"),
        (["nowhere.mol"], "There is nothing at nowhere.mol"),
        (["CCO", "nowhere.csv"], "Files are predicted one at a time"),
    ],
)
def test_what_cannot_be_predicted_is_one_message(trained, capsys, words, message):
    _, out = trained
    assert main(["predict", out, *words]) == 2
    assert message in capsys.readouterr().err


def test_identifiers_are_no_classes():
    names = [f"X-{k}" for k in range(N)]
    frame = pd.DataFrame({"smiles": SMILES, "code": names})
    with pytest.raises(DataError, match="60 different values for 60 molecules"):
        MoleculeClassifier(**FAST, target_columns="code").fit(frame)


def test_the_active_class_is_the_second(tmp_path):
    model = MoleculeClassifier(**FAST).fit(SMILES, ACIDS)
    assert model.classes_.tolist() == ["inactive", "active"]
    assert model.predict_proba(["CCCCC(=O)O"])[0, 1] > 0.8
    assert model.predict(["CCCCC(=O)O"])[0] == "active"


def test_data_frames_and_files_are_predicted(tmp_path):
    model = MoleculeRegressor(**FAST).fit(SMILES, LENGTHS)
    frame = pd.DataFrame({"id": range(3), "smiles": SMILES[:3]})
    expected = model.predict(SMILES[:3])
    np.testing.assert_allclose(model.predict(frame), expected)
    frame.to_csv(tmp_path / "new.csv", index=False)
    np.testing.assert_allclose(model.predict(tmp_path / "new.csv"), expected)
    with pytest.raises(DataError, match=r"row 1 \('C1CC'\)"):
        model.predict(pd.DataFrame({"smiles": ["CCO", "C1CC"]}))


def test_check_names_what_is_no_number_and_counts_structures(tmp_path, capsys):
    values = [*LENGTHS[:-2], ">20", "n.d."]
    data = write(tmp_path / "a.csv", y=values)
    assert main(["check", data]) == 0
    printed = capsys.readouterr().out
    assert "2 are not numbers, such as '>20', 'n.d.'" in printed
    assert "60 different ones" in printed


def test_errors_are_named_apart_from_blanks(tmp_path):
    values = [None, None, ">20", *LENGTHS[3:]]
    frame = pd.DataFrame({"smiles": SMILES, "y": values})
    with pytest.warns(QuarantineWarning):
        model = MoleculeRegressor(**FAST, target_columns="y").fit(frame)
    assert model.data_ is not None
    notes = " ".join(model.data_.notes)
    assert (
        "1 row quarantined for other reasons than a blank: row 2: the target" in notes
    )


def test_classes_of_other_data_are_matched_by_name():
    y = ["b" if smiles.endswith("(=O)O") else "c" for smiles in SMILES]
    model = MoleculeClassifier(**FAST).fit(SMILES, y)
    assert model.evaluate(SMILES, y).scores[-1].value > 0.9
    found = model.evaluate(SMILES, ["a", *y[1:]])  # a is the first class of these data
    assert found.score.n == N - 1 and found.scores[-1].value > 0.9
    assert any("unknown classes left out: a" in note for note in found.notes)


def test_identifiers_and_targets_are_in_the_results(tmp_path, capsys):
    """Those of the training data, in predictions.csv and on the terminal."""
    split = ["test" if k % 6 == 0 else "train" for k in range(N)]
    ids = [f"CPD-{k}" for k in range(N)]
    other = [2 * v + (k % 3) for k, v in enumerate(LENGTHS)]
    data = write(
        tmp_path / "data.csv", compound_id=ids, a=LENGTHS, b=other, split=split
    )
    out = tmp_path / "run"
    words = ["train", data, "--out", str(out), *QUICK, "--target-columns", "a", "b"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "by target, in the cross-validation:" in printed
    assert "  a: rmse" in printed and f"on {N - N // 6:,} molecules" in printed
    frame = pd.read_csv(out / "predictions.csv")
    assert dict(zip(frame["smiles"], frame["id"], strict=True)) == dict(
        zip(SMILES, ids, strict=True)
    )
    assert set(frame["id"][frame["split"] == "test"]) == set(ids[::6])


def test_what_the_data_say_about_the_error_and_the_scale_is_noted():
    y = [10.0 ** (k % 7) for k in range(N)]
    model = MoleculeRegressor(**FAST).fit([*SMILES, SMILES[0]], [*y, 3.0])
    notes = notes_of(model)
    assert any("spans 6.0 decades: its logarithm" in note for note in notes)
    expected = np.std([1.0, 3.0], ddof=1)
    assert any(f"(standard deviation {expected:.3g}, which" in note for note in notes)
    plain = MoleculeRegressor(**FAST).fit(SMILES, LENGTHS)
    assert not any("decades" in note for note in notes_of(plain))


def notes_of(model: MoleculeRegressor) -> list[str]:
    assert model.data_ is not None
    return model.data_.notes
