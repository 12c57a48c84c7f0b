"""Generated molecules beside peers: same scores, same start, CPU seconds of each.

    python -m benchmarks.generation MOLECULES.csv --generator DIR --peer VENV/bin/python

`--part optimisation`: every method gets the same 100 random molecules of MOLECULES.csv
and may score 3,000 different ones. The generator is trained on 20,000 molecules of
the file, and saved in DIR, unless it is there already; its training is not counted. The
peer is J. Jensen's graph-based genetic algorithm, `mol_ga.default_ga` (`pip install
mol_ga`, beside numpy and vicinal's requirements), with a population of 100 and 50
children. Each search runs in a process of its own with one thread, one after the other,
the methods of a seed in turn. CPU seconds are those of the search alone, without
imports. `--regressor DIR`: a saved `MoleculeRegressor`, for the objective `regressor`,
the lower bound of what it predicts; without it that objective is left out.

The objectives with several properties are those of N. Brown et al.: GuacaMol, J. Chem.
Inf. Model. 2019, section 4.2.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.measure import describe_machine

METHODS = ("vicinal", "with network", "mol_ga")
CHOICES = (*METHODS, "fixed counts", "fixed network")
"""vicinal: the defaults, counts that adapt to the best molecules; with network: counts
and network adapt; fixed counts, fixed network: neither does"""

OBJECTIVES = (
    *("celecoxib", "troglitazone", "qed", "regressor"),
    *("osimertinib_mpo", "fexofenadine_mpo"),
)
"""further ones: perindopril_mpo, amlodipine_mpo"""

TARGETS = {
    "celecoxib": "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1",
    "troglitazone": "Cc1c(C)c2c(c(C)c1O)CCC(C)(COc1ccc(CC3SC(=O)NC3=O)cc1)O2",
}
OSIMERTINIB = "C=CC(=O)Nc1cc(Nc2nccc(-c3cn(C)c4ccccc34)n2)c(OC)cc1N(C)CCN(C)C"
FEXOFENADINE = "CC(C)(C(=O)O)c1ccc(C(O)CCCN2CCC(C(O)(c3ccccc3)c3ccccc3)CC2)cc1"
PERINDOPRIL = "CCCC(NC(C)C(=O)N1C(C(=O)O)CC2CCCCC21)C(=O)OCC"
AMLODIPINE = "CCOC(=O)C1=C(COCCN)NC(C)=C(C(=O)OC)C1c1ccccc1Cl"

NUM_START, NUM_TRAINING = 100, 20_000
TOP = (1, 10, 100)


# --- objectives ----------------------------------------------------------------------

Property = Callable[[Any], float]


def similarity(smiles: str, kind: str) -> Property:
    """Return the Tanimoto similarity to a molecule; kind: AP, ECFP4, ECFP6 or FCFP4."""
    from rdkit import Chem, DataStructs
    from rdkit.Chem import rdFingerprintGenerator as made

    features = made.GetMorganFeatureAtomInvGen()
    generator = {
        "AP": lambda: made.GetAtomPairGenerator(maxDistance=10),
        "ECFP4": lambda: made.GetMorganGenerator(radius=2),
        "ECFP6": lambda: made.GetMorganGenerator(radius=3),
        "FCFP4": lambda: made.GetMorganGenerator(
            radius=2, atomInvariantsGenerator=features
        ),
    }[kind]()
    own = generator.GetSparseCountFingerprint(Chem.MolFromSmiles(smiles))
    return lambda mol: DataStructs.TanimotoSimilarity(
        own, generator.GetSparseCountFingerprint(mol)
    )


def gaussian(own: Property, mean: float, sd: float, flat: str = "") -> Property:
    """Return exp(-(x - mean)^2 / (2 sd^2)); 1 where `flat` is below or above the mean.

    GuacaMol's Gaussian, MinGaussian (flat below) and MaxGaussian (flat above).
    """

    def score(mol: Any) -> float:
        excess = own(mol) - mean
        if (flat == "below" and excess < 0) or (flat == "above" and excess > 0):
            return 1.0
        return float(np.exp(-0.5 * (excess / sd) ** 2))

    return score


def thresholded(own: Property, threshold: float) -> Property:
    """Return x / threshold, at most 1."""
    return lambda mol: min(own(mol) / threshold, 1.0)


def geometric_mean(parts: Sequence[Property]) -> Property:
    """Return the geometric mean of some scores."""
    return lambda mol: float(np.prod([own(mol) for own in parts]) ** (1 / len(parts)))


def multi_property(name: str) -> Property:
    """Return an objective of GuacaMol with several properties."""
    from rdkit.Chem import Crippen, rdMolDescriptors

    logp: Any = Crippen.MolLogP  # pyright: ignore[reportAttributeAccessIssue]
    tpsa, rings = rdMolDescriptors.CalcTPSA, rdMolDescriptors.CalcNumRings
    aromatic = rdMolDescriptors.CalcNumAromaticRings
    if name == "osimertinib_mpo":
        parts = [
            thresholded(similarity(OSIMERTINIB, "FCFP4"), 0.8),
            gaussian(similarity(OSIMERTINIB, "ECFP6"), 0.85, 0.1, "below"),
            gaussian(tpsa, 100, 10, "above"),
            gaussian(logp, 1, 1, "below"),
        ]
    elif name == "fexofenadine_mpo":
        parts = [
            thresholded(similarity(FEXOFENADINE, "AP"), 0.8),
            gaussian(tpsa, 90, 10, "above"),
            gaussian(logp, 4, 1, "below"),
        ]
    elif name == "perindopril_mpo":
        parts = [similarity(PERINDOPRIL, "ECFP4"), gaussian(aromatic, 2, 0.5)]
    elif name == "amlodipine_mpo":
        parts = [similarity(AMLODIPINE, "ECFP4"), gaussian(rings, 3, 0.5)]
    else:
        raise ValueError(f"There is no objective {name!r}.")
    return geometric_mean(parts)


def find_objective(name: str, regressor: str) -> Callable[[Sequence[Any]], np.ndarray]:
    """Return a function of molecules of RDKit to their scores [N]."""
    from vicinal.molecules.generation.optimisation import objectives

    if name == "regressor":
        import vicinal

        return objectives.lower_bound(vicinal.load(regressor))
    if name == "qed":
        return objectives.named_objective(name)
    if name in TARGETS:
        return objectives.similarity_to(TARGETS[name])
    score = multi_property(name)
    return lambda mols: np.array([score(mol) for mol in mols], float)


# --- searches ------------------------------------------------------------------------


class BudgetSpentError(Exception):
    """The peer has scored as many different molecules as it may."""


class Scorer:
    """Scores of SMILES, each different molecule once, up to a budget."""

    def __init__(self, objective: Any, budget: int) -> None:
        self.objective, self.budget = objective, budget
        self.scores: dict[str, float] = {}

    def __call__(self, texts: Sequence[str]) -> list[float]:
        """Return the scores [N]; BudgetSpentError when the budget is reached."""
        from rdkit import Chem

        mols = [Chem.MolFromSmiles(text) for text in texts]
        names = [None if mol is None else Chem.MolToSmiles(mol) for mol in mols]
        new = {
            name: mol
            for name, mol in zip(names, mols, strict=True)
            if name is not None and name not in self.scores
        }
        chosen = [*new.items()][: self.budget - len(self.scores)]
        if chosen:
            found = self.objective([mol for _, mol in chosen])
            scored = [name for name, _ in chosen]
            self.scores.update(zip(scored, map(float, found), strict=True))
        if len(self.scores) >= self.budget:
            raise BudgetSpentError
        return [-1e9 if name is None else self.scores[name] for name in names]


def search_peer(objective: Any, start: list[str], seed: int) -> np.ndarray:
    """Return the scores [N] of the molecules that the peer evaluated."""
    from mol_ga import default_ga  # pyright: ignore[reportMissingImports]

    scorer = Scorer(objective, OPTIONS.budget)
    with suppress(BudgetSpentError):
        default_ga(
            starting_population_smiles=start,
            scoring_function=scorer,
            max_generations=100_000,
            offspring_size=50,
            population_size=100,
            rng=random.Random(seed),
        )
    return np.array([*scorer.scores.values()])


def prepare_search(
    method: str, objective: Any, start: list[str], seed: int
) -> Callable[[], np.ndarray]:
    """Return what runs a search and returns the scores [N] that it evaluated."""
    if method == "mol_ga":
        return lambda: search_peer(objective, start, seed)
    from vicinal.molecules.generation.optimisation.search import Search, SearchSettings

    model = load_generator(OPTIONS.generator).model_
    given = {"learn": "fixed" not in method, "use_network": "network" in method}
    given |= json.loads(OPTIONS.settings)
    settings = SearchSettings(budget=OPTIONS.budget, **given)
    search = Search(model.counts, model.network, objective, settings, seed)
    return lambda: search.run(start).scores


def load_generator(directory: str) -> Any:
    """Return a generator that was saved."""
    from vicinal.core.estimators.estimator import read_model
    from vicinal.molecules.generation.generator import MoleculeGenerator

    return MoleculeGenerator.restore(directory, read_model(directory))


def train_generator(molecules: str, directory: str) -> None:
    """Train a generator on `NUM_TRAINING` molecules, and save it."""
    import pandas as pd

    from vicinal.molecules.generation.generator import MoleculeGenerator

    rows = pd.read_csv(molecules).sample(NUM_TRAINING, random_state=0)
    before = time.process_time()
    generator = MoleculeGenerator(minutes=None, epochs=1).fit(rows)
    print(f"generator: {time.process_time() - before:.0f} CPU s of training")
    for name, smiles in TARGETS.items():
        inside = smiles in set(generator.model_.smiles)
        print(f"{name} is {'' if inside else 'not '}one of its molecules")
    generator.save(directory)


def draw_start(seed: int) -> list[str]:
    """Return random molecules of the file, without stereochemistry."""
    import pandas as pd
    from rdkit import Chem

    rows = pd.read_csv(OPTIONS.molecules)["smiles"]
    found: list[str] = []
    for smiles in rows.sample(2 * NUM_START, random_state=seed):
        mol = Chem.MolFromSmiles(smiles)
        if mol is not None:
            Chem.RemoveStereochemistry(mol)
            found.append(Chem.MolToSmiles(mol))
    return list(dict.fromkeys(found))[:NUM_START]


def work(method: str, name: str, seed: int) -> dict[str, Any]:
    """Run one search in this process."""
    objective = find_objective(name, OPTIONS.regressor)
    search = prepare_search(method, objective, draw_start(seed), seed)
    before = time.process_time()
    scores = search()
    seconds = time.process_time() - before
    best = np.sort(scores)[::-1]
    tops = {f"top{k}": float(best[:k].mean()) for k in TOP}
    return {"evaluations": len(scores), **tops, "cpu_seconds": seconds}


def run_method(method: str, name: str, seed: int) -> dict[str, Any]:
    """Run one search in a process of its own."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
    }
    python = OPTIONS.peer if method == "mol_ga" else sys.executable
    words = [python, "-m", "benchmarks.generation", *sys.argv[1:]]
    words += ["--worker", method, name, str(seed)]
    out = subprocess.run(words, check=True, env=environment, stdout=subprocess.PIPE)
    found = json.loads(out.stdout.splitlines()[-1])
    return {"objective": name, "seed": seed, "method": method, **found}


# --- results -------------------------------------------------------------------------


def report(rows: list[dict[str, Any]]) -> None:
    """Print means of each method, and top 1 and top 100 minus those of the others."""
    print(f"\n{describe_machine()['processor']}, one thread")
    for name in dict.fromkeys(row["objective"] for row in rows):
        own = [row for row in rows if row["objective"] == name]
        print(f"\n{name}: mean (sd) over seeds")
        methods = dict.fromkeys(row["method"] for row in own)
        for method in methods:
            print(_describe(method, [row for row in own if row["method"] == method]))
        for first, second in itertools.combinations(methods, 2):
            print(_compare(own, first, second))


def _describe(method: str, rows: list[dict[str, Any]]) -> str:
    def mean(key: str) -> str:
        values = [row[key] for row in rows]
        spread = np.std(values, ddof=1) if len(values) > 1 else np.nan
        return f"{np.mean(values):.3f} ({spread:.3f})"

    exact = sum(abs(row["top1"] - 1) < 1e-9 for row in rows)
    tops = "  ".join(f"top {k} {mean(f'top{k}')}" for k in TOP)
    seconds = np.mean([row["cpu_seconds"] for row in rows])
    return (
        f"  {method:<16} {tops}  score 1 in {exact} of {len(rows)}  "
        f"{seconds:5.1f} CPU s  {rows[0]['evaluations']} evaluations"
    )


def _compare(rows: list[dict[str, Any]], first: str, second: str) -> str:
    """Describe the difference of two methods, paired by seed."""
    parts = []
    for key in ("top1", "top100"):
        scores = [
            {row["seed"]: row[key] for row in rows if row["method"] == method}
            for method in (first, second)
        ]
        gaps = [scores[0][seed] - scores[1][seed] for seed in scores[0]]
        half = np.nan
        if len(gaps) > 1:
            quantile = stats.t.ppf(0.975, len(gaps) - 1)
            half = quantile * np.std(gaps, ddof=1) / len(gaps) ** 0.5
        better = sum(gap > 0 for gap in gaps)
        parts.append(f"{key} {np.mean(gaps):+.3f} +- {half:.3f} (higher in {better})")
    return f"  {first} - {second}: {'  '.join(parts)}"


def run_optimisation() -> None:
    """Run every search, the methods of a seed in turn, and print a table."""
    if not Path(OPTIONS.generator).exists():
        train_generator(OPTIONS.molecules, OPTIONS.generator)
    rows: list[dict[str, Any]] = []
    for seed in OPTIONS.seeds:
        for name in OPTIONS.objectives or OBJECTIVES:
            if name == "regressor" and not OPTIONS.regressor:
                continue
            for method in OPTIONS.methods:
                rows.append(run_method(method, name, seed))
                print(json.dumps(rows[-1]), flush=True)
    report(rows)


PARTS = {"optimisation": run_optimisation}


def main() -> None:
    if OPTIONS.worker:
        method, name, seed = OPTIONS.worker
        print(json.dumps(work(method, name, int(seed))))
        return
    PARTS[OPTIONS.part]()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("molecules")
    parser.add_argument("--part", choices=PARTS, default="optimisation")
    parser.add_argument("--generator", required=True)
    parser.add_argument("--regressor", default="")
    parser.add_argument("--peer", default=sys.executable)
    parser.add_argument("--objectives", nargs="*")
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=CHOICES)
    parser.add_argument("--seeds", nargs="*", type=int, default=range(6))
    parser.add_argument("--budget", type=int, default=3000)
    parser.add_argument("--settings", default="{}", help="of the search, as JSON")
    parser.add_argument("--worker", nargs=3, default=None)
    return parser.parse_args()


if __name__ == "__main__":
    OPTIONS = _parse()
    main()
