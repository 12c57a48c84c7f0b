"""`vicinal demo molecules`: activities of 1,017 inhibitors, which come with RDKit.

Sulfonamides that block a sodium channel, with their activities (-log10 of the molar
concentration): ChEMBL document CHEMBL2321810, in RDKit's Contrib/FreeWilson; no
download.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import RDConfig

from vicinal.core.report.console import Console
from vicinal.core.text import format_percent
from vicinal.errors import NoDataError
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.data.read import read_molecules
from vicinal.molecules.data.summary import describe_molecules
from vicinal.molecules.estimators import MoleculeRegressor
from vicinal.molecules.fitting import scores_by_split
from vicinal.molecules.report.held_out import (
    error_by_expectation,
    held_out,
    interval_coverage,
)

FOLDER = Path(RDConfig.RDContribDir) / "FreeWilson" / "data"
OTHER = "CCO"
"""a molecule unlike those of the data"""


def load_inhibitors() -> MoleculeTable:
    """Return the molecules and their activities; NoDataError if RDKit lacks them."""
    import pandas as pd

    smiles, activities = (
        FOLDER / name for name in ("CHEMBL2321810.smi", "CHEMBL2321810_act.csv")
    )
    if not (smiles.exists() and activities.exists()):
        raise NoDataError(
            f"This installation of RDKit has no {smiles.name} in {FOLDER}. Install "
            "RDKit with pip, or train on your own data: vicinal train DATA."
        )
    columns = ["smiles", "Name"]
    table = pd.read_csv(smiles, sep=r"\s+", header=None, names=columns)
    table = table.merge(pd.read_csv(activities), on="Name")
    table = table.rename(columns={"Act": "activity"}).drop(columns="Name")
    return read_molecules(table)


def run_demo(console: Console, *, seeds: int = 1) -> dict[str, Any]:
    """Fit, evaluate under three splits, explain and predict; return the scores."""
    started_at, table = time.monotonic(), load_inhibitors()
    console.print("Blockers of a sodium channel (ChEMBL document CHEMBL2321810):")
    for line in describe_molecules(table):
        console.print(f"  {line}")
    model = MoleculeRegressor(network="none").fit(table)
    scores = evaluate_splits(model, console)
    show_intervals(model, console)
    explanation = explain_strongest(model, table, console)
    show_other_molecule(model, console)
    console.print(
        "\nNext, your own molecules, as a CSV with a column of SMILES:\n"
        "  vicinal check DATA.csv         rows that cannot be used, and why\n"
        "  vicinal train DATA.csv         a tested model and a report\n"
        "  vicinal explain RUN SMILES     which atoms make a prediction"
    )
    return {
        "score": model.evaluate().score.to_dict(),
        "split_scores": scores,
        "explanation": explanation,
        "seconds": round(time.monotonic() - started_at, 2),
    }


def evaluate_splits(model: MoleculeRegressor, console: Console) -> dict[str, Any]:
    """Show the score under each way of holding molecules out."""
    scores = scores_by_split(model.model_, model.settings_, model.random_state)
    console.print(
        "\nCross-validated RMSE of a Gaussian process on fingerprints and\n"
        "descriptors, by what is held out together:"
    )
    texts = {
        "scaffold": "molecules of one scaffold",
        "butina": "clusters of similar molecules",
        "random": "single compounds",
    }
    for name, score in scores.items():
        console.print(f"  {name:<9} {score.value:.3f}   {texts[name]}")
    mean = model.evaluate().baselines["mean"]
    console.print(f"  {'mean':<9} {mean.value:.3f}   without a model")
    return {name: score.to_dict() for name, score in scores.items()}


def show_intervals(model: MoleculeRegressor, console: Console) -> None:
    """Show what the prediction intervals contain, and what they are good for."""
    found, coverage = held_out(model.model_, 0), model.settings_.coverage
    halves = error_by_expectation(found)
    console.print(
        f"\n{format_percent(coverage)} intervals contain "
        f"{format_percent(interval_coverage(found, coverage))} of the held-out values. "
        f"RMSE of the half with\nthe narrower intervals: {halves.confident:.3f}, of "
        f"the other half: {halves.others:.3f}."
    )


def explain_strongest(
    model: MoleculeRegressor, table: MoleculeTable, console: Console
) -> dict[str, Any]:
    """Explain the prediction for the most active molecule."""
    row = int(np.argmax(table.targets[:, 0]))
    found = model.explain(table.smiles[row])
    console.print(
        f"\nThe most active molecule: {found.smiles}\n"
        f"  predicted {found.score:.2f}, measured {table.targets[row, 0]:.2f}; atoms "
        "with the largest shares:"
    )
    for k in np.argsort(-found.atoms, kind="stable")[:5]:
        atom = found.mol.GetAtomWithIdx(int(k))
        console.print(f"  {atom.GetSymbol()}{k:<3} {found.atoms[k]:+.3f}")
    console.print(f"  {found.verdict}")
    return {"smiles": found.smiles, "correlation": found.correlation, "p": found.p}


def show_other_molecule(model: MoleculeRegressor, console: Console) -> None:
    """Show that a molecule unlike those of training is marked."""
    found = model.predict_mols(model.mols_of([OTHER]))
    assert found.half is not None and found.neighbors is not None
    similarity = float(found.neighbors.similarity[0, 0])
    console.print(
        f"\nA prediction for {OTHER}: {found.values[0]:.2f} +- {found.half[0, 0]:.2f}. "
        "The most similar training molecule\n"
        f"has the similarity {similarity:.2f}; below {model.model_.outside:.2f} a "
        "molecule is marked as unlike those of training."
    )
