"""How likely molecules are under a generator, beside the null models."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import sign_test_of_gains
from vicinal.core.metrics import Score, bootstrap, mean_score
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.molecules.generation.corpus import sequences_of
from vicinal.molecules.generation.evaluation.null_models import without_context
from vicinal.molecules.generation.fitted_generator import FittedGenerator
from vicinal.molecules.generation.model.training import molecule_nll

METRIC = "nll"
COUNTS = "counts of fragments"
UNIGRAM = "fragments without context"


def evaluate_likelihood(
    model: FittedGenerator, smiles: Sequence[str], seed: int
) -> Evaluation:
    """Evaluate on molecules: the mean negative log-likelihood, in nats.

    smiles: canonical, without stereochemistry. Of each molecule one order of growth, at
    random, is scored. Baselines: the counts alone, and fragments drawn by their share.
    Molecules with fragments that are not in the vocabulary are not scored, which a note
    says; DataError where that leaves none.
    """
    rows, sequences = sequences_of(smiles, model.vocabulary, seed)
    if not len(rows):
        raise DataError(
            f"None of {pluralize(len(smiles), 'molecule')} consists of fragments that "
            "the generator knows."
        )
    ours = molecule_nll(model.network, model.counts, sequences)
    nll = {UNIGRAM: molecule_nll(None, without_context(model.counts), sequences)}
    if model.network is not None:
        nll[COUNTS] = molecule_nll(None, model.counts, sequences)
    notes = []
    if len(rows) < len(smiles):
        missing = len(smiles) - len(rows)
        notes.append(
            f"{missing:,} of {pluralize(len(smiles), 'molecule')} have fragments that "
            "the generator does not know, and are not scored"
        )
    lengths = sequences.lengths
    return Evaluation(
        score=mean_score(METRIC, ours),
        scores=[_per_fragment(lengths, ours)],
        baselines={name: mean_score(METRIC, theirs) for name, theirs in nll.items()},
        predictions=_table([smiles[row] for row in rows], lengths, ours, nll),
        decisions=ours,
        notes=notes,
        comparisons={
            name: sign_test_of_gains(theirs - ours) for name, theirs in nll.items()
        },
    )


def _per_fragment(lengths: np.ndarray, nll: np.ndarray) -> Score:
    """Return the mean for one fragment, with its interval over molecules."""
    return bootstrap(
        f"{METRIC}_per_fragment", lambda y, found: found.sum() / y.sum(), lengths, nll
    )


def _table(
    smiles: list[Any], lengths: np.ndarray, ours: np.ndarray, nll: dict[str, np.ndarray]
) -> Any:
    """Return a row for each molecule."""
    import pandas as pd

    names = {COUNTS: "nll_counts", UNIGRAM: "nll_without_context"}
    columns = {names[name]: theirs for name, theirs in nll.items()}
    return pd.DataFrame({"smiles": smiles, "fragments": lengths, "nll": ours} | columns)
