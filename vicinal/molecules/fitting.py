"""Split molecules, cross-validate the baseline and fit it to all."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.splits import (
    TEST,
    TRAIN,
    UNUSED,
    VAL,
    assign_folds,
    complete_split,
    split,
)
from vicinal.core.data.times import split_by_time
from vicinal.core.metrics import Score
from vicinal.core.objective import Objective
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.molecules.baseline.cross_validation import cross_validate
from vicinal.molecules.baseline.features import NUM_BITS, DescriptorSet
from vicinal.molecules.baseline.model import Baseline, molecule_features
from vicinal.molecules.baseline.planning import plan_baseline
from vicinal.molecules.data.grouping import count_same_compounds
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.evaluation import Measured, score_of
from vicinal.molecules.fitted_model import FittedMoleculeModel, TestMolecules
from vicinal.molecules.graphs import ATOM_FEATURES, BOND_FEATURES
from vicinal.molecules.neighbors import least_similarity
from vicinal.molecules.network.batches import MeanFeatures
from vicinal.molecules.objective import (
    cross_fitted_predictions,
    fit_scaling,
    from_columns,
    is_regression,
    make_objective,
    target_columns,
    targets_of,
)
from vicinal.molecules.settings import MoleculeSettings, SplitMethod
from vicinal.molecules.splits import molecule_groups, most_groups_first

MAX_ATOMS_FOR_ALL = 20_000
"""heavy atoms of all molecules up to which descriptors="auto" computes all: 10 s"""

NEWEST = 0.2
"""share of the molecules that a split by time tests"""

MIN_MOLECULES = 10
"""molecules of training below which there is no cross-validation"""


def fit_baseline(
    data: MoleculeTable, settings: MoleculeSettings, seed: int
) -> FittedMoleculeModel:
    """Return the model of a Gaussian process, with its cross-validation.

    Raises NoDataError for too few molecules, DataError for targets that cannot be
    learned, or if all molecules are in one group.
    """
    parts = split_molecules(data, make_objective(data), settings, seed)
    rows, test = np.flatnonzero(parts == TRAIN), np.flatnonzero(parts == TEST)
    if len(rows) < MIN_MOLECULES:
        raise NoDataError(
            f"{pluralize(len(rows), 'molecule')} with a target to train on; at least "
            f"{MIN_MOLECULES} are needed."
        )
    objective = make_objective(replace(data, targets=data.targets[rows]))
    regression = is_regression(objective)
    check_names(objective)
    data.notes.extend([*note_splits(data, rows, test, settings), *note_scales(data)])
    descriptors = choose_descriptors(data.mols, settings.descriptors)
    features = molecule_features(data.mols, descriptors)
    own, targets = features.rows(rows).with_similarities(), data.targets[rows]
    columns, weights = target_columns(objective, targets), sample_weights(data)[rows]
    groups = molecule_groups([data.mols[k] for k in rows], settings.grouping)
    plan = plan_baseline(~np.isnan(columns), settings.folds, limit_of(settings))
    if plan.reduced:
        data.notes.append(
            f"the Gaussian process has {plan.support:,} support molecules to keep the "
            "time limit; --minutes allows more"
        )
    found = cross_validate(
        own,
        columns,
        choose_folds(objective, targets, groups, settings, seed),
        groups,
        weights,
        descriptors=descriptors,
        support=plan.support,
        with_variance=regression,
    )
    scaling = fit_scaling(found.baseline.mean, columns)
    predicted = cross_fitted_predictions(
        objective, found.baseline.mean, columns, found.folds
    )
    smiles = np.array(data.smiles, dtype=object)
    baseline = Baseline.fit(own, columns, weights, plan.support).compact()
    model = FittedMoleculeModel(
        objective=objective,
        integer_classes=have_integer_classes(objective),
        quarantine=list(data.quarantined),
        target_names=tuple(data.target_names),
        target_classes=tuple(data.classes),
        descriptors=descriptors,
        baseline=baseline,
        scaling=() if regression else scaling,
        smiles=smiles[rows],
        targets=targets,
        cross_validation=found,
        fold_predictions=predicted,
        fold_scales=np.zeros_like(predicted),
        outside=least_similarity(baseline.support.counts[:, :NUM_BITS]),
        mean_features=MeanFeatures(
            np.zeros(len(ATOM_FEATURES)), np.zeros(len(BOND_FEATURES))
        ),
        test=TestMolecules(smiles[test], data.targets[test]),
        data=data,
        features=features,
        split=parts,
    )
    scales = model.fit_error_scales(baseline.scaler(own.descriptors))
    return replace(model, **scales)


RESERVED = frozenset(
    (
        *("id", "smiles", "line", "split", "fold", "replicates", "reason"),
        *("nearest", "similarity", "unlike_training"),
    )
)
"""columns of tables of predictions, which no target may have as its name"""


def check_names(objective: Objective) -> None:
    """Raise DataError where several targets would have the columns of others."""
    names = {*objective.classes, *getattr(objective, "names", ())}
    if objective.kind == "single_label":
        return
    ends = ("_label", "_low", "_high")
    clashes = names & RESERVED | {n for n in names if any(n + e in names for e in ends)}
    if clashes:
        raise DataError(
            f"A target cannot be called {min(clashes)!r} beside others: tables of "
            "predictions have a column of that name. Rename the column."
        )


def note_splits(
    data: MoleculeTable, rows: np.ndarray, test: np.ndarray, settings: MoleculeSettings
) -> list[str]:
    """Return notes on rows that are not used, and on compounds in both splits."""
    notes = []
    if data.weights is not None:
        left_out = int((data.weights == 0).sum())
        if left_out:
            notes.append(f"{pluralize(left_out, 'molecule')} of weight 0 not used")
    split = np.array([]) if data.split is None else data.split
    if (split == TEST).any() and settings.splits_by_time:
        notes.append("times are not used: the data have a test split of their own")
    blank, val = int((split == UNUSED).sum()), int((split == VAL).sum())
    if blank:
        notes.append(f"{pluralize(blank, 'molecule')} without a split not used")
    if val:
        notes.append(f"{pluralize(val, 'molecule')} of the val split used for training")
    both = count_same_compounds(
        (data.mols[k] for k in rows.tolist()), (data.mols[k] for k in test.tolist())
    )
    if both:
        notes.append(
            f"{pluralize(both, 'test molecule')} are stereoisomers, tautomers or "
            "charge states of training molecules: the score may be too high"
        )
    return notes


MANY_DECADES = 3.0
"""decades of a positive number from which on its logarithm is suggested"""


def note_scales(data: MoleculeTable) -> list[str]:
    """Return notes on positive numbers of many orders of magnitude."""
    notes = []
    for name, y in zip(data.target_names, data.targets.T, strict=True):
        known = y[~np.isnan(y)]
        if data.classes or not len(known) or known.min() <= 0:
            continue
        decades = float(np.log10(known.max() / known.min()))
        if decades >= MANY_DECADES:
            notes.append(
                f"{name} spans {decades:.1f} decades: its logarithm (as pIC50 of an "
                "IC50) is usually the better target"
            )
    return notes


def split_molecules(
    data: MoleculeTable, objective: Objective, settings: MoleculeSettings, seed: int
) -> np.ndarray:
    """Return train or test [N] of each molecule; the user's val is train."""
    given = np.full(len(data), TRAIN) if data.split is None else data.split
    given = np.where(given == VAL, TRAIN, given)
    if data.weights is not None:
        given = np.where(data.weights > 0, given, UNUSED)
    test = settings.test_fraction or (NEWEST if settings.splits_by_time else 0.0)
    if not test or (given == TEST).any():
        return given.astype("U5")

    def draw(rows: np.ndarray, fractions: Any) -> np.ndarray:
        if settings.splits_by_time and data.times is not None:
            return split_by_time(data.times[rows], val=0.0, test=test)
        mols = [data.mols[k] for k in rows.tolist()]
        groups = molecule_groups(mols, settings.grouping)
        strata = strata_of(objective, data.targets[rows])
        own_seed = seed_for(seed, 3) % 2**32
        return split(strata, groups, fractions=fractions, seed=own_seed)

    return complete_split(given, draw, val=0.0, test=test)


def limit_of(settings: MoleculeSettings) -> float | None:
    """Return the seconds that the run may take; None: no limit."""
    minutes = settings.time_limit
    return None if minutes is None else 60 * minutes


def describe_time(data: MoleculeTable, settings: MoleculeSettings) -> list[str]:
    """Return a line if the baseline alone will take longer than the time limit."""
    limit = limit_of(settings)
    plan = plan_baseline(~np.isnan(data.targets), settings.folds, limit)
    if limit is None or plan.seconds <= limit:
        return []
    return [
        f"the Gaussian process will take about {plan.seconds / 60:.0f} minutes, more "
        f"than the time limit of {limit / 60:g}"
    ]


def check_times(data: MoleculeTable, settings: MoleculeSettings) -> None:
    """Raise SettingError for a split by time of molecules without times."""
    given = data.split is not None and (data.split == TEST).any()
    if settings.splits_by_time and data.times is None and not given:
        raise SettingError(
            "A split by time needs a column of dates or numbers. Name it with "
            "--time-column."
        )


def choose_folds(
    objective: Objective,
    targets: np.ndarray,
    groups: np.ndarray,
    settings: MoleculeSettings,
    seed: int,
) -> np.ndarray:
    """Return the fold [N] of each molecule; DataError for a single group."""
    count = min(settings.folds, int(groups.max()) + 1)
    if count < 2:
        raise DataError(
            "All molecules are in one group, so none can be held out together"
            + (
                " with others. Use --split random."
                if settings.grouping != "random"
                else "."
            )
        )
    strata = strata_of(objective, targets)
    folds = assign_folds(strata, groups, folds=count, seed=seed_for(seed, 4) % 2**32)
    return most_groups_first(folds, groups)


def choose_descriptors(mols: Sequence[Any], wanted: str) -> DescriptorSet:
    """Return the set of descriptors; auto: all where they are computed in seconds."""
    if wanted == "auto":
        atoms = sum(mol.GetNumHeavyAtoms() for mol in mols)
        return "all" if atoms <= MAX_ATOMS_FOR_ALL else "fast"
    return "all" if wanted == "all" else "fast"


def sample_weights(data: MoleculeTable) -> np.ndarray:
    """Return the weights [N] of the user, or the replicates of each molecule."""
    return (data.replicates if data.weights is None else data.weights).astype(float)


def strata_of(objective: Objective, targets: np.ndarray) -> np.ndarray:
    """Return the class [N] of each molecule where there is one target, else zeros."""
    if objective.kind == "single_label":
        return targets_of(objective, targets)
    return np.zeros(len(targets), np.int64)


def have_integer_classes(objective: Objective) -> bool:
    """Return whether all classes are whole numbers, which `predict` returns as such."""
    names = objective.classes if objective.kind == "single_label" else ()
    return bool(names) and all(name.lstrip("-").isdigit() for name in names)


MAX_FOR_OTHER_SPLITS = 3000
"""molecules up to which the baseline is cross-validated under other splits too"""


def scores_by_split(
    model: FittedMoleculeModel, settings: MoleculeSettings, seed: int
) -> dict[str, Score]:
    """Return the score of the baseline under each way of holding molecules out.

    Empty for many molecules, and for a loaded model.
    """
    data, features = model.data, model.features
    rows = np.flatnonzero(model.split == TRAIN)
    if data is None or features is None or len(rows) > MAX_FOR_OTHER_SPLITS:
        return {}
    objective, own = model.objective, features.rows(rows).with_similarities()
    mols, weights = [data.mols[k] for k in rows], sample_weights(data)[rows]
    scores = {}
    for method in get_args(SplitMethod):
        groups = molecule_groups(mols, method)
        if int(groups.max()) < 1:
            continue
        found = cross_validate(
            own,
            model.columns,
            choose_folds(objective, model.targets, groups, settings, seed),
            groups,
            weights,
            descriptors=model.descriptors,
            with_variance=False,
        )
        columns = cross_fitted_predictions(
            objective, found.baseline.mean, model.columns, found.folds
        )
        measured = Measured(model.targets, from_columns(objective, columns), groups)
        scores[method] = score_of(objective, measured)
    return scores
