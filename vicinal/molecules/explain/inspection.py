"""Break a prediction down into its terms, down to single products."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.core.report.finding import Finding
from vicinal.molecules.baseline.gaussian_process import squared_distances, tanimoto
from vicinal.molecules.explain.parts import choose_explained
from vicinal.molecules.inference.prediction import features_of
from vicinal.molecules.inference.tables import nearest_smiles
from vicinal.molecules.objective import is_regression

if TYPE_CHECKING:
    from vicinal.molecules.estimators import MoleculeEstimator

SHOWN = 10
"""terms that are shown"""


def inspect_molecule(
    model: "MoleculeEstimator", smiles: str, target: str | None
) -> Finding:
    """Return the terms of a prediction: covariance times weight of each molecule.

    mean + sum over training molecules n of  k(x, x_n) alpha_n, with k half the Tanimoto
    similarity, half a Gaussian of the distance of the descriptors.
    """
    model.check_fitted()
    mols = model.mols_of([smiles])
    features = features_of(model.model_, mols)
    values = model.predict_mols(mols, features).values
    explained = choose_explained(model.model_, target, int(values[0].argmax()))
    column, name, sign = explained.column, explained.name, explained.sign
    baseline, process = model.baseline_, model.baseline_.processes[column]
    similar = tanimoto(features.counts, baseline.support.counts)[0]
    x = baseline.scaler(features.descriptors)
    distances = squared_distances(x, baseline.support.descriptors)[0]
    near = np.exp(-distances / (2 * baseline.kernel.width))
    share = baseline.kernel.tanimoto_share
    k = share * similar + (1 - share) * near
    terms = k * process.alpha
    total = process.mean + terms.sum()
    computed = float(baseline.predict(features, with_variance=False).mean[0, column])
    order = np.argsort(-np.abs(terms), kind="stable")[:SHOWN]
    names = nearest_smiles(model.model_)
    rows = [
        {
            "smiles": str(names[n]),
            "tanimoto": float(similar[n]),
            "gaussian": float(near[n]),
            "covariance": float(k[n]),
            "weight": float(process.alpha[n]),
            "product": float(terms[n]),
        }
        for n in order
    ]
    data: dict[str, Any] = {
        "molecule": smiles,
        "target": name,
        "mean": process.mean,
        "terms": rows,
        "other_terms": float(terms.sum() - terms[order].sum()),
        "sum": float(total),
        "max_error": abs(float(total) - computed),
    }
    width = 2 * baseline.kernel.width
    lines = [
        f"{smiles}: {name}",
        f"covariance = {share:g} x Tanimoto + {1 - share:g} x Gaussian; Gaussian = "
        f"exp(-squared distance of descriptors / {width:.4g})",
        "  Tanimoto  Gaussian  covariance     weight    product  training molecule",
        *map(_line, rows),
        f"  {data['other_terms']:+.4f} of the other {len(terms) - len(order):,}",
        f"  {process.mean:+.4f} mean of the training molecules",
        f"= {total:.4f}; computed: {computed:.4f}",
    ]
    if not is_regression(model.objective_):
        scale = model.model_.scaling[column]
        logit = float(scale(np.array(total)))
        p = 1 / (1 + np.exp(-sign * logit))
        data["probability"] = p
        lines.append(
            f"probability of {name} before the others: 1 / (1 + exp(-({sign:+.0f}) x "
            f"({scale.factor:.4g} x {total:.4g} {scale.intercept:+.4g}))) = {p:.4f}"
        )
    else:
        data["predicted"] = float(total)
    return Finding(lines, data)


def _line(row: dict[str, Any]) -> str:
    """Return the term of one training molecule as a line."""
    return (
        f"  {row['tanimoto']:8.4f}  {row['gaussian']:8.4f}  {row['covariance']:10.4f}"
        f"  {row['weight']:9.4f}  {row['product']:9.4f}  {row['smiles']}"
    )
