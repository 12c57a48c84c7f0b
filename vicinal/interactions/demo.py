"""`vicinal demo interactions`: a generated pharmacology, without a download.

The data are synthetic. Drugs bind to targets; two drugs have an effect together where
their targets belong to two mechanisms of the effect, and a share of such facts is never
reported. So what there is to learn is known.
"""

import time
from typing import Any

import numpy as np

from vicinal.core.report.console import Console
from vicinal.interactions.data.interaction_table import InteractionTable
from vicinal.interactions.predictor import InteractionPredictor
from vicinal.interactions.results import mean_score
from vicinal.interactions.summary import WARNING

DRUGS, EFFECTS, TARGETS = 120, 40, 24
PER_DRUG, PER_MECHANISM = 2, 3
REPORTED = 0.8
"""share of the facts that are in the table"""


def make_pharmacology(seed: int = 0, reported: float = REPORTED) -> InteractionTable:
    """Return a synthetic table: facts, and the targets of the drugs.

    reported: share of the facts that are in the table.
    """
    rng = np.random.default_rng(seed)
    binds = np.zeros((DRUGS, TARGETS), bool)
    for drug in range(DRUGS):
        binds[drug, rng.choice(TARGETS, PER_DRUG, replace=False)] = True
    mechanisms = [
        [rng.choice(TARGETS, PER_MECHANISM, replace=False) for _ in range(2)]
        for _ in range(EFFECTS)
    ]
    first, second = np.triu_indices(DRUGS, 1)
    pairs, effects = [], []
    for effect, (one, other) in enumerate(mechanisms):
        a, b = (np.any(binds[:, own], axis=1).astype(bool) for own in (one, other))
        has = (a[first] & b[second]) | (b[first] & a[second])
        has &= rng.random(len(first)) < reported
        pairs.append(np.stack([first[has], second[has]], axis=1))
        effects.append(np.full(int(has.sum()), effect))
    targets = np.argwhere(binds)
    return InteractionTable(
        drugs=np.array([f"drug-{k:03d}" for k in range(DRUGS)], object),
        effects=np.array([f"effect-{k:02d}" for k in range(EFFECTS)], object),
        ordered=False,
        pairs=np.concatenate(pairs).astype(np.int32),
        pair_effects=np.concatenate(effects).astype(np.int32),
        singles=np.zeros((0, 2), np.int32),
        single_effects=np.array([], object),
        sets=[],
        set_effects=[],
        smiles=[None] * DRUGS,
        targets=targets.astype(np.int32),
        proteins=np.array([f"target-{k:02d}" for k in range(TARGETS)], object),
        protein_edges=np.zeros((0, 2), np.int32),
        num_rows=sum(map(len, pairs)),
    )


def run_demo(console: Console, *, seeds: int = 1) -> dict[str, Any]:
    """Fit, score each situation, and predict three drugs; return the scores."""
    from vicinal.interactions.explain.explanation import explain_set, explanation_lines

    started_at, table = time.monotonic(), make_pharmacology()
    console.print(
        f"A generated pharmacology (synthetic): {DRUGS} drugs, {EFFECTS} effects, "
        f"{len(table.pairs):,} facts.\nAn effect needs targets of two mechanisms; "
        f"{REPORTED:.0%} of the facts are reported.\n"
    )
    model = InteractionPredictor().fit(table)
    console.print("AUROC, mean over effects, beside pairs that have other effects:")
    scores: dict[str, Any] = {}
    for result in model.model_.results:
        if result.negatives != "interacting":
            continue
        for name, values in result.scores.items():
            score = mean_score("auroc", values[:, 0])
            own = "vicinal" if name == "combination" else name
            console.print(f"  {result.title:<26} {own:<30} {score.value:.3f}")
            scores.setdefault(result.title, {})[name] = score.value
    drugs = ["drug-000", "drug-001", "drug-002"]
    console.print(f"\nThe most probable effects of {', '.join(drugs)} together:")
    frame = model.predict([drugs], top=5)
    for row in frame.to_dict("records"):
        console.print(
            f"  {row['predicted']}  {row['probability']:.3f}  {row['evidence']}"
        )
    console.print("")
    found, sets = model.resolve([drugs])
    for line in explanation_lines(explain_set(found, sets[0]))[:14]:
        console.print(line)
    console.print(f"\nnote: {WARNING}")
    console.print(
        "\nNext, your own table, with columns drug_1, drug_2 and effect:\n"
        "  vicinal check DATA.csv            rows that cannot be used, and why\n"
        "  vicinal train DATA.csv            a tested model and a report\n"
        "  vicinal predict RUN DRUG DRUG     the effects of drugs taken together"
    )
    return {
        "score": model.evaluate().score.to_dict(),
        "situations": scores,
        "predictions": frame.to_dict("records"),
        "seconds": round(time.monotonic() - started_at, 2),
    }
