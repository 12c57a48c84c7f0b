"""Break a prediction down into its terms, down to single products.

The Gaussian process is a sum over training molecules, a network a sum at each level:
outputs of hidden units, atoms in a unit, neighbours in an atom.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from vicinal.core.report.finding import Finding
from vicinal.errors import SettingError
from vicinal.molecules.baseline.kernels import RADIAL, squared_distances
from vicinal.molecules.baseline.model import MoleculeFeatures
from vicinal.molecules.baseline.tanimoto import tanimoto
from vicinal.molecules.explain.network_terms import network_terms
from vicinal.molecules.explain.parts import (
    Explained,
    choose_explained,
    network_scale,
    output_offset,
    output_weights,
)
from vicinal.molecules.fitted_model import FittedMoleculeModel
from vicinal.molecules.inference.prediction import features_of, molecule_tensors
from vicinal.molecules.inference.tables import nearest_smiles
from vicinal.molecules.objective import is_regression

if TYPE_CHECKING:
    from vicinal.molecules.estimators import MoleculeEstimator

SHOWN = 10
"""terms that are shown"""


def inspect_molecule(
    model: "MoleculeEstimator",
    smiles: str,
    target: str | None = None,
    atom: int | None = None,
) -> Finding:
    """Return the terms of a prediction of the Gaussian process and of a network.

    atom: number of the atom whose messages are shown; None: the one that adds most.
    Raises SettingError for an atom that the molecule does not have.
    """
    model.check_fitted()
    fitted, (mol,) = model.model_, model.mols_of([smiles])
    if atom is not None and not 0 <= atom < mol.GetNumAtoms():
        raise SettingError(
            f"atom must be from 0 to {mol.GetNumAtoms() - 1}. Got {atom} instead."
        )
    features = features_of(fitted, [mol])
    values = model.predict_mols([mol], features).values
    explained = choose_explained(fitted, target, int(values[0].argmax()))
    whole = explained.value_of(fitted.objective, values)
    data: dict[str, Any] = {
        "molecule": smiles,
        "target": explained.name,
        "network_weight": fitted.network_weight,
        "process": None,
        "network": None,
    }
    lines = [f"{smiles}: {explained.name} {whole:.4g}"]
    if fitted.network_weight < 1:
        data["process"] = process_terms(fitted, features, explained)
        lines += _process_lines(fitted, data["process"])
    if fitted.networks is not None:
        tensors = molecule_tensors(fitted, [mol], features)
        weights = output_weights(fitted, explained)
        data["network"] = network_terms(fitted.networks, tensors, mol, weights, atom)
        offset = output_offset(fitted, explained)
        lines += ["", *_network_lines(data["network"], offset)]
        if fitted.network_scaling:
            factor, intercept = network_scale(fitted, explained)
            data["network"] |= {"factor": factor, "intercept": intercept}
            mean = float(np.mean(data["network"]["outputs"]))
            lines.append(
                f"log-odds of all networks, scaled: {factor:.4g} x {mean:.4g} "
                f"{intercept:+.4g} = {factor * mean + intercept:.4g}"
            )
    if 0 < fitted.network_weight < 1:
        lines += [
            "",
            "prediction: the average of the Gaussian process and the networks",
        ]
    parts = [part for part in (data["process"], data["network"]) if part is not None]
    data["max_error"] = max(part["max_error"] for part in parts)
    data["predicted" if is_regression(fitted.objective) else "probability"] = whole
    return Finding(lines, data)


def process_terms(
    model: FittedMoleculeModel, features: MoleculeFeatures, explained: Explained
) -> dict[str, Any]:
    """Return the terms of the Gaussian process: one of each training molecule.

    mean + sum over training molecules n of  k(x, x_n) alpha_n, with k a sum of the
    Tanimoto similarity and a function of the distance of the descriptors, by their
    shares; of classes, the probability from it.
    """
    baseline, column = model.baseline, explained.column
    process, kernel = baseline.processes[column], baseline.kernel
    similar = tanimoto(features.counts, baseline.support.counts)[0]
    x = baseline.scaler(features.descriptors)
    distances = squared_distances(x, baseline.support.descriptors)[0]
    near = kernel.radial_covariance(distances)
    k = kernel.tanimoto_share * similar + (1 - kernel.tanimoto_share) * near
    terms = k * process.alpha
    total = float(process.mean + terms.sum())
    computed = float(baseline.predict(features, with_variance=False).mean[0, column])
    order = np.argsort(-np.abs(terms), kind="stable")[:SHOWN]
    names = nearest_smiles(model)
    found: dict[str, Any] = {
        "mean": process.mean,
        "tanimoto_share": kernel.tanimoto_share,
        "radial": kernel.radial,
        "width": 2 * kernel.width,
        "terms": [
            {
                "smiles": str(names[n]),
                "tanimoto": float(similar[n]),
                "descriptors": float(near[n]),
                "covariance": float(k[n]),
                "weight": float(process.alpha[n]),
                "product": float(terms[n]),
            }
            for n in order
        ],
        "other_terms": float(terms.sum() - terms[order].sum()),
        "num_others": len(terms) - len(order),
        "sum": total,
        "max_error": abs(total - computed),
    }
    if not is_regression(model.objective):
        scale = model.scaling[column]
        logit = explained.sign * float(scale(np.array(total)))
        found |= {"factor": scale.factor, "intercept": scale.intercept}
        found |= {"sign": explained.sign, "probability": float(expit(logit))}
    return found


def _process_lines(model: FittedMoleculeModel, found: dict[str, Any]) -> list[str]:
    share = found["tanimoto_share"]
    lines = [
        "Gaussian process:",
        f"covariance = {share:g} x Tanimoto + {1 - share:g} x descriptors; descriptors "
        f"= {RADIAL[found['radial']].formula},",
        f"d: squared distance of scaled descriptors, w = {found['width']:.4g}",
        "  Tanimoto  descriptors  covariance     weight    product  training molecule",
        *(
            f"  {row['tanimoto']:8.4f}  {row['descriptors']:11.4f}  "
            f"{row['covariance']:10.4f}  {row['weight']:9.4f}  {row['product']:9.4f}  "
            f"{row['smiles']}"
            for row in found["terms"]
        ),
        f"  {found['other_terms']:+.4f} of the other {found['num_others']:,}",
        f"  {found['mean']:+.4f} mean of the training molecules",
        f"= {found['sum']:.4f}",
    ]
    if "probability" in found:
        inside = f"{found['factor']:.4g} x {found['sum']:.4g} {found['intercept']:+.4g}"
        lines.append(
            f"probability: 1 / (1 + exp(-({found['sign']:+.0f}) x ({inside}))) = "
            f"{found['probability']:.4f}"
        )
    return lines


def _network_lines(found: dict[str, Any], offset: float) -> list[str]:
    """Return the terms of a network as lines; offset: the mean of a number."""
    unit, atom = found["unit"], found["atom"]
    total = f"ReLU({atom['sum']:.4f})"
    if atom["layer"] == "gine":
        total = f"{atom['sum']:.4f}, the sum in the last layer"
    outputs = ", ".join(f"{value + offset:.4g}" for value in found["outputs"])
    lines = [
        f"Networks of the folds: {outputs}. Network 1 = "
        f"{found['sum'] + offset:.4f}, the sum of its hidden units:",
        *(f"  {row['product']:+9.4f}  unit {row['unit']}" for row in found["units"]),
        f"  {found['other_units']:+9.4f}  other units",
        f"  {found['bias'] + offset:+9.4f}  bias",
        f"Unit {unit['unit']} = ReLU({unit['sum']:.4f}), the sum over atoms:",
        *(
            f"  {row['product']:+9.4f}  atom {row['atom']} {row['element']}"
            for row in unit["atoms"]
        ),
        f"  {unit['descriptors']:+9.4f}  descriptors",
        f"  {unit['bias']:+9.4f}  bias",
        f"Atom {atom['atom']} {atom['element']}, feature {atom['feature']} = {total}:",
        f"  {atom['own']:+9.4f}  its own features",
        *(
            f"  {row['product']:+9.4f}  message from atom {row['atom']} "
            f"{row['element']}"
            for row in atom["messages"]
        ),
        f"  {atom['bias']:+9.4f}  bias",
        f"largest difference from what the network computes: {found['max_error']:.1e}",
    ]
    return lines
