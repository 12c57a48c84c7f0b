"""Tables of predictions, and the targets of tables as a model has them."""

from typing import Any

import numpy as np

from vicinal.core.objective import Objective
from vicinal.errors import DataError
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.fitted_model import FittedMoleculeModel
from vicinal.molecules.inference.prediction import MoleculePredictions

DIGITS = 5
"""decimals of probabilities in tables"""


def predictions_frame(
    model: FittedMoleculeModel,
    names: Any,
    predicted: MoleculePredictions,
    labels: np.ndarray | None = None,
) -> Any:
    """Return predictions as a DataFrame of a row per molecule.

    names: SMILES [M]. labels: targets [M, T], rows of classes or numbers. One target
    has the columns label, predicted, and low and high or probability and p_CLASS.
    Several have a column of their name each (of classes the probability of 1, or of the
    class that the column names: NAME=CLASS), and NAME_label, NAME_low and NAME_high.
    """
    import pandas as pd

    columns: dict[str, Any] = {"smiles": list(names)}
    several = model.objective.kind in ("multi_label", "multi_numeric")
    add = _add_targets if several else _add_target
    add(columns, model, predicted, labels)
    if predicted.neighbors is not None and predicted.neighbors.rows.shape[1]:
        rows = predicted.neighbors.rows[:, 0]
        similarity = predicted.neighbors.similarity[:, 0]
        columns["nearest"] = nearest_smiles(model)[rows]
        columns["similarity"] = similarity.round(3)
        columns["unlike_training"] = similarity < model.outside
    return pd.DataFrame(columns)


def nearest_smiles(model: FittedMoleculeModel) -> np.ndarray:
    """Return the SMILES [S] of the support molecules, which neighbours are rows of."""
    return model.smiles[model.baseline.rows]


def _add_target(
    columns: dict[str, Any],
    model: FittedMoleculeModel,
    predicted: MoleculePredictions,
    labels: np.ndarray | None,
) -> None:
    objective: Objective = model.objective
    if labels is not None:
        columns["label"] = label_names(model, 0, labels[:, 0])
    columns["predicted"] = objective.decode(predicted.values)
    if objective.kind == "single_label":
        p = predicted.values
        columns["probability"] = p.max(axis=1).round(DIGITS)
        for k, name in enumerate(objective.classes):
            columns[f"p_{name}"] = p[:, k].round(DIGITS)
    elif predicted.half is not None:
        columns["low"] = predicted.values - predicted.half[:, 0]
        columns["high"] = predicted.values + predicted.half[:, 0]


def _add_targets(
    columns: dict[str, Any],
    model: FittedMoleculeModel,
    predicted: MoleculePredictions,
    labels: np.ndarray | None,
) -> None:
    for k, name in enumerate(model.target_names):
        if labels is not None:
            columns[f"{name}_label"] = label_names(model, k, labels[:, k])
        values = predicted.values[:, k]
        shown = shown_name(model, k)
        columns[shown] = values.round(DIGITS) if model.target_classes else values
        if predicted.half is not None:
            columns[f"{name}_low"] = values - predicted.half[:, k]
            columns[f"{name}_high"] = values + predicted.half[:, k]


def shown_name(model: FittedMoleculeModel, target: int) -> str:
    """Return the name of the column of one of several targets.

    Of classes other than 0 and 1 it says whose probability it has: hERG=active.
    """
    name = model.target_names[target]
    if not model.target_classes or model.target_classes[target] == ("0", "1"):
        return name
    return f"{name}={model.target_classes[target][1]}"


def label_names(
    model: FittedMoleculeModel, target: int, values: np.ndarray
) -> list[Any]:
    """Return the names of rows of classes, or numbers; None where there is none."""
    known = [None if np.isnan(value) else value for value in values.tolist()]
    if not model.target_classes:
        return known
    classes = model.target_classes[target]
    return [None if value is None else classes[int(value)] for value in known]


def match_targets(
    model: FittedMoleculeModel, data: MoleculeTable
) -> tuple[np.ndarray, list[str]]:
    """Return the targets [N, T] of a `MoleculeTable` as the model has them, and notes.

    Targets are matched by name, but for one target of both; classes by name. Raises
    DataError if no target of the model is there, or if targets are of another kind.
    """
    names, own = list(model.target_names), list(data.target_names)
    notes: list[str] = []
    if len(names) == len(own) == 1 and names != own:
        if own[0] not in ("target", "label"):
            notes.append(f"the column {own[0]!r} is scored as {names[0]!r}")
        own = names
    if bool(model.target_classes) != bool(data.classes) and own:
        kind = "classes" if model.target_classes else "numbers"
        raise DataError(
            f"The model predicts {kind}, and the targets of these data are of another "
            "kind. Name others with --target-columns."
        )
    if not set(names) & set(own):
        raise DataError(
            f"The data must have a column of targets: {', '.join(names)}. Got "
            f"{', '.join(own) or 'none'}."
        )
    targets = np.full((len(data), len(names)), np.nan)
    missing = [name for name in names if name not in own]
    if missing:
        notes.append(f"no column of {', '.join(missing)}: not scored")
    for k, name in enumerate(names):
        if name not in own:
            continue
        column = own.index(name)
        values = data.targets[:, column]
        if model.target_classes:
            values, unknown = _renumber(
                values, data.classes[column], model.target_classes[k]
            )
            if unknown:
                notes.append(f"{name}: unknown classes left out: {', '.join(unknown)}")
        targets[:, k] = values
    return targets, notes


def _renumber(
    rows: np.ndarray, classes: tuple[str, ...], known: tuple[str, ...]
) -> tuple[np.ndarray, list[str]]:
    """Return rows of classes as rows of the known ones, NaN for others; and those."""
    position = np.array(
        [float(known.index(c)) if c in known else np.nan for c in classes]
    )
    found = np.full(len(rows), np.nan)
    labelled = ~np.isnan(rows)
    found[labelled] = position[rows[labelled].astype(int)]
    return found, [c for c in classes if c not in known]
