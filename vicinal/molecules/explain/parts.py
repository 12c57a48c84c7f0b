"""The parts of a prediction: the Gaussian process and the networks."""

from typing import Any, NamedTuple, Protocol

import numpy as np

from vicinal.core.objective import MultiNumeric, Numeric, Objective
from vicinal.errors import ClassError, SettingError, suggest_names
from vicinal.molecules.baseline.model import MoleculeFeatures
from vicinal.molecules.explain import integrated_gradients, network_gradients
from vicinal.molecules.explain.substructures import (
    counts_without,
    spread_over_atoms,
    substructures,
)
from vicinal.molecules.fitted_model import FittedMoleculeModel
from vicinal.molecules.inference.prediction import molecule_tensors
from vicinal.molecules.objective import column_names, columns_of, is_regression


class Explained(NamedTuple):
    """What of a prediction is explained."""

    name: str
    """of the target or the class"""

    target: int
    """the target"""

    column: int
    """the column of the baseline"""

    sign: float = 1.0
    """-1 for the first of two classes, whose column is that of the second"""

    def value_of(self, objective: Objective, values: np.ndarray) -> float:
        """Return the prediction of this target or class, from those of one molecule."""
        found = float(columns_of(objective, values)[0, self.column])
        return found if self.sign > 0 else 1 - found


class Shares(NamedTuple):
    """The terms of one part of the prediction."""

    base: float
    atoms: np.ndarray
    """[A], with half of the share of each bond"""

    bonds: np.ndarray
    """[M]; 0 of the process, whose substructures are shared by their atoms"""

    descriptors: np.ndarray
    error: float


class Part(Protocol):
    """A model that predicts, alone or with another."""

    @property
    def weight(self) -> float:
        """Return the weight of its prediction in that of the whole model."""
        ...

    def shares(self) -> Shares:
        """Return the terms of its prediction."""
        ...

    def values_without(self, sets: list[np.ndarray]) -> np.ndarray:
        """Return its prediction [S + 1], and those without each set of atoms."""
        ...


def choose_explained(
    model: FittedMoleculeModel, target: str | None, predicted: int
) -> Explained:
    """Return the target or class of a name; None: the predicted one, or the first.

    predicted: row of the predicted class. ClassError for an unknown name.
    """
    objective, names = model.objective, list(model.target_names)
    if objective.kind == "single_label":
        classes = list(objective.classes)
        name = classes[predicted] if target is None else target
        if name not in classes:
            raise ClassError(
                f"There is no class {name!r}. {suggest_names(name, classes)}"
            )
        row = classes.index(name)
        if len(classes) > 2:
            return Explained(name, 0, row)
        return Explained(name, 0, 0, 1.0 if row else -1.0)
    name = names[0] if target is None else target
    if objective.kind == "numeric" and name != names[0]:
        raise SettingError(
            "target must be None: the model predicts a number, not a class. Got "
            f"{target!r} instead."
        )
    if name not in names:
        raise ClassError(f"There is no target {name!r}. {suggest_names(name, names)}")
    row = column_names(objective, names).index(name)
    return Explained(name, row, row)


def make_parts(
    model: FittedMoleculeModel,
    mol: Any,
    features: MoleculeFeatures,
    explained: Explained,
) -> list[Part]:
    """Return the models that take part in a prediction."""
    parts: list[Part] = []
    if model.network_weight < 1:
        parts.append(ProcessPart(model, mol, features, explained))
    if model.networks is not None:
        parts.append(NetworkPart(model, mol, features, explained))
    return parts


class ProcessPart:
    """The Gaussian process: bits spread over their atoms, and descriptors."""

    def __init__(
        self,
        model: FittedMoleculeModel,
        mol: Any,
        features: MoleculeFeatures,
        explained: Explained,
    ) -> None:
        self.model, self.features, self.explained = model, features, explained
        self.num_atoms, self.num_bonds = mol.GetNumAtoms(), mol.GetNumBonds()
        self.places = substructures(mol)
        self.weight = 1 - model.network_weight
        self.factor, self.intercept = explained.sign, 0.0
        if not is_regression(model.objective):
            scale = model.scaling[explained.column]
            self.factor = explained.sign * scale.factor
            self.intercept = explained.sign * scale.intercept

    def shares(self) -> Shares:
        """Return the terms of the prediction: a number, or log-odds."""
        found = integrated_gradients.attribute(
            self.model.baseline, self.features, self.explained.column
        )
        weights = {bit: self.factor * value for bit, value in found.bits.items()}
        return Shares(
            self.factor * found.base + self.intercept,
            spread_over_atoms(self.places, weights, self.num_atoms),
            np.zeros(self.num_bonds),
            self.factor * found.descriptors,
            abs(self.factor) * found.error,
        )

    def values_without(self, sets: list[np.ndarray]) -> np.ndarray:
        """Return the prediction [S + 1], and those without the substructures of atoms.

        The descriptors stay as they are.
        """
        rows = [set(atoms.tolist()) for atoms in sets]
        counts = np.stack([counts_without(self.places, atoms) for atoms in rows])
        whole = np.concatenate([self.features.counts, counts])
        descriptors = np.repeat(self.features.descriptors, len(whole), axis=0)
        found = self.model.baseline.predict(
            MoleculeFeatures(whole, descriptors), with_variance=False
        )
        return self.factor * found.mean[:, self.explained.column] + self.intercept


class NetworkPart:
    """The networks: integrated gradients of atoms, bonds and descriptors."""

    def __init__(
        self,
        model: FittedMoleculeModel,
        mol: Any,
        features: MoleculeFeatures,
        explained: Explained,
    ) -> None:
        self.model = model
        self.weight = model.network_weight
        self.molecule = molecule_tensors(model, [mol], features)
        factor, intercept = network_scale(model, explained)
        self.output = factor * output_weights(model, explained)
        self.offset = output_offset(model, explained) + intercept

    def shares(self) -> Shares:
        """Return the terms of the prediction: a number, or log-odds."""
        assert self.model.networks is not None
        found = network_gradients.attribute(
            self.model.networks, self.molecule, self.model.mean_features, self.output
        )
        atoms = found.atoms.copy()
        for ends in self.molecule.pairs.numpy():
            np.add.at(atoms, ends, found.bonds / 2)
        base = found.base + self.offset
        return Shares(base, atoms, found.bonds, found.descriptors, found.error)

    def values_without(self, sets: list[np.ndarray]) -> np.ndarray:
        """Return the prediction [S + 1], and those without each set of atoms."""
        model = self.model
        assert model.networks is not None
        found = network_gradients.outputs_without(
            model.networks, self.molecule, model.mean_features, self.output, sets
        )
        return found + self.offset


def network_scale(
    model: FittedMoleculeModel, explained: Explained
) -> tuple[float, float]:
    """Return the factor and the intercept of the log-odds of networks; 1, 0 of numbers.

    With more than two classes they are those of the class against all others.
    """
    if not model.network_scaling:
        return 1.0, 0.0
    scale = model.network_scaling[explained.column]
    return scale.factor, explained.sign * scale.intercept


def output_weights(model: FittedMoleculeModel, explained: Explained) -> np.ndarray:
    """Return the weights [K] of the logits in what is explained."""
    objective = model.objective
    weights = np.zeros(objective.outputs)
    if objective.kind == "single_label":
        row = explained.column
        if objective.outputs == 2:
            row = 1 if explained.sign > 0 else 0
        weights[:] = -1 / (objective.outputs - 1)
        weights[row] = 1
    elif objective.kind == "multi_label":
        weights[explained.column] = 1
    elif isinstance(objective, MultiNumeric):
        weights[explained.column] = objective.stds[explained.column]
    elif isinstance(objective, Numeric):
        weights[0] = objective.std
    return weights


def output_offset(model: FittedMoleculeModel, explained: Explained) -> float:
    """Return what is added to the weighted logits: the mean of a number."""
    objective = model.objective
    if isinstance(objective, Numeric):
        return objective.mean
    if isinstance(objective, MultiNumeric):
        return objective.means[explained.column]
    return 0.0
