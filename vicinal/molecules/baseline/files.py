"""The baseline as JSON and tensors of a model file."""

from typing import Any

import numpy as np
import torch

from vicinal.core.estimators.model_files import TensorOf, check_rows, check_tensors
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import Integer, ListOf, Number, Object, Text
from vicinal.molecules.baseline.error_scale import ErrorScale, scales_from_arrays
from vicinal.molecules.baseline.features import FINGERPRINTS, NUM_COUNTS, Scaler
from vicinal.molecules.baseline.gaussian_process import GaussianProcess
from vicinal.molecules.baseline.kernels import RADIAL, MolecularKernel
from vicinal.molecules.baseline.model import Baseline, MoleculeFeatures

BASELINE = Object(
    {
        "width": Number(above=0),
        "tanimoto_share": Number(0, 1),
        "radial": Text(tuple(RADIAL)),
        "num_support": Integer(1),
        "fingerprints": Text((", ".join(FINGERPRINTS),)),
        "processes": ListOf(
            Object(
                {
                    "mean": Number(),
                    "noise": Number(above=0),
                    "signal": Number(0),
                }
            ),
            1,
        ),
    }
)
"""schema of the part of model.json"""

MAX_SUPPORT = 1_000_000
"""support molecules of a model file"""


def baseline_to_files(model: Baseline) -> tuple[dict[str, Any], Tensors]:
    """Return what model.json and model.safetensors hold; counts without their zeros."""
    processes = [
        {"mean": _finite(p.mean), "noise": p.noise, "signal": p.signal}
        for p in model.processes
    ]
    description = {
        **model.kernel._asdict(),
        "num_support": len(model.support),
        "fingerprints": ", ".join(FINGERPRINTS),
        "processes": processes,
    }
    rows, columns = np.nonzero(model.support.counts)
    arrays: dict[str, np.ndarray] = {
        "counts.rows": rows.astype(np.int32),
        "counts.columns": columns.astype(np.int32),
        "counts.values": model.support.counts[rows, columns].astype(np.int32),
        "descriptors": model.support.descriptors,
        "rows": model.rows,
        "weights": model.weights,
        "known": model.known,
        "alpha": np.stack([p.alpha for p in model.processes], axis=1),
        **{
            f"scaler.{name}": v
            for name, v in model.scaler._asdict().items()
            if v is not None
        },
        **{f"triangle.{k}": triangle for k, triangle in enumerate(model.triangles)},
    }
    tensors = {
        f"baseline.{name}": torch.from_numpy(np.ascontiguousarray(array))
        for name, array in arrays.items()
    }
    return description, tensors


def _finite(value: float) -> float:
    """Return a mean; 0 for that of a target without a value."""
    return value if np.isfinite(value) else 0.0


def restore_baseline(description: dict[str, Any], tensors: Tensors) -> Baseline:
    """Return the baseline that `baseline_to_files` described; ValueError if damaged."""
    size, columns = description["num_support"], len(description["processes"])
    own = {
        name.removeprefix("baseline."): tensor
        for name, tensor in tensors.items()
        if name.startswith("baseline.")
    }
    double, whole = (torch.float64,), (torch.int32,)
    expected = {
        **{
            f"counts.{k}": TensorOf(whole, ("nonzero",))
            for k in ("rows", "columns", "values")
        },
        "descriptors": TensorOf(double, (size, "kept")),
        "rows": TensorOf((torch.int64,), (size,)),
        "weights": TensorOf(double, (size,)),
        "known": TensorOf((torch.bool,), (size, columns)),
        "alpha": TensorOf(double, (size, columns)),
        "scaler.kept": TensorOf((torch.bool,), ("descriptors",)),
        **{
            f"scaler.{k}": TensorOf(double, ("kept",))
            for k in ("center", "scale", "low", "high")
        },
    }
    if "scaler.quantiles" in own:  # of normal scores
        expected["scaler.quantiles"] = TensorOf(double, ("quantiles", "kept"))
    check_tensors(own, expected)
    arrays = {name: tensor.numpy() for name, tensor in own.items()}
    scaler = _restore_scaler(arrays)
    if size > MAX_SUPPORT or (arrays["weights"] < 0).any():
        raise ValueError("the support molecules are damaged")
    features = MoleculeFeatures(_restore_counts(arrays, size), arrays["descriptors"])
    processes = tuple(
        GaussianProcess(p["mean"], alpha, p["noise"], p["signal"])
        for p, alpha in zip(
            description["processes"], arrays["alpha"].T.copy(), strict=True
        )
    )
    return Baseline(
        features,
        arrays["rows"],
        arrays["weights"],
        arrays["known"],
        scaler,
        MolecularKernel(*(description[name] for name in MolecularKernel._fields)),
        processes,
        _restore_triangles(own, arrays["known"]),
    )


def _restore_scaler(arrays: dict[str, np.ndarray]) -> Scaler:
    scaler = Scaler(
        **{k: arrays[f"scaler.{k}"] for k in Scaler._fields if f"scaler.{k}" in arrays}
    )
    whole = int(scaler.kept.sum()) == len(scaler.center) and (scaler.scale > 0).all()
    q = scaler.quantiles
    if q is not None:
        whole = whole and len(q) > 1 and (q[1:] >= q[:-1]).all()
    if not whole:
        raise ValueError("the scaling of the descriptors is damaged")
    return scaler


def _restore_counts(arrays: dict[str, np.ndarray], size: int) -> np.ndarray:
    rows, columns = arrays["counts.rows"], arrays["counts.columns"]
    values = arrays["counts.values"]
    check_rows("counts.rows", rows, size)
    check_rows("counts.columns", columns, NUM_COUNTS)
    if ((values < 1) | (values > np.iinfo(np.uint16).max)).any():
        raise ValueError("counts.values must be from 1 to 65,535")
    counts = np.zeros((size, NUM_COUNTS), np.uint16)
    counts[rows, columns] = values
    return counts


def _restore_triangles(own: Tensors, known: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the triangles of a process that is not exact; none of one that is."""
    if "triangle.0" not in own:
        return ()
    sizes = known.sum(axis=0).tolist()
    expected = {
        f"triangle.{k}": TensorOf((torch.float32,), (n, n)) for k, n in enumerate(sizes)
    }
    check_tensors(own, expected)
    return tuple(own[name].numpy() for name in expected)


def to_tensor(array: np.ndarray) -> torch.Tensor:
    """Return an array as a tensor in which a large number stands for NaN.

    A model file holds finite numbers only.
    """
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), MISSING, array)
    return torch.from_numpy(np.ascontiguousarray(array))


MISSING = 1e300
"""stands for NaN in a model file"""


def from_tensor(tensor: torch.Tensor) -> np.ndarray:
    """Return the array that `to_tensor` made a tensor of."""
    array = tensor.numpy()
    return np.where(array == MISSING, np.nan, array)


def restore_scales(
    tensors: Tensors, count: int, baseline: Baseline
) -> tuple[ErrorScale | None, ...]:
    """Return the scales of the errors of C columns; ValueError if they are damaged."""
    if not count:
        return ()
    width = len(baseline.scaler.center) + 1
    double = (torch.float64,)
    expected = {
        "error_scales.weights": TensorOf(double, (count, width)),
        "error_scales.limits": TensorOf(double, (count, 3)),
    }
    check_tensors(tensors, expected)
    weights, limits = (from_tensor(tensors[name]) for name in expected)
    return scales_from_arrays(weights, limits)
