"""Blocks of the report: held-out predictions, errors drawn, cliffs, targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rdkit import Chem

from vicinal.core.data.splits import TRAIN
from vicinal.core.metrics import Score
from vicinal.core.report.report import Block, Figure, Table, Text
from vicinal.core.report.sections import score_table
from vicinal.core.text import format_percent, pluralize
from vicinal.molecules.data.parse import parse_molecule
from vicinal.molecules.evaluation import Measured, target_scores
from vicinal.molecules.explain.drawing import draw_grid
from vicinal.molecules.explain.fragments import important_fragments
from vicinal.molecules.fitted_model import FittedMoleculeModel
from vicinal.molecules.inference.tables import label_names
from vicinal.molecules.objective import column_names, from_columns, is_regression
from vicinal.molecules.report.held_out import (
    Cliff,
    HeldOut,
    activity_cliffs,
    error_by_expectation,
    error_by_similarity,
    held_out,
    interval_coverage,
    nearest_in_other_folds,
)
from vicinal.molecules.report.label_errors import SuspectedLabel
from vicinal.molecules.report.plots import plot_histogram, plot_parity, plot_ranking

NUM_DRAWN = 12
"""molecules that are drawn in a block"""

MAX_TARGETS = 3
"""targets with figures of their own"""


def result_blocks(
    model: FittedMoleculeModel, coverage: float, split_scores: Mapping[str, Score]
) -> list[Block]:
    """Return what is shown after the scores."""
    blocks: list[Block] = []
    if len(split_scores) > 1:
        blocks += split_blocks(split_scores)
    names = column_names(model.objective, model.target_names)
    if len(model.target_names) > 1:
        blocks.append(target_table(model))
    neighbors = nearest_in_other_folds(model)
    for column, name in enumerate(names[:MAX_TARGETS]):
        found = held_out(model, column, neighbors)
        if len(found.rows) < 2:
            blocks.append(Text(f"{name}: too few molecules were held out."))
        elif is_regression(model.objective):
            half = model.half_widths(model.fold_scales, coverage)
            blocks += number_blocks(found, half[found.rows, column], coverage, name)
        else:
            truth = model.columns[found.rows, column]
            scores = model.fold_predictions[found.rows, column]
            caption = (
                f"{name}: the ROC curve (recall over false positive rate), and "
                "precision over recall, in the cross-validation."
            )
            blocks.append(Figure(plot_ranking(truth, scores), caption))
    if len(names) > MAX_TARGETS:
        blocks.append(Text(f"Figures of the first {MAX_TARGETS} of {len(names)}."))
    return blocks


def split_blocks(scores: Mapping[str, Score]) -> list[Block]:
    """Return the score of the baseline under each way of holding molecules out."""
    text = (
        "The Gaussian process under other splits. A random split tests on near copies "
        "of training molecules; new molecules are rarely that similar."
    )
    return [Text(text), score_table(scores.items(), "split")]


def target_table(model: FittedMoleculeModel) -> Block:
    """Return the score of each target in the cross-validation."""
    rows = cross_validated_targets(model)
    return score_table([(name, score) for name, _, score in rows], "target")


def cross_validated_targets(model: FittedMoleculeModel) -> list[tuple[str, int, Score]]:
    """Return name, molecules and score of each target in the cross-validation."""
    groups = model.cross_validation.groups
    values = from_columns(model.objective, model.fold_predictions)
    measured = Measured(model.targets, values, groups)
    return target_scores(model.objective, list(model.target_names), measured)


def number_blocks(
    found: HeldOut, half: np.ndarray, coverage: float, name: str
) -> list[Block]:
    """Return the parity plot, the coverage, and errors by what they depend on."""
    halves, inside = error_by_expectation(found), interval_coverage(found, coverage)
    text = (
        f"{format_percent(coverage)} intervals contain {format_percent(inside)} of the "
        "held-out values (widths from the errors of the other folds). RMSE of the half "
        f"with the smaller expected error: {halves.confident:.3g}, of the other half: "
        f"{halves.others:.3g}."
    )
    caption = f"{name}: predicted over measured, with intervals."
    blocks: list[Block] = [
        Figure(plot_parity(found.y, found.predicted, half), caption),
        Text(text),
    ]
    rows = [list(row) for row in error_by_similarity(found)]
    if rows:
        columns = ["similarity to the nearest training molecule", "molecules", "RMSE"]
        blocks.append(Table(columns, rows, "Tanimoto similarity of fingerprints."))
    return blocks


def error_blocks(model: FittedMoleculeModel) -> list[Block]:
    """Return the largest errors and the activity cliffs, drawn; of the first target."""
    found = held_out(model, 0)
    if len(found.rows) < 2:
        return []
    order = np.argsort(-found.errors, kind="stable")[:NUM_DRAWN]
    blocks: list[Block] = [
        Text(f"Largest errors of {model.target_names[0]} in the cross-validation:"),
        drawn_molecules(
            [model.smiles[found.rows[k]] for k in order],
            [_error_legend(model, found, int(k)) for k in order],
        ),
        Table(
            ["molecule", "measured", "predicted", "nearest", "similarity"],
            [_error_row(model, found, int(k)) for k in order],
        ),
    ]
    cliffs = activity_cliffs(model, 0)
    if cliffs:
        blocks += cliff_blocks(model, cliffs)
    return blocks


def _label(model: FittedMoleculeModel, row: int) -> str:
    """Return the target of a training molecule as text."""
    (label,) = label_names(model, 0, model.targets[row : row + 1, 0])
    return f"{label:.3g}" if isinstance(label, float) else str(label)


def _value(model: FittedMoleculeModel, found: HeldOut, k: int) -> str:
    if is_regression(model.objective):
        return f"{found.predicted[k]:.3g}"
    classes = model.target_classes[0]
    name = classes[1] if len(classes) == 2 else _label(model, found.rows[k])
    return f"p({name}) {found.predicted[k]:.2f}"


def _error_legend(model: FittedMoleculeModel, found: HeldOut, k: int) -> str:
    return f"{_label(model, found.rows[k])}, predicted {_value(model, found, k)}"


def _error_row(model: FittedMoleculeModel, found: HeldOut, k: int) -> list[Any]:
    row, nearest = found.rows[k], found.nearest[k]
    similarity = float(found.similarity[k])
    known = similarity == similarity
    return [
        short_smiles(model.smiles[row]),
        _label(model, row),
        _value(model, found, k),
        f"{short_smiles(model.smiles[nearest])} ({_label(model, nearest)})"
        if known
        else None,
        similarity if known else None,
    ]


def cliff_blocks(model: FittedMoleculeModel, cliffs: list[Cliff]) -> list[Block]:
    """Return pairs of similar molecules whose targets differ."""
    text = "Similar molecules of different targets: activity cliffs, or label errors."
    pairs = [row for cliff in cliffs[: NUM_DRAWN // 2] for row in cliff[:2]]
    drawing = drawn_molecules(
        [model.smiles[row] for row in pairs],
        [_label(model, row) for row in pairs],
        columns=2,
    )
    rows = [
        [
            f"{short_smiles(model.smiles[c.first])} ({_label(model, c.first)})",
            f"{short_smiles(model.smiles[c.second])} ({_label(model, c.second)})",
            c.similarity,
        ]
        for c in cliffs
    ]
    return [Text(text), drawing, Table(["molecule", "and", "similarity"], rows)]


def label_error_blocks(
    model: FittedMoleculeModel, suspected: Sequence[SuspectedLabel]
) -> list[Block]:
    """Return the suspected label errors as a table, and the first of them drawn."""
    if not suspected:
        return []
    text = (
        f"{pluralize(len(suspected), 'suspected label error')}: targets far from what "
        "the Gaussian process predicts for the molecule without it, in standard "
        "deviations of all such errors. Check the source of these values first."
    )
    shown = suspected[:NUM_DRAWN]
    drawing = drawn_molecules(
        [model.smiles[label.row] for label in shown],
        [
            f"{label.target} {_measured(model, label)}, expected {label.expected:.3g}"
            for label in shown
        ],
    )
    rows = [
        [
            short_smiles(model.smiles[label.row]),
            label.target,
            _measured(model, label),
            label.expected,
            label.deviations,
            short_smiles(model.smiles[label.nearest]),
            label.similarity,
        ]
        for label in suspected
    ]
    columns = ["molecule", "target", "measured", "expected", "deviations"]
    table = Table([*columns, "nearest molecule", "similarity"], rows)
    return [Text(text), drawing, table]


def _measured(model: FittedMoleculeModel, label: SuspectedLabel) -> str:
    """Return the target of a molecule, a number or a class, as text."""
    if is_regression(model.objective):
        return f"{label.measured:.3g}"
    if model.objective.kind == "single_label" and model.objective.outputs > 2:
        return label.target if label.measured else f"not {label.target}"
    column = list(model.target_names).index(label.target)
    return str(model.target_classes[column][int(label.measured)])


def drawn_molecules(
    smiles: Sequence[Any], legends: Sequence[str], columns: int = 3
) -> Block:
    """Return drawings of molecules side by side, each with a legend."""
    mols = [parse_molecule(str(text)).mol for text in smiles]
    known = [(m, text) for m, text in zip(mols, legends, strict=True) if m is not None]
    svg = draw_grid([m for m, _ in known], [text for _, text in known], columns)
    return Figure(svg)


def short_smiles(smiles: Any) -> str:
    """Return the canonical SMILES of a structure, which is often shorter."""
    mol = parse_molecule(str(smiles)).mol
    return str(smiles) if mol is None else Chem.MolToSmiles(mol)


def fragment_blocks(model: FittedMoleculeModel) -> list[Block]:
    """Return the substructures with the largest shares of the baseline, drawn."""
    data, features = model.data, model.features
    if data is None or features is None or model.network_weight == 1:
        return []
    rows = np.flatnonzero(model.split == TRAIN)
    factor = 1.0 if is_regression(model.objective) else model.scaling[0].factor
    mols = [data.mols[k] for k in rows]
    found = important_fragments(
        model.baseline, mols, features.rows(rows), factor=factor
    )
    if not found:
        return []
    name = column_names(model.objective, model.target_names)[0]
    if model.target_classes and model.objective.outputs == 2:
        name = f"the log-odds of {model.target_classes[0][1]}"
    text = (
        f"Substructures with the largest mean shares of {name} in the Gaussian process "
        "(integrated gradients of a sample; 95 % intervals of the mean):"
    )
    table = [[f.smiles, f.molecules, f.mean, f.low, f.high] for f in found]
    columns = ["substructure", "molecules", "mean share", "low", "high"]
    return [Text(text), Table(columns, table)]


def distribution_blocks(model: FittedMoleculeModel) -> list[Block]:
    """Return how the numbers of each target are distributed."""
    if not is_regression(model.objective):
        return []
    return [
        Figure(plot_histogram(y[~np.isnan(y)], name))
        for name, y in zip(
            model.target_names[:MAX_TARGETS], model.targets.T, strict=False
        )
    ]
