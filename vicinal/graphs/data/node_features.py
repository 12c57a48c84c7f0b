"""FeatureEncoder: node features of any kind as a float32 matrix [N, F].

======================  =============================================================
column of               is encoded as
======================  =============================================================
0 and 1, true, false    itself
numbers                 (value - mean) / standard deviation of the training graph
dates (2015-04-13)      the same, of their days since 1970
few different texts     one-hot columns; so are digits with leading zeros (02139)
several texts (a|b)     a column of 0 and 1 for each
other texts             nothing: free text is ignored, with a note
missing cells           0, and an indicator column
20 or more columns of   a bag of words if most are 0: each row is divided by its sum
0 and 1
matrix, mostly 0        a bag of words: each row is divided by its sum
matrix, other           standardised columns
======================  =============================================================

The encoder is saved with the model and encodes new nodes the same way; a category that
was not in the training graph is 0 in all its columns.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.graphs.data.column_encoder import (
    ColumnEncoder,
    encoder_of_column,
    parse_value,
)
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.memmap import MatrixAllocator

FEWEST_WORDS = 20
"""number of columns of 0 and 1 from which on they may be a bag of words"""

SPARSE_FRACTION = 0.5
"""fraction of zeros from which on nonnegative values are a bag of words"""

MOST_COLUMNS_SHOWN = 8
ROWS_PER_CHUNK = 1 << 16
SAMPLED_ROWS = 200
"""rows that decide whether columns of 0 and 1 are sparse"""


def allocate_in_memory(rows: int, columns: int) -> np.ndarray:
    """Return an uninitialised float32 matrix."""
    return np.empty((rows, columns), np.float32)


@dataclass(frozen=True)
class FeatureEncoder:
    """The encoding of node features, learned from the training graph."""

    kind: Literal["table", "bag_of_words", "numeric", "none", "unchanged"]
    """table: a DataFrame; bag_of_words and numeric: a matrix; unchanged: a matrix that
    is already encoded"""

    columns: tuple[ColumnEncoder, ...] = ()
    """of a table"""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """of the columns of a numeric matrix"""

    width: int = 0
    """number of columns of a matrix"""

    normalize_binary: bool = False
    """divide the binary columns of a table by their sum in each row"""

    @classmethod
    def from_features(cls, features: Any) -> tuple["FeatureEncoder", list[str]]:
        """Return the encoder for these features, and notes on what is ignored."""
        if features is None or features.shape[1] == 0:
            return cls("none"), []
        if hasattr(features, "columns"):
            return _encoder_of_table(features)
        return _encoder_of_matrix(features)

    def transform(
        self,
        features: Any,
        num_nodes: int,
        allocate: MatrixAllocator = allocate_in_memory,
        unit: str = "node",
    ) -> np.ndarray:
        """Encode features: [num_nodes, F] float32; DataError for missing columns.

        allocate: makes the result if the features are a matrix. unit: what the rows
        are, for messages.
        """
        if self.kind == "none":
            return np.zeros((num_nodes, 0), np.float32)
        if features is None and not num_nodes:  # graphs without an edge
            return np.zeros((0, self.num_features), np.float32)
        if self.kind == "table":
            return self._transform_table(features, num_nodes, unit)
        if features is None or features.shape[1] != self.width:
            got = "none" if features is None else str(features.shape[1])
            raise DataError(
                f"The features of {unit}s must have {self.width} columns, as in "
                f"training. Got "
                f"{got}. Add the missing columns."
            )
        x = allocate(num_nodes, self.width)
        for rows, chunk, _ in _chunks(features):
            x[rows] = self._transform_chunk(chunk)
        return x

    def _transform_chunk(self, chunk: np.ndarray) -> np.ndarray:
        if self.kind == "unchanged":
            return chunk
        if self.kind == "bag_of_words":
            total = np.abs(chunk).sum(axis=1, keepdims=True)
            return chunk / np.where(total > 0, total, 1)
        mean, std = (np.array(values, np.float32) for values in (self.mean, self.std))
        return (chunk - mean) / std

    def _transform_table(
        self, features: Any, num_nodes: int, unit: str = "node"
    ) -> np.ndarray:
        self._check_columns(features, unit)
        if not self.columns or features is None:
            return np.zeros((num_nodes, 0), np.float32)
        parts = [c.transform(features[c.name].tolist()) for c in self.columns]
        x = np.concatenate(parts, axis=1)
        if self.normalize_binary:
            binary = [c.kind == "binary" for c in self.columns for _ in range(c.width)]
            total = x[:, binary].sum(axis=1, keepdims=True)
            x[:, binary] /= np.where(total > 0, total, 1)
        return x

    def _check_columns(self, features: Any, unit: str = "node") -> None:
        """Raise DataError if a table lacks a column of the training graph."""
        given = [str(name) for name in getattr(features, "columns", ())]
        missing = [c.name for c in self.columns if c.name not in given]
        if missing:
            raise DataError(
                f"The {unit}s must have the column {missing[0]!r}, as in training. Got "
                f"{', '.join(given) or 'no columns'}. Add it; its cells may be empty."
            )

    def describe_unreadable(self, features: Any) -> list[str]:
        """Describe the cells of a table that cannot be encoded, one line per column."""
        if self.kind != "table" or features is None:
            return []
        self._check_columns(features)
        lines = (c.describe_unreadable(features[c.name].tolist()) for c in self.columns)
        return [line for line in lines if line]

    @property
    def num_features(self) -> int:
        """Return the number F of encoded columns."""
        if self.kind == "table":
            return sum(column.width for column in self.columns)
        return self.width

    def feature_names(self) -> list[str]:
        """Return the names of the F encoded columns."""
        if self.kind == "table":
            return [name for column in self.columns for name in column.feature_names]
        return [str(k) for k in range(self.width)]

    def __str__(self) -> str:
        if self.kind == "none":
            return "no features"
        encodings = {"bag_of_words": "bag of words", "numeric": "standardised"}
        if self.kind in encodings:
            return f"{self.width:,} features, {encodings[self.kind]}"
        width = sum(column.width for column in self.columns)
        text = (
            f"{pluralize(len(self.columns), 'column')}, {pluralize(width, 'feature')}"
        )
        text += ", bag of words" if self.normalize_binary else ""
        shown = ", ".join(map(str, self.columns[:MOST_COLUMNS_SHOWN]))
        more = ", ..." if len(self.columns) > MOST_COLUMNS_SHOWN else ""
        return f"{text} ({shown}{more})" if shown else text

    def to_dict(self) -> dict[str, Any]:
        """Return the encoder as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "FeatureEncoder":
        """Return the encoder that `to_dict` described."""
        columns = tuple(
            ColumnEncoder(**column | {"categories": tuple(column["categories"])})
            for column in values["columns"]
        )
        mean, std = (tuple(values[key]) for key in ("mean", "std"))
        return cls(**values | {"columns": columns, "mean": mean, "std": std})


def _encoder_of_table(frame: Any) -> tuple[FeatureEncoder, list[str]]:
    columns, notes = [], []
    for name in frame.columns:
        column, note = encoder_of_column(str(name), frame[name].tolist())
        notes += [note] if note else []
        columns += [column] if column is not None else []
    binary = [column.name for column in columns if column.kind == "binary"]
    is_bag = _is_bag_of_words(frame, binary)
    return FeatureEncoder("table", tuple(columns), normalize_binary=is_bag), notes


def _is_bag_of_words(frame: Any, binary: list[str]) -> bool:
    """Return True if there are many binary columns, most of them 0."""
    if len(binary) < FEWEST_WORDS:
        return False
    known = {str(name): name for name in frame.columns}
    ones = sum(
        parse_value(cell) == 1.0
        for name in binary
        for cell in frame[known[name]].tolist()[:SAMPLED_ROWS]
    )
    cells = len(binary) * min(len(frame), SAMPLED_ROWS)
    return ones <= (1 - SPARSE_FRACTION) * cells


def _encoder_of_matrix(features: Any) -> tuple[FeatureEncoder, list[str]]:
    """Return the encoder of a matrix [N, F], which is read twice, in chunks."""
    num_nodes, width = features.shape
    num_bad = num_zeros = 0
    minimum, total = 0.0, np.zeros(width)
    for _, chunk, bad in _chunks(features):
        num_bad, num_zeros = num_bad + bad, num_zeros + int((chunk == 0).sum())
        minimum = min(minimum, float(chunk.min(initial=0)))
        total += chunk.sum(axis=0, dtype=float)
    notes = []
    if num_bad:
        notes.append(f"{num_bad:,} feature values are not finite and are set to 0")
    if num_zeros >= SPARSE_FRACTION * num_nodes * width and minimum >= 0:
        return FeatureEncoder("bag_of_words", width=width), notes
    mean, squares = total / max(num_nodes, 1), np.zeros(width)
    for _, chunk, _ in _chunks(features):
        squares += np.square(chunk - mean).sum(axis=0)
    std = np.sqrt(squares / max(num_nodes, 1))
    std = np.where(std > 1e-6, std, 1.0)
    moments = tuple(mean.tolist()), tuple(std.tolist())
    return FeatureEncoder("numeric", (), *moments, width), notes


def _chunks(features: Any) -> Iterator[tuple[slice, np.ndarray, int]]:
    """Yield chunks of rows as float32, and how many of their values were not finite.

    Those are replaced by 0.
    """
    matrix = features.tocsr() if hasattr(features, "tocsr") else features
    for begin in range(0, features.shape[0], ROWS_PER_CHUNK):
        rows = slice(begin, min(begin + ROWS_PER_CHUNK, features.shape[0]))
        chunk = matrix[rows]
        chunk = chunk.toarray() if hasattr(chunk, "toarray") else chunk
        chunk = np.asarray(chunk, dtype=np.float32)
        bad = ~np.isfinite(chunk)
        yield rows, np.where(bad, np.float32(0), chunk), int(bad.sum())


def degree_features(graph: Adjacency) -> Tensor:
    """Return [1, log(1 + in-degree), log(1 + out-degree)] of each node, [N, 3].

    For graphs without node features; propagation (`nodes.propagated_features`) adds the
    degrees of neighbours.
    """
    incoming = graph.incoming.degrees.float().log1p()
    outgoing = graph.outgoing.degrees.float().log1p()
    return torch.stack([torch.ones_like(incoming), incoming, outgoing], dim=1)


def features_or_degrees(features: Tensor, graph: Adjacency) -> Tensor:
    """Return the features [N, F], or degree features [N, 3] if there are none."""
    return features if features.shape[1] else degree_features(graph)
