"""What is maximised: scores of molecules."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rdkit import Chem, DataStructs, rdBase
from rdkit.Chem import QED, Crippen
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

from vicinal.errors import SettingError, suggest_names

Objective = Callable[[Sequence[Any]], np.ndarray]
"""molecules of RDKit to their scores, [N] or [N, K]; higher is better"""

SIMILARITY = "similarity:"


def read_objective(
    objective: "str | Objective | Sequence[str | Objective]",
) -> Objective:
    """Return an objective, by its name or as it is; of several: their K scores."""
    if isinstance(objective, str):
        return named_objective(objective)
    if callable(objective):
        return objective
    if not isinstance(objective, Sequence):
        raise SettingError(
            f"objective must be a name or a function. Got {objective!r} instead."
        )
    parts = [read_objective(part) for part in objective]
    if not parts:
        raise SettingError("objective must name what is maximised. Got none.")

    def score(mols: Sequence[Any]) -> np.ndarray:
        return np.stack([np.asarray(part(mols), float) for part in parts], axis=1)

    return score


def named_objective(name: str) -> Objective:
    """Return an objective by its name: qed, logp or similarity:SMILES.

    qed: drug-likeness (G. Bickerton et al. 2012); logp: octanol-water partition
    coefficient (Wildman and Crippen 1999); similarity: Tanimoto similarity of Morgan
    counts of radius 2 to a molecule. SettingError for another name.
    """
    if name.startswith(SIMILARITY):
        return similarity_to(name.removeprefix(SIMILARITY))
    functions: dict[str, Callable[[Any], float]] = {
        "qed": QED.qed,
        "logp": Crippen.MolLogP,  # pyright: ignore[reportAttributeAccessIssue]
    }
    if name not in functions:
        known = [*functions, f"{SIMILARITY}SMILES"]
        raise SettingError(
            f"There is no objective {name!r}. {suggest_names(name, known)}"
        )
    function = functions[name]
    return lambda mols: np.array([function(mol) for mol in mols], float)


def similarity_to(smiles: str) -> Objective:
    """Return the similarity to a molecule; SettingError where it is none."""
    with rdBase.BlockLogs():
        target = Chem.MolFromSmiles(smiles)
    if target is None or not target.GetNumAtoms():
        raise SettingError(f"similarity needs a SMILES. Got {smiles!r} instead.")
    generator = GetMorganGenerator(radius=2)
    own = generator.GetCountFingerprint(target)

    def score(mols: Sequence[Any]) -> np.ndarray:
        prints = [generator.GetCountFingerprint(mol) for mol in mols]
        return np.array(DataStructs.BulkTanimotoSimilarity(own, prints), float)

    return score


def lower_bound(model: Any, *, minimise: bool = False) -> Objective:
    """Return what a trained regressor predicts at least, with its coverage.

    minimise: minus what it predicts at most. The intervals are calibrated for molecules
    like those of training: a search leaves these, unless `within_domain` limits it.
    """
    if not hasattr(model, "predict_interval"):
        raise SettingError(
            f"lower_bound needs a regressor of molecules. Got {type(model).__name__}."
        )

    def score(mols: Sequence[Any]) -> np.ndarray:
        low, high = model.predict_interval([Chem.MolToSmiles(mol) for mol in mols])
        return -np.asarray(high) if minimise else np.asarray(low)

    return score


def probability(model: Any, *, minimise: bool = False) -> Objective:
    """Return a trained classifier's probability of its second class.

    minimise: minus that.
    """

    def score(mols: Sequence[Any]) -> np.ndarray:
        found = model.predict_proba([Chem.MolToSmiles(mol) for mol in mols])[:, 1]
        return -found if minimise else found

    return score
