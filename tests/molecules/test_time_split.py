"""Splits by time: the newest molecules are tested, the others cross-validated."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vicinal.cli.app import main
from vicinal.core.data.times import parse_time
from vicinal.errors import SettingError
from vicinal.molecules.data.read import read_molecules
from vicinal.molecules.estimators import MoleculeRegressor
from vicinal.molecules.settings import MoleculeColumns

pytestmark = pytest.mark.usefixtures("without_plots")

CHAINS = ["C" * n for n in range(2, 14)]
SMILES = [c + end for c in CHAINS for end in ("", "O", "N", "C(=O)O", "F")]
N = len(SMILES)
YEARS = [2000 + (7 * k) % N for k in range(N)]
LENGTHS = [len(smiles) + 0.01 * (k % 7) for k, smiles in enumerate(SMILES)]
FAST: dict[str, Any] = {"network": "none", "descriptors": "fast"}


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"smiles": SMILES, "length": LENGTHS, **columns})


def test_the_newest_molecules_are_tested():
    model = MoleculeRegressor(**FAST, split="time", time_column="measured_on")
    days = [f"{year}-01-31" for year in YEARS]
    model.set_params(target_columns=("length",)).fit(table(measured_on=days))
    tested = set(model.test_.smiles.tolist())
    newest = sorted(range(N), key=lambda k: YEARS[k])[-N // 5 :]
    assert tested == {SMILES[k] for k in newest} and len(tested) == N // 5
    assert model.evaluate().score.n == N // 5
    scaffold = MoleculeRegressor(**FAST, target_columns=("length",))
    found = scaffold.fit(table(measured_on=days)).cross_validation_
    assert len(found.folds) == N  # nothing is tested by time unless asked for


@pytest.mark.parametrize("name", ["date", pytest.param("Year", marks=pytest.mark.slow)])
def test_the_column_is_found_by_its_name(name, tmp_path, capsys):
    path, out = tmp_path / "data.csv", tmp_path / "run"
    table(**{name: YEARS}).to_csv(path, index=False)
    words = "--network none --descriptors fast --target-columns length".split()
    run = ["train", str(path), "--out", str(out), *words, "--split", "time"]
    assert main(run) == 0
    assert f"the newest {N // 5} for testing" in capsys.readouterr().out
    splits = pd.read_csv(out / "data" / "splits.csv")
    newest = splits["smiles"][splits["split"] == "test"]
    years = dict(zip(SMILES, YEARS, strict=True))
    rest = splits["smiles"][splits["split"] == "train"]
    assert min(years[name] for name in newest) > max(years[name] for name in rest)
    assert main(["evaluate", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["score"]["n"] == N // 5


def test_without_times_it_is_refused():
    model = MoleculeRegressor(**FAST, split="time", target_columns=("length",))
    with pytest.raises(SettingError, match="needs a column of dates or numbers"):
        model.fit(table())


def test_a_test_split_of_the_user_is_kept():
    split = ["test" if k % 10 == 0 else "train" for k in range(N)]
    model = MoleculeRegressor(**FAST, split="time", target_columns=("length",))
    model.fit(table(date=YEARS, split=split))
    assert len(model.test_.smiles) == N // 10
    assert model.data_ is not None
    assert any("times are not used" in note for note in model.data_.notes)


def test_rows_without_a_time_are_quarantined_and_replicates_have_the_first():
    frame = pd.DataFrame(
        {
            "smiles": ["CCO", "OCC", "CCN", "CCC", "CCF"],
            "y": [1.5, 2.5, 3.0, 4.0, 5.0],
            "when": ["2020-05-01", "2019-05-01", None, "soon", "2021-01-01"],
        }
    )
    columns = MoleculeColumns(time_column="when", target_columns=("y",))
    found = read_molecules(frame, columns=columns)
    assert found.smiles == ["CCO", "CCF"] and found.replicates.tolist() == [2, 1]
    assert found.times is not None
    assert found.times.tolist() == [parse_time("2019-05-01"), parse_time("2021-01-01")]
    assert [row.reason for row in found.quarantined] == [
        "row 2: has no date or number in the column 'when'",
        "row 3: has no date or number in the column 'when'",
    ]
    unnamed = read_molecules(
        frame.rename(columns={"when": "date"}),
        columns=MoleculeColumns(target_columns=("y",)),
    )
    assert unnamed.times is None and len(unnamed) == 4


def test_dates_and_numbers_are_times():
    assert parse_time("2021") == 2021.0 and parse_time("soon") is None
    first, second = parse_time("2020-12-31"), parse_time("2021-01-01")
    assert first is not None and second is not None and np.sign(second - first) == 1
