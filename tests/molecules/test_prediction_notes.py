"""What of the structures `predict` did not take is named."""

from vicinal.molecules.data.reader import MoleculeReader
from vicinal.molecules.estimators import MoleculeRegressor
from vicinal.molecules.inference.blocks import predict_rows


def test_removed_parts_are_named_beside_predictions():
    chains = ["C" * n for n in range(2, 22)]
    model = MoleculeRegressor(network="none", descriptors="fast", folds=2)
    model.fit(chains, [float(len(c)) for c in chains])
    found = predict_rows(model, MoleculeReader(["CCN.CCO", "CC(=O)[O-].[Na+]", "CCC"]))
    assert "2 of 3 molecules: counter-ions or solvents removed" in found.notes
    plain = predict_rows(model, MoleculeReader(["CCN", "CCC"]))
    assert not any("removed" in note for note in plain.notes)
