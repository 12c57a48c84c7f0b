"""Side effects of pairs of drugs: what counting reaches, and what is learned.

    python -m benchmarks.interactions DECAGON.npz [--seeds 0 1 2 3 4]

DECAGON.npz: the graph of M. Zitnik et al.: Modeling polypharmacy side effects with
graph convolutional networks, Bioinformatics 2018 (`dd_edges` [2, N] and `dd_type` [N]),
of which the effects with 500 pairs or more are used. *Known pair* is their protocol: a
tenth of each effect's pairs for validation, a tenth for test, and one random negative
for each. *New pair* leaves pairs out with all of their effects. Each is asked beside
random negatives and beside pairs that have other effects. The combination is fitted to
the validation part. CPU seconds are those of fitting; scores are means
over the effects, with the median of AUROC.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.measure import describe_machine
from vicinal.interactions.evaluation import Questions, evaluate
from vicinal.interactions.models.closed_form import DrugRegression, EffectRegression
from vicinal.interactions.models.combination import Combination, PairModel
from vicinal.interactions.models.counts import OtherEffects, Popularity
from vicinal.interactions.negatives import NegativeKind, draw_negatives
from vicinal.interactions.pair_effects import PairEffects
from vicinal.interactions.splits import Split, split_by_effect, split_by_pair

MIN_PAIRS = 500
HELD_OUT = 0.1
SPLITS = {"known pair": split_by_effect, "new pair": split_by_pair}
KINDS: tuple[NegativeKind, ...] = ("random", "interacting")
MODELS: dict[str, Callable[[PairEffects], PairModel]] = {
    "other effects": OtherEffects,
    "popularity": Popularity,
    "effect regression": EffectRegression,
    "drug regression": DrugRegression,
}


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


def ask(
    pair_effects: PairEffects,
    others: PairEffects,
    part: PairEffects,
    kind: NegativeKind,
    seed: int,
    most: int | None = None,
    new_to: PairEffects | None = None,
) -> list[Questions]:
    """Return as many pairs without as with each effect. most: with it, at most."""
    rng, found = np.random.default_rng(seed), []
    for effect in range(pair_effects.num_effects):
        positive = part.pairs[part.pairs_with(effect)]
        positive = rng.permutation(positive)[:most]
        negative = draw_negatives(
            pair_effects, others, effect, len(positive), kind, rng, new_to=new_to
        )
        truth = np.arange(len(positive) + len(negative)) < len(positive)
        pairs = np.concatenate([positive, negative])
        found.append(Questions(effect, pairs, truth))
    return found


def run(
    pair_effects: PairEffects, split: Split, seed: int, *, whole: bool
) -> dict[tuple[str, str], list]:
    """Return scores of each model and kind of negatives; prints them.

    whole: pairs are left out with all of their effects.
    """
    models, seconds, found = {}, {}, {}
    for name, make in MODELS.items():
        before = time.process_time()
        models[name] = make(split.train)
        seconds[name] = time.process_time() - before
    for kind in KINDS:
        parts = split.validation, split.test
        others = parts if whole else (split.train, split.train)
        new_to = split.train if whole else None
        test = ask(pair_effects, others[1], parts[1], kind, seed, new_to=new_to)
        before = time.process_time()
        validation = ask(pair_effects, others[0], parts[0], kind, seed, 50, new_to)
        combined = Combination(models, validation)
        spent = time.process_time() - before
        seconds["combination"] = sum(seconds[name] for name in MODELS) + spent
        for name, model in {**models, "combination": combined}.items():
            scores = evaluate(model.score, test)
            auroc, precision, at_50 = scores.mean(axis=0)
            found[name, kind] = [auroc, precision, at_50, np.median(scores[:, 0])]
            print(
                f"  {kind:<12}{name:<18} AUROC {auroc:.4f} (median "
                f"{np.median(scores[:, 0]):.4f})  AUPRC {precision:.4f}  "
                f"AP@50 {at_50:.4f}  {seconds[name]:.1f} CPU s",
                flush=True,
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph")
    parser.add_argument("--seeds", nargs="*", type=int, default=range(5))
    options = parser.parse_args()
    torch.set_num_threads(1)
    pair_effects = read_graph(options.graph)
    print(describe_machine()["processor"])
    for title, divide in SPLITS.items():
        rows = []
        for seed in options.seeds:
            print(f"{title}, seed {seed}")
            split = divide(pair_effects, HELD_OUT, seed)
            rows.append(run(pair_effects, split, seed, whole=title == "new pair"))
        print(f"\n{title}: mean (sd) over {len(rows)} seeds")
        for key in rows[0]:
            values = np.array([row[key] for row in rows])
            sd = values.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(4)
            cells = [
                f"{m:.4f} ({s:.4f})" for m, s in zip(values.mean(0), sd, strict=True)
            ]
            print(f"  {key[1]:<12}{key[0]:<18}", "  ".join(cells))


if __name__ == "__main__":
    main()
