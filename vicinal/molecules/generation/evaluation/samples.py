"""Molecules that a generator draws, beside those of the null models.

Validity, novelty and the like say little by themselves: drawing fragments by their
share reaches them too. So each score stands beside that of recombination without a
network, of RDKit's BRICS, and of held-out molecules, which nothing can be closer to.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from rdkit import Chem

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.splits import TEST, TRAIN, VAL
from vicinal.molecules.generation.evaluation.likelihood import COUNTS, UNIGRAM
from vicinal.molecules.generation.evaluation.metrics import Quality, score_molecules
from vicinal.molecules.generation.evaluation.null_models import (
    brics_molecules,
    without_context,
)
from vicinal.molecules.generation.evaluation.similarity import unpack_fingerprints
from vicinal.molecules.generation.fitted_generator import FittedGenerator
from vicinal.molecules.generation.sampling import Sampler

HELD_OUT, BRICS, THIS_MODEL = "held-out molecules", "BRICS", "this model"
MAX_KNOWN = 10_000
"""training molecules among which the nearest is looked for"""

MIN_REFERENCE = 20
"""held-out molecules from which distributions are compared"""


class SampleScores(NamedTuple):
    """Scores of molecules from one source."""

    name: str
    quality: Quality
    fcd: float | None
    """Frechet ChemNet distance to held-out molecules; None: not computed"""

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON values."""
        return {"name": self.name, **self.quality._asdict(), "fcd": self.fcd}


class Samples(NamedTuple):
    """What a generator drew, and the scores of all sources."""

    smiles: list[str]
    scores: list[SampleScores]
    """the model first"""

    known: int
    """training molecules among which the nearest was looked for"""

    @property
    def best(self) -> Quality:
        """Return the scores of the model."""
        return self.scores[0].quality


def score_samples(model: FittedGenerator, count: int, seed: int) -> Samples | None:
    """Draw molecules from a generator and the null models, and score them.

    None where too few molecules are held out to compare with.
    """
    held_out = [Chem.MolFromSmiles(text) for text in model.smiles[model.split == TEST]]
    others = model.smiles[model.split == VAL].tolist()
    reference = held_out[:count]
    if len(reference) < MIN_REFERENCE:
        return None
    rows = np.flatnonzero(model.split == TRAIN)
    rng = np.random.default_rng(seed_for(seed, 7))
    rows = rng.permutation(rows)[:MAX_KNOWN]
    known, prints = model.training_smiles, unpack_fingerprints(model.prints[rows])
    distance = frechet_distance([Chem.MolToSmiles(mol) for mol in reference])
    drawn = _draw(model, count, seed)
    if len(others) >= MIN_REFERENCE:
        drawn[HELD_OUT] = others[:count]
    scores = [
        SampleScores(
            name,
            score_molecules(smiles, reference, known, prints),
            None if distance is None else distance(smiles),
        )
        for name, smiles in drawn.items()
        if smiles  # BRICS may find none
    ]
    return Samples(drawn[THIS_MODEL], scores, len(rows))


def _draw(model: FittedGenerator, count: int, seed: int) -> dict[str, list[str]]:
    """Return molecules of the model and of each null model."""
    sources = {THIS_MODEL: Sampler(model.counts, model.network)}
    if model.network is not None:
        sources[COUNTS] = Sampler(model.counts)
    sources[UNIGRAM] = Sampler(without_context(model.counts))
    drawn = {}
    for name, sampler in sources.items():
        generator = torch.Generator().manual_seed(seed_for(seed, 8))
        drawn[name] = sampler.sample(count, generator)
    known = sorted(model.training_smiles)
    drawn[BRICS] = brics_molecules(known, count, seed_for(seed, 9))
    return drawn


def frechet_distance(
    reference: Sequence[str],
) -> Callable[[Sequence[str]], float] | None:
    """Return the Frechet ChemNet distance to molecules; None without `fcd_torch`.

    K. Preuer et al.: Frechet ChemNet Distance, J. Chem. Inf. Model. 2018. It is biased
    upwards for few molecules: only distances of equally many are comparable.
    """
    try:
        from fcd_torch import FCD  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError:
        return None
    fcd = FCD(device="cpu", n_jobs=1)
    expected = fcd.precalc(list(reference))

    def distance(smiles: Sequence[str]) -> float:
        return float(fcd(gen=list(smiles)[: len(reference)], pref=expected))

    return distance
