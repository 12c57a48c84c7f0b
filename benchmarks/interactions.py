"""Side effects of pairs of drugs: what counting reaches, and what is learned.

    python -m benchmarks.interactions DECAGON.npz [--drugs DRUGS.csv] [--seeds 0 1 2]
        [--network SECONDS]

DECAGON.npz: the graph of M. Zitnik et al.: Modeling polypharmacy side effects with
graph convolutional networks, Bioinformatics 2018 (`dd_edges` [2, N] and `dd_type` [N];
`dp_edges`, `pp_edges` and `mono` for the features of new drugs), of which the effects
with 500 pairs or more are used; DRUGS.csv: a row with `smiles` for each drug.

*Known pair* is their protocol: a tenth of each effect's pairs for validation, a tenth
for test, and one random negative for each. *New pair* leaves pairs out with all of
their effects, *one new drug* and *two new drugs* drugs with all of their pairs. Each is
scored beside random negatives and beside pairs that have other effects. Combinations
are fitted to the validation part. CPU seconds are those of one thread, with scoring the
test part; scores are means over the effects, with the median of AUROC. AP@50 is
Decagon's (divided by 50, or by the facts if there are fewer); the last column divides
by the facts among the first 50.

With --network the graph network alone is trained for so many CPU seconds, and scored
on 200 facts of each effect.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.special import expit

from benchmarks.measure import describe_machine
from vicinal.core.evaluation.calibration import binary_calibration_error
from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.evaluation.cells import Cells
from vicinal.interactions.evaluation.negatives import NegativeKind
from vicinal.interactions.evaluation.ranking import evaluate
from vicinal.interactions.evaluation.splits import (
    Split,
    split_by_drug,
    split_by_effect,
    split_by_pair,
)
from vicinal.interactions.fitting import (
    MOST_FITTED,
    ValidationScores,
    validation_scores,
)
from vicinal.interactions.models.network_training import training_steps
from vicinal.interactions.models.scores import COLUMNS, PairScores
from vicinal.interactions.pair_effects import PairEffects

MIN_PAIRS = 500
HELD_OUT = 0.1
SPLITS = {"effect": split_by_effect, "pair": split_by_pair, "drug": split_by_drug}
KINDS: tuple[NegativeKind, ...] = ("random", "interacting")
MOST = {"effect": 200, "pair": 200, "drug": MOST_FITTED}
"""facts of an effect that a combination is fitted to"""

MOST_OF_NETWORK = 200


def read_graph(path: str) -> PairEffects:
    """Return the known effects with MIN_PAIRS pairs or more."""
    with np.load(path) as file:
        pairs, kinds = file["dd_edges"].T, file["dd_type"]
    counts = np.bincount(kinds)
    numbers = np.cumsum(counts >= MIN_PAIRS) - 1
    used = counts[kinds] >= MIN_PAIRS
    drugs = int(pairs.max()) + 1
    return PairEffects.from_edges(
        pairs[used], numbers[kinds[used]], drugs, int(numbers[-1]) + 1
    )


def read_features(graph: str, drugs: str) -> DrugFeatures:
    """Return the structures, targets and single-drug effects of the drugs."""
    import pandas as pd

    from vicinal.interactions.data.interaction_table import structure_counts
    from vicinal.molecules.data.parse import parse_molecule

    smiles = pd.read_csv(drugs)["smiles"].tolist()
    usable = [
        text if isinstance(text, str) and parse_molecule(text).mol else None
        for text in smiles
    ]
    with np.load(graph) as file:
        targets, mono, proteins = file["dp_edges"], file["mono"], file["pp_edges"]

    def ones(entries: np.ndarray, width: int) -> csr_matrix:
        shape = len(smiles), width
        values = np.ones(entries.shape[1], np.float32)
        found = csr_matrix((values, entries.astype(np.int64)), shape)
        found.data[:] = 1
        return found

    width = int(max(targets[1].max(), proteins.max())) + 1
    alone = ones(mono, int(mono[1].max()) + 1)
    structure = structure_counts(usable)
    own = ones(targets, width)
    return DrugFeatures(len(smiles), structure, own, alone, proteins.T)


def show(title: str, values: np.ndarray, seconds: float) -> np.ndarray:
    """Print scores [E, 3] of one model; return their means, and the median AUROC."""
    means, median = values[:, :3].mean(axis=0), np.median(values[:, 0])
    hits = values[:, 3].mean()
    print(
        f"  {title:<58} AUROC {means[0]:.4f} (median {median:.4f})  AUPRC "
        f"{means[1]:.4f}  AP@50 {means[2]:.4f}, {hits:.4f}  {seconds:.1f} CPU s",
        flush=True,
    )
    return np.append(means, [median, hits])


def score(scores: np.ndarray, cells: Cells) -> np.ndarray:
    """Return the scores [E, 4] of `evaluate`, and AP@50 divided by the hits."""
    hits = []
    for _, rows in cells.by_effect():
        truth = cells.truth[rows]
        first = truth[np.lexsort((truth, -scores[rows]))][:50]
        precision = np.cumsum(first) / np.arange(1, len(first) + 1)
        hits.append((precision * first).sum() / max(first.sum(), 1))
    return np.c_[evaluate(scores, cells), hits]


def run_network(
    split: Split, features: DrugFeatures, seconds: float, seed: int
) -> dict[str, np.ndarray]:
    """Return the scores of the graph network alone in the situations of a split."""
    network, losses = training_steps(
        split.train, features, seed=seed, steps=1, seconds=seconds
    )
    steps, found = sum(1 for _ in losses), {}
    for situation, part in split.test.items():
        for kind in KINDS:
            test = part.draw(kind, seed, MOST_OF_NETWORK)
            values = np.empty(len(test.truth), np.float32)
            for rows in np.array_split(np.arange(len(values)), len(values) // 8192 + 1):
                logits = network.score_all(test.pairs[rows])
                values[rows] = logits[np.arange(len(rows)), test.effects[rows]]
            key = f"{situation}, {kind}: graph network ({steps:,} steps)"
            scores = show(key, score(values, test), seconds)
            found[f"{situation}, {kind}: graph network"] = scores
    return found


def run_part(
    name: str,
    scores: PairScores,
    test: Cells,
    validation: ValidationScores,
    seed: int,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Print and return the scores of each model in one situation, and the logits."""
    found = {}
    combined = validation.fit_combination(seed)
    x = scores.of_cells(test.pairs, test.effects)
    columns: dict[str, np.ndarray] = dict(zip(COLUMNS, x.T, strict=True))
    columns["popularity"] = x[:, 1] + x[:, 2]
    columns["combination"] = logits = combined.logits(x)
    seconds = time.process_time()
    for column, values in columns.items():
        if values.std() > 0:
            found[f"{name}: {column}"] = score(values, test)
    for key, values in found.items():
        found[key] = show(key, values, seconds)
    return found, logits


def run_split(
    how: str, split: Split, features: DrugFeatures | None, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the scores of the situations of a split, and [2, N] probability and truth.

    The seconds are those since the process began.
    """
    known = features or DrugFeatures(split.train.num_drugs)
    sets = [("structure",), tuple(known.names)] if how == "drug" and features else []
    found: dict[str, np.ndarray] = {}
    probabilities: dict[str, np.ndarray] = {}
    scores = PairScores.fit(split.train)
    validation = validation_scores(split, scores, known, sets, seed, MOST[how], KINDS)
    for (key, kind), fitted in validation.items():
        situation, kinds = key
        scores.represent_new_drugs(known, kinds)
        name = f"{situation}{' by ' if kinds else ''}{', '.join(kinds)}, {kind}"
        cells = split.test[situation].draw(kind, seed)
        rows, logits = run_part(name, scores, cells, fitted, seed)
        found |= rows
        values = [expit(logits.astype(float)), cells.truth]
        probabilities[name] = np.array(values, np.float32)
    return found, probabilities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph")
    parser.add_argument("--drugs")
    parser.add_argument("--network", type=float, metavar="SECONDS")
    parser.add_argument("--splits", nargs="*", default=list(SPLITS))
    parser.add_argument("--seeds", nargs="*", type=int, default=range(5))
    options = parser.parse_args()
    torch.set_num_threads(1)
    pair_effects = read_graph(options.graph)
    features = None
    if options.drugs is not None:
        features = read_features(options.graph, options.drugs)
    print(describe_machine()["processor"])
    rows: list[dict[str, Any]] = []
    drawn: dict[str, list[np.ndarray]] = {}
    for seed in options.seeds:
        print(f"seed {seed}")
        rows.append({})
        for how in options.splits:
            split = SPLITS[how](pair_effects, HELD_OUT, seed)
            if options.network is None:
                found, probabilities = run_split(how, split, features, seed)
                rows[-1] |= found
                for name, values in probabilities.items():
                    drawn.setdefault(name, []).append(values)
            else:
                known = features or DrugFeatures(pair_effects.num_drugs)
                rows[-1] |= run_network(split, known, options.network, seed)
    print(
        f"\nmean (sd) over {len(rows)} seeds: AUROC, AUPRC, AP@50, median AUROC, hits"
    )
    for key in rows[0]:
        values = np.array([row[key] for row in rows])
        sd = values.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(5)
        cells = [f"{m:.4f} ({s:.4f})" for m, s in zip(values.mean(0), sd, strict=True)]
        print(f"  {key:<58}", "  ".join(cells))
    for name, values in drawn.items():
        errors = [binary_calibration_error(*each) for each in values]
        pooled = binary_calibration_error(*np.concatenate(values, axis=1))
        own = ", ".join(f"{error:.3f}" for error in errors)
        print(f"  calibration error, {name:<40} {pooled:.3f} ({own})")


if __name__ == "__main__":
    main()
