"""model.json and model.safetensors of a fitted model of interactions."""

from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix

from vicinal.core.estimators.estimator import DESCRIPTION
from vicinal.core.estimators.model_files import (
    TensorOf,
    check_rows,
    check_tensors,
    decode_names,
    encode_names,
    network_tensors,
    restore_network,
)
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import (
    Flag,
    Integer,
    ListOf,
    MapOf,
    Number,
    Object,
    Text,
)
from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.evaluation.cells import Cells
from vicinal.interactions.evaluation.splits import SITUATIONS
from vicinal.interactions.fitting import SituationResult
from vicinal.interactions.models.closed_form import (
    DrugRegression,
    EffectRegression,
    ProfileRegression,
)
from vicinal.interactions.models.combination import Combination, CombinationConfig
from vicinal.interactions.models.scores import COLUMNS, PairScores
from vicinal.interactions.pair_effects import PairEffects

MAX_HIDDEN = 1024
UNDEFINED = -1.0
KINDS = ("structure", "targets", "single_effects")
SCHEMA = Object(
    {
        **DESCRIPTION,
        "ordered": Flag(),
        "features": ListOf(Text()),
        "combinations": ListOf(
            Object(
                {
                    "situation": Text(),
                    "kinds": ListOf(Text()),
                    "hidden": Integer(0, MAX_HIDDEN),
                }
            )
        ),
        "set_scores": MapOf(Number(0, 1)),
        "results": ListOf(
            Object(
                {
                    "situation": Text(),
                    "kinds": ListOf(Text()),
                    "negatives": Text(),
                    "models": ListOf(Text()),
                    "calibration_error": Number(0, 1),
                    "comparisons": MapOf(ListOf(Integer(), 2, 2)),
                }
            )
        ),
    },
    more=True,
)
"""schema of model.json"""

NAMES = ("drugs", "effects", "single_effects", "proteins")


def to_files(model: Any) -> tuple[dict[str, Any], Tensors]:
    """Return what model.json and model.safetensors hold of a `FittedInteractions`."""
    scores = model.scores
    known = scores.pair_effects
    smiles = ["" if text is None else text for text in model.smiles]
    tensors = {name: encode_names(getattr(model, name)) for name in NAMES}
    tensors |= {"smiles": encode_names(smiles), "codes": _tensor(known.codes)}
    tensors |= _matrix_tensors("table", known.table)
    for name in model.features.names:
        tensors |= _matrix_tensors(name, model.features.kind(name))
    edges = model.features.protein_edges
    tensors["protein_edges"] = _tensor(
        np.zeros((0, 2), np.int64) if edges is None else edges.astype(np.int64)
    )
    arrays = {
        "spread": np.ones((3, known.num_effects), np.float32)
        if scores.spread is None
        else scores.spread,
        "effect_weights": scores.effects.weights,
        **dict(zip(PROFILE, scores.profiles.weights, strict=True)),
    }
    tensors |= {name: _tensor(array) for name, array in arrays.items()}
    for name, own in zip(DRUGS, scores.drugs.weights, strict=True):
        if name == DRUGS[0] or known.ordered:
            tensors[name] = own.clone()
    combinations = []
    for number, (key, combination) in enumerate(model.combinations.items()):
        hidden = combination.config.hidden
        entry = {"situation": key[0], "kinds": list(key[1]), "hidden": hidden}
        combinations.append(entry)
        tensors |= network_tensors(combination, f"combination{number}")
    results = [
        _describe_result(result, number, tensors)
        for number, result in enumerate(model.results)
    ]
    description = {
        "ordered": known.ordered,
        "features": model.features.names,
        "combinations": combinations,
        "results": results,
        "set_scores": model.set_scores,
    }
    return description, tensors


def _describe_result(
    result: SituationResult, number: int, tensors: Tensors
) -> dict[str, Any]:
    """Return the scores of one situation for JSON, and add its cells to the tensors."""
    own = {
        "scores": np.stack(list(result.scores.values())).astype(np.float64),
        "pairs": result.cells.pairs.astype(np.int32),
        "effects": result.cells.effects.astype(np.int32),
        "truth": result.cells.truth.astype(np.uint8),
        "logits": result.logits.astype(np.float32),
    }
    # the score of an effect without negatives is not defined
    own["scores"] = np.nan_to_num(own["scores"], nan=UNDEFINED)
    tensors |= {f"result{number}.{name}": _tensor(a) for name, a in own.items()}
    return {
        "situation": result.situation,
        "kinds": list(result.kinds),
        "negatives": result.negatives,
        "models": list(result.scores),
        "calibration_error": result.calibration_error,
        "comparisons": {k: list(own) for k, own in result.comparisons.items()},
    }


def _restore_results(
    description: dict[str, Any], tensors: Tensors, known: PairEffects
) -> list[SituationResult]:
    found = []
    for number, entry in enumerate(description["results"]):
        name, models = f"result{number}", entry["models"]
        expected = {
            f"{name}.scores": TensorOf((torch.float64,), (len(models), "effects", 3)),
            f"{name}.pairs": TensorOf((torch.int32,), ("cells", 2)),
            f"{name}.effects": TensorOf((torch.int32,), ("cells",)),
            f"{name}.truth": TensorOf((torch.uint8,), ("cells",)),
            f"{name}.logits": TensorOf((torch.float32,), ("cells",)),
        }
        check_tensors(tensors, expected)
        scores, pairs, effects, truth, logits = (tensors[k].numpy() for k in expected)
        check_rows(f"{name}.pairs", pairs, known.num_drugs)
        check_rows(f"{name}.effects", effects, known.num_effects)
        scores = np.where(scores == UNDEFINED, np.nan, scores)
        found.append(
            SituationResult(
                entry["situation"],
                tuple(entry["kinds"]),
                entry["negatives"],
                Cells(pairs, effects, truth > 0),
                logits,
                dict(zip(models, scores, strict=True)),
                entry["calibration_error"],
                {name: (own[0], own[1]) for name, own in entry["comparisons"].items()},
            )
        )
    return found


PROFILE = ("known_weights", "predicted_weights", "new_weights")
DRUGS = ("first_weights", "second_weights")


def from_files(description: dict[str, Any], tensors: Tensors) -> dict[str, Any]:
    """Return the fields of a fitted model; ValueError for files that do not fit."""
    names = {name: decode_names(name, tensors) for name in NAMES}
    names = {
        name: own if tensors[name].numel() else own[:0] for name, own in names.items()
    }
    smiles = [str(text) or None for text in decode_names("smiles", tensors)]
    num_drugs, num_effects = len(names["drugs"]), len(names["effects"])
    if len(smiles) != num_drugs:
        raise ValueError("smiles must be as many as drugs")
    known = _restore_pairs(tensors, num_drugs, num_effects, description["ordered"])
    features = _restore_features(description, tensors, names)
    return {
        **names,
        "smiles": smiles,
        "features": features,
        "scores": _restore_scores(tensors, known),
        "combinations": _restore_combinations(description, tensors),
        "results": _restore_results(description, tensors, known),
        "set_scores": description["set_scores"],
    }


def _restore_pairs(
    tensors: Tensors, num_drugs: int, num_effects: int, ordered: bool
) -> PairEffects:
    expected = {"codes": TensorOf((torch.int64,), ("pairs",))}
    pairs = check_tensors(tensors, expected)["pairs"]
    codes = tensors["codes"].numpy()
    check_rows("codes", codes, num_drugs**2)
    first, second = np.divmod(codes, max(num_drugs, 1))
    valid = (np.diff(codes) > 0).all() and (first != second).all()
    if not valid or (not ordered and (first > second).any()):
        raise ValueError("codes must be those of different pairs, in ascending order")
    table = _restore_matrix("table", tensors, (pairs, num_effects))
    if not len(codes) or (table.data != 1).any():
        raise ValueError("table must have a pair, and ones only")
    return PairEffects(num_drugs, num_effects, codes, table, ordered)


def _restore_features(
    description: dict[str, Any], tensors: Tensors, names: dict[str, np.ndarray]
) -> DrugFeatures:
    widths = {"targets": len(names["proteins"])}
    widths["single_effects"] = len(names["single_effects"])
    found = {}
    for name in description["features"]:
        if name not in KINDS:
            raise ValueError(f"there are no features {name!r}")
        shape = len(names["drugs"]), widths.get(name, "bits")
        found[name] = _restore_matrix(name, tensors, shape)
    check_tensors(tensors, {"protein_edges": TensorOf((torch.int64,), ("edges", 2))})
    edges = tensors["protein_edges"].numpy()
    check_rows("protein_edges", edges, len(names["proteins"]))
    return DrugFeatures(
        len(names["drugs"]), protein_edges=edges if len(edges) else None, **found
    )


def _restore_scores(tensors: Tensors, known: PairEffects) -> PairScores:
    drugs, effects = known.num_drugs, known.num_effects
    floats = (torch.float32,)
    square = TensorOf(floats, (effects, effects))
    sides = DRUGS if known.ordered else DRUGS[:1]
    expected = {
        "spread": TensorOf(floats, (3, effects)),
        "effect_weights": square,
        **dict.fromkeys(PROFILE, square),
        **dict.fromkeys(sides, TensorOf(floats, (drugs, drugs))),
    }
    check_tensors(tensors, expected)
    spread = tensors["spread"].numpy()
    if (spread <= 0).any():
        raise ValueError("spread must be above 0")
    weights = [tensors[name].clone() for name in sides]
    regression = DrugRegression(known, (weights[0], weights[-1]))
    own, beside, alone = (tensors[name].numpy() for name in PROFILE)
    profiles = ProfileRegression(regression, (own, beside, alone))
    by_effect = EffectRegression(known, tensors["effect_weights"].numpy())
    return PairScores(by_effect, regression, profiles, spread)


def _restore_combinations(
    description: dict[str, Any], tensors: Tensors
) -> dict[Any, Combination]:
    found = {}
    for number, entry in enumerate(description["combinations"]):
        if entry["situation"] not in SITUATIONS:
            raise ValueError(f"there is no situation {entry['situation']!r}")
        config = CombinationConfig(len(COLUMNS), entry["hidden"])
        key = entry["situation"], tuple(entry["kinds"])
        found[key] = restore_network(
            lambda config=config: Combination(config), tensors, f"combination{number}"
        )
        if not (found[key].scale > 0).all():
            raise ValueError("scale must be above 0")
    return found


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _matrix_tensors(name: str, matrix: csr_matrix) -> Tensors:
    """Return a sparse matrix as tensors `name.*`."""
    return {
        f"{name}.values": _tensor(matrix.data.astype(np.float32)),
        f"{name}.columns": _tensor(matrix.indices.astype(np.int64)),
        f"{name}.starts": _tensor(matrix.indptr.astype(np.int64)),
        f"{name}.width": torch.tensor(matrix.get_shape()[1:]),
    }


def _restore_matrix(
    name: str, tensors: Tensors, shape: tuple[int, int | str]
) -> csr_matrix:
    """Return the matrix that `_matrix_tensors` stored; ValueError for another shape."""
    expected = {
        f"{name}.values": TensorOf((torch.float32,), ("entries",)),
        f"{name}.columns": TensorOf((torch.int64,), ("entries",)),
        f"{name}.starts": TensorOf((torch.int64,), (shape[0] + 1,)),
        f"{name}.width": TensorOf((torch.int64,), (1,)),
    }
    check_tensors(tensors, expected)
    values, columns, starts, width = (tensors[key].numpy() for key in expected)
    size = int(width[0])
    if isinstance(shape[1], int) and size != shape[1]:
        raise ValueError(f"{name} must have {shape[1]} columns. Got {size} instead")
    check_rows(f"{name}.columns", columns, size)
    rising = starts[0] == 0 and starts[-1] == len(columns)
    if not rising or (np.diff(starts) < 0).any():
        raise ValueError(f"the rows of {name} must be in order")
    return csr_matrix((values, columns, starts), shape=(shape[0], size))
