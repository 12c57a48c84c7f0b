"""Explain a prediction: its atoms, its descriptors, and similar molecules."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.evaluation.significance import LEVEL
from vicinal.core.report.report import format_cell
from vicinal.molecules.baseline.features import descriptor_names
from vicinal.molecules.baseline.model import MoleculeFeatures
from vicinal.molecules.explain.alerts import Alert, find_alerts
from vicinal.molecules.explain.drawing import draw_attribution
from vicinal.molecules.explain.parts import Explained, make_parts
from vicinal.molecules.fitted_model import FittedMoleculeModel
from vicinal.molecules.inference.prediction import features_of, nearest_training
from vicinal.molecules.inference.tables import label_names, nearest_smiles
from vicinal.molecules.objective import is_regression

CONTROLS = 999
"""random orders of the shares that the explanation is compared with"""

FEW_ATOMS = 0.2
"""share of atoms below which an explanation says that descriptors matter more"""

NO_ALERT = "no structural alert of Brenk et al."

NUM_BONDS, NUM_DESCRIPTORS = 5, 5
NUM_NEIGHBORS = 3


class Neighbor(NamedTuple):
    """A training molecule that is similar to the explained one."""

    smiles: str
    similarity: float
    label: Any
    why: str
    """nearest, or nearest of another class or value"""


@dataclass(frozen=True, repr=False)
class MoleculeExplanation:
    """What makes the prediction for a molecule, in the unit of `quantity`."""

    mol: Any
    smiles: str
    target: str
    """the number or the class whose prediction is explained"""

    quantity: str
    """what is explained: the number, or the log-odds of the class"""

    value: float
    """the prediction, in that unit"""

    predicted: float
    """the number, or the probability of the class"""

    base: float
    """prediction for a molecule without substructures, of mean atoms, and of median
    descriptors"""

    atoms: np.ndarray
    """[A] share of each atom: positive ones increase the value"""

    bonds: np.ndarray
    """[M] share of each bond in the networks, in RDKit's order; half of it is in the
    share of each of its atoms"""

    descriptors: list[tuple[str, float]]
    """largest shares of descriptors"""

    other_descriptors: float
    """the sum of the shares of the other descriptors"""

    correlation: float
    """of the shares with the change of the value without each atom"""

    p: float
    """fraction of random orders of the shares, this one included, with as large a
    correlation"""

    neighbors: list[Neighbor]
    alerts: list[Alert] | None
    """structural alerts; None: they were not looked for"""

    error: float
    """difference between the value and the sum of all shares"""

    @property
    def verdict(self) -> str:
        """Say whether the atoms matter more to the model than random ones."""
        measured = (
            f"Leaving out each atom changes the prediction as its share says: "
            f"correlation {self.correlation:.2f}, p = {self.p:.2g} against random "
            "orders of the shares."
        )
        if self.p <= LEVEL and self.atom_fraction < FEW_ATOMS:
            return (
                f"{measured} But atoms are only {self.atom_fraction:.0%} of the sizes "
                "of the shares: the prediction follows mostly from the descriptors."
            )
        if self.p <= LEVEL:
            return measured
        return (
            "The shares agree no better than random orders with what leaving out each "
            f"atom changes (correlation {self.correlation:.2f}, p = {self.p:.2g}): do "
            "not rely on this explanation."
        )

    @property
    def atom_fraction(self) -> float:
        """Return the sizes of the shares of atoms, of those of atoms and descriptors.

        Descriptors that are not among the largest count by their sum. 1 without shares.
        """
        atoms = float(np.abs(self.atoms).sum())
        values = [*(value for _, value in self.descriptors), self.other_descriptors]
        total = atoms + float(np.abs(values).sum())
        return atoms / total if total > 0 else 1.0

    @property
    def score(self) -> float:
        """Return the prediction: the number, or the probability of the class."""
        return self.predicted

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        """Return the drawing, for a notebook."""
        return self.svg()

    def lines(self) -> list[str]:
        """Return the explanation as lines of text."""
        lines = [
            f"{self.smiles}: {self.target} {self.predicted:.4g}",
            f"explained: {self.quantity} = {self.value:.4g}; {self.base:.4g} without "
            f"them, {self.atoms.sum():+.4g} of atoms, "
            f"{self.descriptor_sum:+.4g} of descriptors",
            "atoms, strongest first (number, element, share):",
        ]
        order = np.argsort(-np.abs(self.atoms), kind="stable")[:10]
        lines += [
            f"  {k:>3} {self.mol.GetAtomWithIdx(int(k)).GetSymbol():<2} "
            f"{self.atoms[k]:+.4f}"
            for k in order
        ]
        if self.bonds.any():
            lines.append("bonds, strongest first (included in their atoms):")
            order = np.argsort(-np.abs(self.bonds), kind="stable")[:NUM_BONDS]
            lines += [f"  {self.bond_name(k)} {self.bonds[k]:+.4f}" for k in order]
        lines.append("descriptors:")
        lines += [f"  {value:+.4f} {name}" for name, value in self.descriptors]
        lines.append(f"  {self.other_descriptors:+.4f} all others")
        lines.append(self.verdict)
        lines.append("similar training molecules:")
        lines += [
            f"  {n.similarity:.2f} {n.smiles} ({format_cell(n.label)}; {n.why})"
            for n in self.neighbors
        ]
        if self.alerts is not None:
            lines += [str(alert) for alert in self.alerts] or [NO_ALERT]
        return lines

    def bond_name(self, bond: int) -> str:
        """Return the atoms of a bond and its symbol in SMILES, such as C3=O4."""
        own = self.mol.GetBondWithIdx(int(bond))
        ends = own.GetBeginAtom(), own.GetEndAtom()
        first, second = (f"{atom.GetSymbol()}{atom.GetIdx()}" for atom in ends)
        symbol = ":" if own.GetIsAromatic() else own.GetSmarts() or "-"
        return f"{first}{symbol}{second}"

    @property
    def descriptor_sum(self) -> float:
        """Return the share of all descriptors."""
        return sum(value for _, value in self.descriptors) + self.other_descriptors

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON values."""
        return {
            "molecule": self.smiles,
            "target": self.target,
            "quantity": self.quantity,
            "score": self.predicted,
            "value": self.value,
            "base": self.base,
            "atoms": [
                {
                    "atom": k,
                    "element": self.mol.GetAtomWithIdx(k).GetSymbol(),
                    "share": float(value),
                }
                for k, value in enumerate(self.atoms)
            ],
            "bonds": [
                {"bond": self.bond_name(k), "share": float(value)}
                for k, value in enumerate(self.bonds)
            ],
            "descriptors": dict(self.descriptors) | {"others": self.other_descriptors},
            "max_error": self.error,
            "correlation": self.correlation,
            "p": self.p,
            "atom_fraction": self.atom_fraction,
            "verdict": self.verdict,
            "neighbors": [n._asdict() for n in self.neighbors],
            "alerts": [alert.to_dict() for alert in self.alerts or ()],
        }

    def svg(self) -> str:
        """Return a drawing of the molecule, with its atoms coloured by their shares."""
        return draw_attribution(self.mol, self.atoms)


def explain_molecule(
    model: FittedMoleculeModel,
    mol: Any,
    smiles: str,
    explained: Explained,
    predicted: float,
    *,
    seed: int = 0,
    alerts: bool = False,
) -> MoleculeExplanation:
    """Explain the prediction of one target or class for a molecule.

    predicted: the prediction itself. seed: of the random control. alerts: also look for
    structural alerts.
    """
    features = features_of(model, [mol])
    parts = make_parts(model, mol, features, explained)
    found = [part.shares() for part in parts]
    weights = [part.weight for part in parts]
    atoms = sum_of(weights, [shares.atoms for shares in found])
    descriptors = sum_of(weights, [shares.descriptors for shares in found])
    names = np.array(descriptor_names(model.descriptors))[model.baseline.scaler.kept]
    order = np.argsort(-np.abs(descriptors), kind="stable")[:NUM_DESCRIPTORS]
    order = order[descriptors[order] != 0]  # those of a network without them
    each = [np.array([k]) for k in range(len(atoms))]
    values = sum_of(weights, [part.values_without(each) for part in parts])
    correlation, p = correlation_test(atoms, values[0] - values[1:], seed)
    total, regression = float(values[0]), is_regression(model.objective)
    return MoleculeExplanation(
        mol=mol,
        smiles=smiles,
        target=explained.name,
        quantity=explained.name if regression else quantity_name(model, explained),
        value=total,
        predicted=predicted,
        base=float(sum_of(weights, [np.array(shares.base) for shares in found])),
        atoms=atoms,
        bonds=sum_of(weights, [shares.bonds for shares in found]),
        descriptors=[(str(names[k]), float(descriptors[k])) for k in order],
        other_descriptors=float(descriptors.sum() - descriptors[order].sum()),
        correlation=correlation,
        p=p,
        neighbors=similar_molecules(model, features, explained.target),
        alerts=find_alerts(mol, atoms) if alerts else None,
        error=float(sum_of(weights, [np.array(shares.error) for shares in found])),
    )


def quantity_name(model: FittedMoleculeModel, explained: Explained) -> str:
    """Return what is explained of a class: the log-odds, or a mean of log-odds."""
    name = explained.name
    if model.target_classes and len(model.target_names) > 1:
        name = f"{name}={model.target_classes[explained.target][1]}"
    several = model.objective.kind == "single_label" and model.objective.outputs > 2
    against = " against the other classes" if several else ""
    mean = "mean " if 0 < model.network_weight < 1 else ""
    return f"{mean}log-odds of {name}{against}"


def sum_of(weights: list[float], arrays: list[np.ndarray]) -> np.ndarray:
    """Return the weighted sum of arrays of one shape."""
    return np.tensordot(np.array(weights), np.stack(arrays), axes=1)


def correlation_test(
    shares: np.ndarray, changes: np.ndarray, seed: int
) -> tuple[float, float]:
    """Return the correlation of shares [A] with changes [A], and its p value.

    p: of a permutation test, one-sided. 0 and 1 where either does not vary.
    """
    if np.ptp(shares) < 1e-12 or np.ptp(changes) < 1e-12:
        return 0.0, 1.0
    a = (shares - shares.mean()) / shares.std()
    b = (changes - changes.mean()) / changes.std()
    found = float((a * b).mean())
    rng = np.random.default_rng(seed)
    random = np.array([(rng.permutation(a) * b).mean() for _ in range(CONTROLS)])
    return found, float((1 + (random >= found - 1e-12).sum()) / (CONTROLS + 1))


def similar_molecules(
    fitted: FittedMoleculeModel, features: MoleculeFeatures, target: int
) -> list[Neighbor]:
    """Return the nearest training molecules, and the nearest of another label.

    Another label is another class, or a number that differs by a standard deviation.
    """
    labels = fitted.targets[fitted.baseline.rows, target]
    known = np.flatnonzero(~np.isnan(labels))
    found = nearest_training(fitted, features, len(fitted.baseline.rows))
    has_label = set(known.tolist())
    order = [k for k in found.rows[0].tolist() if k in has_label]
    similarity = dict(zip(found.rows[0].tolist(), found.similarity[0], strict=True))
    names, smiles = label_names(fitted, target, labels), nearest_smiles(fitted)

    def neighbor(k: int, why: str) -> Neighbor:
        return Neighbor(str(smiles[k]), float(similarity[k]), names[k], why)

    nearest = order[:NUM_NEIGHBORS]
    rows = [neighbor(k, "nearest") for k in nearest]
    if nearest:
        spread = 0.5 if fitted.target_classes else float(np.nanstd(labels))
        far = (k for k in order if abs(labels[k] - labels[nearest[0]]) > spread)
        other = next(far, None)
        if other is not None and other not in nearest:
            rows.append(neighbor(other, "nearest with another label"))
    return rows
