"""Breakdowns as lines of text, and as JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vicinal.core.text import class_label
from vicinal.graphs.inspect.decoder import PairBreakdown
from vicinal.graphs.inspect.messages import LayerBreakdown
from vicinal.graphs.inspect.readout import READOUTS, GraphBreakdown

MAX_LISTED = 10
"""terms that are listed in text; JSON has them all"""


def layer_lines(layer: LayerBreakdown, ids: Any, name: str) -> Iterator[str]:
    """Yield the messages of a layer at node `name`, the longest first."""
    yield f"{layer.layer} ({layer.kind}) at {name}, error {layer.max_error:.1e}:"
    messages = sorted(layer.messages, key=lambda m: -float(abs(m.vector).sum()))
    for message in messages[:MAX_LISTED]:
        neighbor, length = ids[message.source], np.linalg.norm(message.vector)
        yield (
            f"  {neighbor:<20} coefficient {message.coefficient:.4f}, "
            f"message length {length:.4f}"
        )
    if len(messages) > MAX_LISTED:
        yield f"  ... and {len(messages) - MAX_LISTED:,} more"
    own, output = np.linalg.norm(layer.own_term), np.linalg.norm(layer.output)
    yield f"  own term: length {own:.4f}; output: length {output:.4f}"


def layer_to_dict(layer: LayerBreakdown, ids: Any) -> dict[str, Any]:
    """Return a layer's messages as JSON."""
    messages = [
        {
            "source": ids[message.source],
            "coefficient": message.coefficient,
            "vector": message.vector.tolist(),
        }
        for message in layer.messages
    ]
    return {
        "layer": layer.layer,
        "kind": layer.kind,
        "max_error": layer.max_error,
        "messages": messages,
        "own_term": layer.own_term.tolist(),
        "output": layer.output.tolist(),
    }


def graph_lines(
    found: GraphBreakdown, ids: Any, name: str, target: str | None
) -> Iterator[str]:
    """Yield a graph's score as the sum over layers and readouts, and over nodes."""
    what = "score"
    if target is not None:
        what = f"score of {class_label(target)}, relative to the mean of the classes"
    yield f"{name}: {what} {found.score:+.4f} = bias {found.bias:+.4f} and"
    yield "  layer      " + "".join(f"{readout:>12}" for readout in READOUTS)
    for number, terms in enumerate(found.readouts):
        yield f"  layers.{number:<4}" + "".join(f"{term:+12.4f}" for term in terms)
    yield "by nodes, the largest terms first:"
    order, terms = _largest_first(found.nodes.sum(axis=0))
    for row in order[:MAX_LISTED]:
        yield f"  {ids[row]:<20} {terms[row]:+.4f}"
    if len(order) > MAX_LISTED:
        yield f"  ... and {len(order) - MAX_LISTED:,} more"
    yield f"error of the sum: {found.max_error:.1e}"


def graph_to_dict(found: GraphBreakdown, ids: Any) -> dict[str, Any]:
    """Return a graph's breakdown as JSON."""
    order, terms = _largest_first(found.nodes.sum(axis=0))
    return {
        "score": found.score,
        "bias": found.bias,
        "max_error": found.max_error,
        "readouts": [
            dict(zip(READOUTS, layer.tolist(), strict=True)) for layer in found.readouts
        ],
        "nodes": [
            {"id": ids[row], "term": float(terms[row]), "by_layer": own.tolist()}
            for row, own in zip(order, found.nodes.T[order], strict=True)
        ],
    }


def pair_lines(found: PairBreakdown, pair: Sequence[str], unit: str) -> Iterator[str]:
    """Yield a pair's score as the sum of its terms.

    pair: (source, target) or (source, relation, target). unit: "dimension" or, of an
    MLP decoder, "unit".
    """
    yield f"{' - '.join(pair)}: score {found.score:+.4f} = bias {found.bias:+.4f} and"
    order, terms = _largest_first(found.terms)
    for i in order[:MAX_LISTED]:
        ends = ""
        if unit == "dimension":
            u, v = found.embeddings[:, i]
            ends = f"   (embeddings {u:+.4f}, {v:+.4f})"
        yield f"  {unit} {i:<4} {terms[i]:+.4f}{ends}"
    if len(order) > MAX_LISTED:
        rest = float(terms[order[MAX_LISTED:]].sum())
        yield f"  {len(order) - MAX_LISTED} more, together {rest:+.4f}"
    yield f"error of the sum: {found.max_error:.1e}"


def pair_to_dict(found: PairBreakdown) -> dict[str, Any]:
    """Return a pair's breakdown as JSON."""
    return {
        "score": found.score,
        "bias": found.bias,
        "max_error": found.max_error,
        "terms": found.terms.tolist(),
    }


def _largest_first(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.argsort(-np.abs(terms), kind="stable"), terms
