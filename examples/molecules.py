"""Predict a property of molecules from SMILES, with intervals and an explanation."""

import numpy as np

import vicinal

chains = ["C" * length for length in range(2, 14)]
smiles = [chain + end for chain in chains for end in ("", "O", "N", "C(=O)O", "Cl")]
rng = np.random.default_rng(0)
boiling = [60 * np.log(len(s)) + 40 * ("O" in s) + rng.normal(0, 2) for s in smiles]

model = vicinal.MoleculeRegressor(split="random", network="none")
model.fit(smiles, boiling)  # or a path, or a DataFrame
print(model.evaluate())  # cross-validated RMSE with interval, beside simple models
low, high = model.predict_interval(["CCCCCCO"])
print("hexanol:", model.predict(["CCCCCCO"]), low, high)
print(model.explain("CCCCCCO"))  # a notebook shows the drawing

folder = model.save("boiling")
print(vicinal.load(folder).predict(["CCCCCCO"]))
