"""Schema of the feature encoder in a model file."""

from typing import Any

from vicinal.core.storage.schema import (
    Integer,
    ListOf,
    Number,
    Object,
    schema_of_dataclass,
)
from vicinal.graphs.data.column_encoder import LARGEST
from vicinal.graphs.data.node_features import ColumnEncoder, FeatureEncoder

FIRST_FIELDS = "name", "kind", "mean", "std", "categories", "missing_indicator"
"""of a column, which every version has written; others have defaults"""

MEAN, STD = Number(-LARGEST, LARGEST), Number(1e-60, LARGEST)
"""of a column: its numbers are finite as float32"""

_FIELDS = {
    **schema_of_dataclass(ColumnEncoder).optional,
    "mean": MEAN,
    "std": STD,
}
COLUMN = Object({name: _FIELDS[name] for name in FIRST_FIELDS}, _FIELDS)
ENCODER = Object(
    {
        **schema_of_dataclass(FeatureEncoder).optional,
        "columns": ListOf(COLUMN),
        "mean": ListOf(MEAN),
        "std": ListOf(STD),
        "width": Integer(),
    }
)
"""schema of what `FeatureEncoder.to_dict` returns"""


def read_encoder(values: dict[str, Any]) -> FeatureEncoder:
    """Return the encoder of a model file, of the schema ENCODER.

    ValueError for lengths that do not fit each other.
    """
    width = values["width"] if values["kind"] == "numeric" else 0
    if not len(values["mean"]) == len(values["std"]) == width:
        raise ValueError(f"mean and std of features must have the length {width}")
    return FeatureEncoder.from_dict(values)


def num_features(encoder: FeatureEncoder) -> int:
    """Return the number F of encoded columns."""
    return encoder.num_features
