"""The models of a blend as JSON and tensors."""

from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix

from vicinal.core.estimators.model_files import TensorOf, check_rows, check_tensors
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import Flag, Nullable, Number, Object
from vicinal.knowledge.recommendation.models.ease import Ease, ItemsSide, RowsSide
from vicinal.knowledge.recommendation.models.graph_filter import GraphFilter
from vicinal.knowledge.recommendation.models.item_knn import ItemKNN
from vicinal.knowledge.recommendation.models.item_model import ItemModel, Popularity
from vicinal.knowledge.recommendation.models.lightgcn import LightGCN

FLOATS = (torch.float32,)
COEFFICIENT = {"coefficient": Number()}
COMPONENTS = {
    "popularity": Object(COEFFICIENT),
    "item_knn": Object(COEFFICIENT),
    "graph_filter": Object({**COEFFICIENT, "alpha": Number(0)}),
    "ease": Object(
        {
            **COEFFICIENT,
            "damped": Flag(),
            "penalty": Nullable(Number(above=0)),
        }
    ),
    "lightgcn": Object(COEFFICIENT),
}
"""schemas of model.json by the kind of model"""


def component_files(model: ItemModel, name: str) -> tuple[dict[str, Any], Tensors]:
    """Return the description of a model, and its tensors `name.*`."""
    if isinstance(model, Popularity):
        return {"kind": "popularity"}, _tensors(name, {"counts": model.counts})
    if isinstance(model, ItemKNN):
        tensors = matrix_tensors(f"{name}.similarity", model.similarity)
        return {"kind": "item_knn"}, tensors
    if isinstance(model, GraphFilter):
        arrays = {"vectors": model.vectors, "root_counts": model.root_counts}
        tensors = _tensors(name, arrays) | matrix_tensors(f"{name}.rows", model.rows)
        return {"kind": "graph_filter", "alpha": model.alpha}, tensors
    if isinstance(model, LightGCN):
        return {"kind": "lightgcn"}, _tensors(name, model._asdict())
    if isinstance(model, Ease):
        return _ease_files(model, name)
    raise TypeError(f"{type(model).__name__} has no form in files")


def _ease_files(model: Ease, name: str) -> tuple[dict[str, Any], Tensors]:
    entry: dict[str, Any] = {"kind": "ease", "damped": model.damped}
    solution, tensors = model.solution, _tensors(name, {"scale": model.scale})
    if isinstance(solution, ItemsSide):
        arrays = {"weights": solution.weights, "active": solution.active}
        return {**entry, "penalty": None}, tensors | _tensors(name, arrays)
    arrays = {"inverse": solution.inverse, "diagonal": solution.diagonal}
    rows = matrix_tensors(f"{name}.rows", solution.rows)
    entry = {**entry, "penalty": solution.penalty}
    return entry, tensors | _tensors(name, arrays) | rows


def restore_component(
    entry: dict[str, Any], name: str, tensors: Tensors, size: tuple[int, int]
) -> ItemModel:
    """Return the model that `component_files` described; ValueError for a bad one.

    size: numbers of users and items.
    """
    num_users, num_items = size
    match entry["kind"]:
        case "popularity":
            (counts,) = _arrays(name, tensors, {"counts": (num_items,)})
            return Popularity(counts)
        case "item_knn":
            shape = num_items, num_items
            return ItemKNN(restore_matrix(f"{name}.similarity", tensors, shape))
        case "graph_filter":
            shapes = {"vectors": (num_items, "rank"), "root_counts": (num_items,)}
            vectors, roots = _arrays(name, tensors, shapes)
            if not (roots > 0).all():
                raise ValueError(f"{name}.root_counts must be above 0")
            rows = restore_matrix(f"{name}.rows", tensors, ("rows", num_items))
            return GraphFilter(rows, vectors, roots, entry["alpha"])
        case "lightgcn":
            shapes = {
                "users": (num_users, "features"),
                "own": (num_items, "features"),
                "items": (num_items, "features"),
            }
            return LightGCN(*_arrays(name, tensors, shapes))
    return _restore_ease(entry, name, tensors, num_items)


def _restore_ease(
    entry: dict[str, Any], name: str, tensors: Tensors, num_items: int
) -> Ease:
    (scale,) = _arrays(name, tensors, {"scale": (num_items,)})
    penalty = entry["penalty"]
    if penalty is None:
        expected = {f"{name}.active": TensorOf((torch.int64,), ("active",))}
        count = check_tensors(tensors, expected)["active"]
        active = tensors[f"{name}.active"].numpy()
        check_rows(f"{name}.active", active, num_items)
        if not count or not (np.diff(active) > 0).all():
            raise ValueError(f"{name}.active must be different items in order")
        (weights,) = _arrays(name, tensors, {"weights": (count, count)})
        return Ease(entry["damped"], scale, ItemsSide(weights, active))
    rows = restore_matrix(f"{name}.rows", tensors, ("rows", num_items))
    side = rows.get_shape()[0]
    shapes = {"inverse": (side, side), "diagonal": (num_items,)}
    inverse, diagonal = _arrays(name, tensors, shapes)
    if not (diagonal > 0).all():
        raise ValueError(f"{name}.diagonal must be above 0")
    return Ease(entry["damped"], scale, RowsSide(rows, inverse, diagonal, penalty))


# --- arrays --------------------------------------------------------------------------


def _tensors(name: str, arrays: dict[str, np.ndarray]) -> Tensors:
    return {
        f"{name}.{key}": torch.from_numpy(np.ascontiguousarray(array))
        for key, array in arrays.items()
    }


def _arrays(
    name: str, tensors: Tensors, shapes: dict[str, tuple[int | str, ...]]
) -> list[np.ndarray]:
    """Return float32 arrays `name.*` of some shapes; ValueError for others."""
    expected = {f"{name}.{k}": TensorOf(FLOATS, shape) for k, shape in shapes.items()}
    check_tensors(tensors, expected)
    return [tensors[key].numpy() for key in expected]


def matrix_tensors(name: str, matrix: csr_matrix) -> Tensors:
    """Return a sparse matrix as tensors `name.*`."""
    return {
        f"{name}.values": torch.from_numpy(matrix.data.astype(np.float32)),
        f"{name}.columns": torch.from_numpy(matrix.indices.astype(np.int64)),
        f"{name}.starts": torch.from_numpy(matrix.indptr.astype(np.int64)),
    }


def restore_matrix(
    name: str, tensors: Tensors, shape: tuple[int | str, int]
) -> csr_matrix:
    """Return the matrix that `matrix_tensors` stored; ValueError for another shape.

    shape: rows, of which a text stands for any number, and columns.
    """
    num_rows, num_columns = shape
    starts_shape = "starts" if isinstance(num_rows, str) else num_rows + 1
    expected = {
        f"{name}.values": TensorOf(FLOATS, ("entries",)),
        f"{name}.columns": TensorOf((torch.int64,), ("entries",)),
        f"{name}.starts": TensorOf((torch.int64,), (starts_shape,)),
    }
    check_tensors(tensors, expected)
    values, columns, starts = (tensors[key].numpy() for key in expected)
    check_rows(f"{name}.columns", columns, num_columns)
    rising = len(starts) > 0 and starts[0] == 0 and starts[-1] == len(columns)
    if not rising or (np.diff(starts) < 0).any():
        raise ValueError(f"the rows of {name} must be in order")
    return csr_matrix((values, columns, starts), shape=(len(starts) - 1, num_columns))
