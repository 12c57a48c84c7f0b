"""Properties of molecules beside Chemprop: same rows, same splits, CPU seconds of each.

    python -m benchmarks.molecules DATA.csv TARGET --peer VENV/bin/chemprop

Grouped cross-validation (scaffolds, 5 folds) or Chemprop's own splits (`--splits
scaffold_balanced`, three seeds). Each method runs in a process of its own with one
thread, one after the other, and its CPU seconds are those of the process, imports and
features included. Chemprop runs with its defaults (50 epochs; a tenth of the training
rows, at random, choose the epoch), and with `--molecule-featurizers`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FEATURES = "v1_rdkit_2d_normalized"
ONE_NETWORK = "vicinal one network"
METHODS = (
    *("vicinal", "vicinal baseline", ONE_NETWORK),
    *("chemprop", f"chemprop {FEATURES}"),
)


class Job(NamedTuple):
    """A split of a data set, as a file with the columns smiles, y and split."""

    name: str
    path: Path
    classes: bool


def make_splits(data: str, target: str, splits: str, folder: Path) -> Iterator[Job]:
    """Write a file for each split; molecules are those that vicinal reads."""
    import pandas as pd
    from rdkit import Chem

    from vicinal.core.data.splits import assign_folds
    from vicinal.molecules.data.parse import parse_molecule
    from vicinal.molecules.data.read import read_molecules
    from vicinal.molecules.settings import MoleculeColumns
    from vicinal.molecules.splits import molecule_groups

    table = read_molecules(data, columns=MoleculeColumns(target_columns=(target,)))
    smiles = [Chem.MolToSmiles(mol) for mol in table.mols]
    frame = pd.DataFrame({"smiles": smiles, "y": table.targets[:, 0]})
    if splits != "folds":  # every row that can be read, as published splits have them
        raw = pd.read_csv(data)
        frame = pd.DataFrame({"smiles": raw["smiles"], "y": raw[target]}).dropna()
        known = frame["smiles"].map(lambda text: parse_molecule(text).mol is not None)
        frame = frame[known].reset_index(drop=True)
    if splits == "folds":
        groups = molecule_groups(table.mols, "scaffold")
        folds = assign_folds(np.zeros(len(frame)), groups, folds=5, seed=0)
        parts = [(f"fold {k}", folds == k) for k in range(5)]
    else:
        parts = [(f"{splits} {k}", _peer_split(frame, splits, k)) for k in range(3)]
    for number, (name, test) in enumerate(parts):
        path = folder / f"{name.replace(' ', '-')}.csv"
        val = np.random.default_rng(number).random(len(frame)) < 0.1
        split = np.where(test, "test", np.where(val, "val", "train"))
        frame.assign(split=split).to_csv(path, index=False)
        yield Job(name, path, bool(table.classes))


PEER_SPLIT = """
import sys, json
import pandas as pd
from chemprop.data import make_split_indices
from rdkit import Chem
frame = pd.read_csv(sys.argv[1])
mols = [Chem.MolFromSmiles(s) for s in frame.smiles]
found = make_split_indices(
    mols, split=sys.argv[2], sizes=(0.8, 0.1, 0.1), seed=int(sys.argv[3])
)
print(json.dumps([int(k) for k in found[2][0]]))
"""


def _peer_split(frame: Any, splits: str, seed: int) -> np.ndarray:
    """Return the test rows [N] of Chemprop's own split."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        frame.to_csv(file.name, index=False)
        words = [_peer_python(), "-c", PEER_SPLIT, file.name, splits, str(seed)]
        out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    test = np.zeros(len(frame), bool)
    test[json.loads(out.splitlines()[-1])] = True
    return test


def _peer_python() -> str:
    return str(Path(OPTIONS.peer).parent / "python")


# --- methods -------------------------------------------------------------------------


def run_method(method: str, job: Job, folder: Path) -> dict[str, float]:
    """Return the score and the CPU seconds of a method on one split."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    out = folder / f"{job.path.stem}-{method.replace(' ', '-')}"
    if method.startswith("vicinal"):
        words = [sys.executable, "-m", "benchmarks.molecules", "--worker", method]
        words += [str(job.path), str(out), "--minutes", str(OPTIONS.minutes)]
    else:
        words = _peer_words(method, job, out)
    subprocess.run(words, check=True, env=environment, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"score": _score(job, out), "cpu_seconds": seconds}


def _peer_words(method: str, job: Job, out: Path) -> list[str]:
    task = "classification" if job.classes else "regression"
    words = [OPTIONS.peer, "train", "--data-path", str(job.path), "--task-type", task]
    words += ["--smiles-columns", "smiles", "--target-columns", "y"]
    words += ["--splits-column", "split", "--output-dir", str(out)]
    words += ["--num-workers", "0", "--accelerator", "cpu"]
    if FEATURES in method:
        words += ["--molecule-featurizers", FEATURES]
    return words


def work(method: str, path: str, out: str, minutes: float) -> None:
    """Fit vicinal to the rows that are not test, and write its predictions."""
    import pandas as pd

    from vicinal import MoleculeClassifier, MoleculeRegressor

    frame = pd.read_csv(path)
    train, test = frame[frame["split"] != "test"], frame[frame["split"] == "test"]
    classes = set(frame["y"]) <= {0.0, 1.0}
    network = "none" if "baseline" in method else "auto"
    make: Any = MoleculeClassifier if classes else MoleculeRegressor
    size = 1 if method == ONE_NETWORK else None
    limit = None if method == ONE_NETWORK else minutes
    model = make(network=network, minutes=limit, ensemble_size=size)
    y = train["y"].astype(int) if classes else train["y"]
    model.fit(train["smiles"].tolist(), y.tolist())
    values = model.predict_values(test["smiles"].tolist())
    Path(out).mkdir()
    predicted = values[:, 1] if classes else values
    pd.DataFrame({"y": predicted}).to_csv(Path(out) / "predictions.csv", index=False)


def _score(job: Job, out: Path) -> float:
    """Return the RMSE, or the AUROC, on the test rows."""
    import pandas as pd
    from sklearn.metrics import mean_squared_error, roc_auc_score

    frame = pd.read_csv(job.path)
    y = frame.loc[frame["split"] == "test", "y"].to_numpy()
    own = out / "predictions.csv"
    path = own if own.exists() else next(out.rglob("test_predictions.csv"))
    predicted = pd.read_csv(path)["y"].to_numpy()
    if job.classes:
        return float(roc_auc_score(y, predicted))
    return float(mean_squared_error(y, predicted) ** 0.5)


# --- results -------------------------------------------------------------------------


def report(rows: list[dict[str, Any]]) -> None:
    """Print the mean of each method, and paired differences from the first."""
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        scores = np.array([row["score"] for row in own])
        seconds = np.mean([row["cpu_seconds"] for row in own])
        first = rows[0]["method"]
        ours = [r for r in rows if r["method"] == first]
        pairs = [
            row["score"] - other["score"]
            for row in own
            for other in ours
            if row["split"] == other["split"]
        ]
        spread = np.std(pairs, ddof=1) / len(pairs) ** 0.5 if len(pairs) > 1 else 0.0
        print(
            f"{method:<32} {scores.mean():.3f} (sd {scores.std():.3f}, n = {len(own)})"
            f"  {seconds:7.1f} CPU s  minus {first}: {np.mean(pairs):+.3f} +- "
            f"{1.96 * spread:.3f}"
        )


def main() -> None:
    if OPTIONS.worker:
        work(OPTIONS.worker, OPTIONS.data, OPTIONS.target, OPTIONS.minutes)
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        jobs = make_splits(OPTIONS.data, OPTIONS.target, OPTIONS.splits, Path(folder))
        for job in list(jobs)[: OPTIONS.most]:
            for method in OPTIONS.methods or METHODS:
                found = run_method(method, job, Path(folder))
                rows.append({"split": job.name, "method": method, **found})
                print(json.dumps(rows[-1]), flush=True)
    report(rows)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("target")
    parser.add_argument("--peer", default="chemprop")
    parser.add_argument("--splits", default="folds")
    parser.add_argument("--most", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--methods", nargs="*")
    parser.add_argument("--worker", default="")
    return parser.parse_args()


if __name__ == "__main__":
    OPTIONS = _parse()
    main()
