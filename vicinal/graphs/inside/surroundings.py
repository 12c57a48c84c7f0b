"""What the first answer for a node is made of: which nodes, and how much each says.

Everything up to the last layer is linear in the features but for one division, by the
length of what was summed. So a logit is a sum over nodes u,

    logit_vk = b_k + sum over u of  C_vu x_u . W_k / |sum over u of C_vu x_u|

and where answers are evened out, the probability is one as well,

    p_vk = sum over u of  S_vu q_uk / sum over u and k of S_vu q_uk

with q_u what is said of u, or its label where that is known. C and S are rows of linear
maps, found as their slopes; the parts are held against the model's own answer.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.errors import SettingError
from vicinal.graphs.first_answer import FirstAnswer, Known, known_rows
from vicinal.graphs.inside.computation_tree import row_of
from vicinal.graphs.layers.gcn import smoothed
from vicinal.graphs.propagation import STEPS, spread

if TYPE_CHECKING:
    from vicinal.graphs.node_model import NodeModel


class Part(NamedTuple):
    """What one node says."""

    node: int
    """its row"""

    share: float
    """how much it counts, 0 to 1, all together 1"""

    says: np.ndarray
    """[K] for each class: what it adds to the probability, or to the logit"""

    known: bool
    """whether its label is known"""


@dataclass(frozen=True)
class Surroundings:
    """The answer for one node, taken apart."""

    node: int
    parts: list[Part]
    """the largest first"""

    rest: np.ndarray
    """[K] what no node says: the bias of the layer; 0 where answers are evened out"""

    computed: np.ndarray
    given: np.ndarray
    """[K] probabilities, or logits where nothing is evened out: of the parts, and the
    model's before calibration"""

    what: str
    """probability or logit"""

    @property
    def off(self) -> float:
        """The largest difference between the two."""
        return float(np.abs(self.computed - self.given).max())


def surroundings(first: FirstAnswer, known: Known, node: int) -> Surroundings:
    """The first answer for a node, as a sum over nodes."""
    if first.objective.kind == "single_label" and first.evened:
        return _evened(first, known, node)
    if first.evened:
        raise SettingError(
            "Answers that were evened out are taken apart for one class a node."
        )
    return _layer(first, known, node)


def _evened(first: FirstAnswer, known: Known, node: int) -> Surroundings:
    """Which nodes the probability is a mean of."""
    beta, k = first.evened, first.objective.outputs
    marked = torch.from_numpy(known.marked)
    said = known_rows(known, first.objective) * marked[:, None]  # labels alone
    if first.view != "labels":
        plain = first.head.logits(first.seen(known).numpy()).softmax(dim=1)
        said = said.where(marked[:, None], plain)

    def steps(z: Tensor) -> Tensor:
        return spread(z, known.graph, 1 - beta, STEPS, known.weight)

    rows, share = row_of(steps, known.graph, node)
    if first.view == "labels":  # who has no label says nothing
        rows, share = rows[marked[rows]], share[marked[rows]]
    total = share.sum().clamp(min=1e-12)
    parts = (share[:, None] * said[rows] / total).numpy()
    given = first.logits(known)[node].softmax(dim=0).numpy()
    return _told(
        node,
        rows,
        share / total,
        parts,
        known,
        np.zeros(k),
        given,
        "probability",
    )


def _layer(first: FirstAnswer, known: Known, node: int) -> Surroundings:
    """Which nodes the logits are a sum of."""
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
    parts = torch.stack([found[int(row)][1] for row in rows]).numpy()
    given = first.head.logits(first.seen(known).numpy())[node].numpy()
    total = share.sum().clamp(min=1e-12)
    bias = np.asarray(first.head.bias)
    return _told(node, rows, share / total, parts, known, bias, given, "logit")


def _maps(view: str, known: Known):
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
    known: Known,
    rest: np.ndarray,
    given: np.ndarray,
    what: str,
) -> Surroundings:
    order = np.argsort(-share.numpy(), kind="stable")
    parts = [
        Part(int(rows[k]), float(share[k]), says[k], bool(known.marked[int(rows[k])]))
        for k in order
    ]
    return Surroundings(node, parts, rest, says.sum(axis=0) + rest, given, what)


def of_model(model: "NodeModel", name: str) -> Surroundings:
    """The first answer of a model for a node by its name."""
    (row,) = model._rows([name], model.graph_)
    return surroundings(model.first_, model.known_, int(row))
