"""Make docs/new-molecules-that-dissolve.md and its drawings: ESOL and a generator.

python docs/make_new_molecules_that_dissolve.py ESOL.csv DRUGLIKE.csv.gz
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Template
from page_commands import printed_by, run_command
from rdkit import Chem

import vicinal
from vicinal.molecules.explain.drawing import draw_grid

HERE = Path(__file__).parent.resolve()
PAGE = HERE / "new-molecules-that-dissolve.md"
TEMPLATE = HERE / "new-molecules-that-dissolve.md.jinja"
DRAWING = HERE / "images" / "dissolving.svg"

NUM_MOLECULES = 20_000
LIMITS = ("--min-weight", "250", "--max-weight", "450")
CORE = "*c1ccc(C(=O)N*)cc1"


def predictions(model: Any, smiles: list[str]) -> pd.DataFrame:
    """Return the predicted solubility, and which molecules are unlike those of ESOL."""
    found = model.predict_mols(model.mols_of(smiles))
    low, high = model.predict_interval(smiles)
    similarity = found.neighbors.similarity[:, 0]
    outside = similarity < model.model_.outside
    columns = {"value": found.values, "low": low, "high": high, "outside": outside}
    return pd.DataFrame(columns | {"similarity": similarity})


def summarise(table: pd.DataFrame) -> dict[str, float]:
    """Return the means over molecules."""
    return {name: float(np.mean(table[name])) for name in table}


def mean_objective(model: Any) -> Any:
    """Return an objective that ignores the uncertainty of a model."""
    return lambda mols: model.predict([Chem.MolToSmiles(mol) for mol in mols])


def main() -> None:
    """Run the commands in a directory of their own, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("esol", type=Path)
    parser.add_argument("druglike", type=Path)
    sources = parser.parse_args()
    esol, druglike = sources.esol.resolve(), sources.druglike.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        shutil.copy(esol, "esol.csv")
        table = pd.read_csv(druglike).head(NUM_MOLECULES)
        table.to_csv("druglike.csv", index=False)
        words = ("train", "esol.csv", "--network", "none", "--out", "runs/esol")
        solubility = run_command(*words)
        words = ("train", "druglike.csv", "--task", "generation")
        generator = run_command(*words, "--out", "runs/druglike")
        model = vicinal.load("runs/esol")
        drawn = run_command("generate", "runs/druglike", "-n", "200", *LIMITS)
        words = ("generate", "runs/druglike", "-n", "20", *LIMITS)
        best = run_command(*words, "--optimise", "runs/esol", "--novel")
        beyond = run_command(*words, "--optimise", "runs/esol", "--extrapolate")
        printed = printed_by(*words[:3], "5", *LIMITS, "--optimise", "runs/esol")
        grown = run_command("generate", "runs/druglike", "-n", "200", "--grow", CORE)
        history = printed_by(
            "explain", "runs/druglike", best["molecules"][0]["smiles"], "--top", "2"
        )
        careless = vicinal.load("runs/druglike").optimise(mean_objective(model), 3000)
        sets = {
            "drawn at random": drawn["molecules"],
            "20 best by the lower bound": best["molecules"],
            "20 best with `--extrapolate`": beyond["molecules"],
            f"decorated `{CORE}`": grown["molecules"],
        }
        smiles = {k: [row["smiles"] for row in rows] for k, rows in sets.items()}
        smiles["20 best by the mean, any molecule"] = careless.smiles[:20]
        tables = {name: predictions(model, own) for name, own in smiles.items()}
        rows = {name: summarise(own) for name, own in tables.items()}
    shown = best["molecules"][:6]
    legends = [f"{row['score']:.2f} at least" for row in shown]
    mols = [Chem.MolFromSmiles(row["smiles"]) for row in shown]
    page = Template(TEMPLATE.read_text(encoding="utf-8")).render(
        solubility=solubility,
        generator=generator,
        samples={each["name"]: each for each in generator["samples"]},
        rows=rows,
        count={name: len(own) for name, own in smiles.items()},
        printed=printed,
        careless=careless.smiles[:4],
        history=history,
        core=CORE,
        limits=" ".join(LIMITS),
    )
    PAGE.write_text(page + "\n", encoding="utf-8")
    DRAWING.write_text(draw_grid(mols, legends), encoding="utf-8")


if __name__ == "__main__":
    main()
