"""What the first answer for a node is made of: which nodes, and how much each says.

Everything up to the last layer is linear in the features but for one division, by the
length of what was summed. So a logit is a sum over nodes u,

    logit_vk = b_k + sum over u of  C_vu x_u . W_k / |sum over u of C_vu x_u|

and where answers are evened out, the probability is one as well,

    p_vk = sum over u of  S_vu q_uk / sum over u and k of S_vu q_uk

with q_u what is said of u, or its label where that is known; of several labels a node
each has a p of its own, and nothing is divided. A number that is evened out is what is
said of v, and what known nodes u correct of that, S_vu (y_u - what is said of u). C and
S are rows of linear maps, found as their slopes; the parts are held against the model's
own answer.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.graphs.inspect.messages import row_of
from vicinal.graphs.layers.gcn import smoothed
from vicinal.graphs.nodes.labelled_graph import LabelledGraph, known_rows
from vicinal.graphs.nodes.propagated_features import PropagatedLinearModel
from vicinal.graphs.nodes.propagation import STEPS, spread

if TYPE_CHECKING:
    from vicinal.graphs.node_model import NodeModel


class Part(NamedTuple):
    """What one node says."""

    node: int
    """its row"""

    share: float
    """how much it counts, 0 to 1, all together 1"""

    says: np.ndarray
    """[K] for each class: what it adds to the probability, or to the logit; [1] to the
    number"""

    known: bool
    """whether its label is known"""


@dataclass(frozen=True)
class Contributions:
    """The answer for one node, taken apart."""

    node: int
    parts: list[Part]
    """the largest first"""

    rest: np.ndarray
    """[K] what no other node says: the bias of the layer; 0 where probabilities are
    evened out; of a number that is, what the layer says of the node itself"""

    computed: np.ndarray
    given: np.ndarray
    """[K] probabilities, or logits where nothing is evened out, or the number: of the
    parts, and the model's before calibration"""

    what: str
    """probability, logit or number"""

    @property
    def off(self) -> float:
        """The largest difference between the two."""
        return float(np.abs(self.computed - self.given).max())


def surroundings(
    first: PropagatedLinearModel, known: LabelledGraph, node: int
) -> Contributions:
    """The first answer for a node, as a sum over nodes."""
    if not first.correct_and_smooth:
        return _layer(first, known, node)
    if first.objective.kind == "numeric" and first.view != "labels":
        return _corrected(first, known, node)
    return _evened(first, known, node)


def seen_features(
    first: PropagatedLinearModel, known: LabelledGraph, node: int
) -> np.ndarray:
    """What each feature, as it is seen of a node, adds to each logit, [F, K], or to the
    number [F, 1]; of labels alone nothing [0, K].

    With the bias of the layer they sum to what it says of the node, before that is
    evened out.
    """
    if first.view == "labels":
        return np.zeros((0, first.objective.outputs))
    z, weights = first.seen(known)[node].numpy(), first.head.weights
    width = known.x.shape[1]
    adds = (z[:, None] * weights).reshape(-1, width, weights.shape[1])
    return adds.sum(axis=0) * _units(first.objective)[0]


def _units(objective: Objective) -> tuple[float, float]:
    """What a logit is multiplied by, and what is added, to be in the target's unit."""
    if objective.kind != "numeric":
        return 1.0, 0.0
    return getattr(objective, "std", 1.0), getattr(objective, "mean", 0.0)


def _evened(
    first: PropagatedLinearModel, known: LabelledGraph, node: int
) -> Contributions:
    """Which nodes the probability is a mean of, or the number of labels alone."""
    beta, objective = first.correct_and_smooth, first.objective
    train_mask = torch.from_numpy(known.train_mask)
    said = known_rows(known, first.objective) * train_mask[:, None]  # labels alone
    if first.view != "labels":
        plain = first.head.logits(first.seen(known).numpy())
        one = objective.kind == "single_label"
        plain = plain.softmax(dim=1) if one else plain.sigmoid()
        said = said.where(train_mask[:, None], plain)
    rows, share = _shares(beta, known, node)
    if first.view == "labels":  # who has no label says nothing
        rows, share = rows[train_mask[rows]], share[train_mask[rows]]
    total = share.sum().clamp(min=1e-12)
    several = objective.kind == "multi_label" and first.view != "labels"
    scale, offset = _units(objective)
    parts = (scale * share[:, None] * said[rows] / (1 if several else total)).numpy()
    logits = first.logits(known)[node]
    if objective.kind == "numeric":
        given, what = scale * logits.numpy() + offset, "number"
    else:
        one = objective.kind == "single_label"
        given = (logits.softmax(dim=0) if one else logits.sigmoid()).numpy()
        what = "probability"
    rest = np.full(objective.outputs, offset)
    if not len(rows):  # no label is near: it says the mean of all
        rest = given
    return _told(node, rows, share / total, parts, known, rest, given, what)


def _corrected(
    first: PropagatedLinearModel, known: LabelledGraph, node: int
) -> Contributions:
    """How known nodes correct the number that is said of a node."""
    scale, offset = _units(first.objective)
    train_mask = torch.from_numpy(known.train_mask)
    plain = first.head.logits(first.seen(known).numpy())
    rows, share = _shares(first.correct_and_smooth, known, node)
    rows, share = rows[train_mask[rows]], share[train_mask[rows]]
    error = known_rows(known, first.objective)[rows] - plain[rows]
    parts = (scale * share[:, None] * error).numpy()
    rest = scale * plain[node].numpy() + offset
    given = scale * first.logits(known)[node].numpy() + offset
    total = share.sum().clamp(min=1e-12)
    return _told(node, rows, share / total, parts, known, rest, given, "number")


def _shares(beta: float, known: LabelledGraph, node: int) -> tuple[Tensor, Tensor]:
    """The nodes that a spread brings to one, and how much of each."""

    def steps(z: Tensor) -> Tensor:
        return spread(z, known.graph, 1 - beta, STEPS, known.weight)

    return row_of(steps, known.graph, node)


def _layer(
    first: PropagatedLinearModel, known: LabelledGraph, node: int
) -> Contributions:
    """Which nodes the logits, or the number, are a sum of."""
    scaled, offset = _units(first.objective)
    weights = torch.from_numpy(first.head.weights)
    width, found = known.x.shape[1], {}
    for block, (steps, scale) in enumerate(_maps(first.view, known)):
        rows, c = row_of(steps, known.graph, node)
        summed = (c[:, None] * known.x[rows]).sum(dim=0)
        length = summed.norm().clamp(min=1e-12)
        w = weights[block * width : (block + 1) * width]
        says = scale * c[:, None] * (known.x[rows] @ w) / length
        for row, share, part in zip(rows.tolist(), c.tolist(), says, strict=True):
            before = found.get(row, (0.0, torch.zeros(w.shape[1])))
            found[row] = (before[0] + abs(share), before[1] + part)
    rows = torch.tensor(list(found))
    share = torch.tensor([found[int(row)][0] for row in rows])
    parts = scaled * torch.stack([found[int(row)][1] for row in rows]).numpy()
    given = first.head.logits(first.seen(known).numpy())[node].numpy()
    total = share.sum().clamp(min=1e-12)
    bias = scaled * np.asarray(first.head.bias) + offset
    what = "number" if first.objective.kind == "numeric" else "logit"
    given = scaled * given + offset
    return _told(node, rows, share / total, parts, known, bias, given, what)


def _maps(view: str, known: LabelledGraph):
    """The linear maps of a view, and what each part of it is multiplied by."""
    graph, weight = known.graph, known.weight

    def powers(count: int):
        def steps(z: Tensor) -> Tensor:
            for _ in range(count):
                z = smoothed(z, graph, weight)
            return z

        return steps

    if view == "features":
        return [(powers(0), 1.0)]
    if view == "near":
        return [(powers(2), 1.0)]
    if view == "spread":
        return [(lambda z: spread(z, graph, 0.1, 10, weight), 1.0)]
    return [(powers(count), 0.5) for count in range(4)]


def _told(
    node: int,
    rows: Tensor,
    share: Tensor,
    says: np.ndarray,
    known: LabelledGraph,
    rest: np.ndarray,
    given: np.ndarray,
    what: str,
) -> Contributions:
    order = np.argsort(-share.numpy(), kind="stable")
    parts = [
        Part(
            int(rows[k]), float(share[k]), says[k], bool(known.train_mask[int(rows[k])])
        )
        for k in order
    ]
    return Contributions(node, parts, rest, says.sum(axis=0) + rest, given, what)


def of_model(model: "NodeModel", name: str) -> Contributions:
    """The first answer of a model for a node by its name."""
    (row,) = model._rows([name], model.graph_)
    return surroundings(model.linear_, model.known_, int(row))
