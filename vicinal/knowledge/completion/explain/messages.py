"""The messages of a path network that reach an answer in its last step.

Their sum s, vectors of d numbers, is the input of the last update (`path_network`). The
share of a message m is  m . s / s . s,  so that all shares add up to 1.
"""

from typing import NamedTuple

import numpy as np
import torch

from vicinal.core.text import one_line, pluralize
from vicinal.knowledge.answering.names import GraphNames
from vicinal.knowledge.models.path_edges import EntityEdges, PathQuestions, path_layers
from vicinal.knowledge.models.path_network import PathNetwork
from vicinal.knowledge.models.path_reranker import CANDIDATES


class Message(NamedTuple):
    """A message along the edge (source, relation, answer)."""

    source: int
    relation: int
    """directed"""

    share: float


class Messages(NamedTuple):
    """The messages that reach an answer, the largest share first."""

    messages: list[Message]
    from_question: float
    """share of the vector of the question, where the answer is its head; otherwise 0"""

    logit: float
    """score of the answer by the network"""


@torch.inference_mode()
def last_messages(
    network: PathNetwork, edges: EntityEdges, head: int, relation: int, tail: int
) -> Messages:
    """Return what reaches the tail of a question in the last step.

    The edge of a known fact is left out, as where it is scored.
    """
    asked = PathQuestions(np.array([head]), np.array([relation]))
    is_known = tail in edges.graph.answers(asked.heads, asked.relations)[1]
    asked = asked._replace(hidden=np.array([tail]) if is_known else None)
    *layers, last = path_layers(edges, asked, network.num_layers, np.array([tail]))
    z = network.questions[[relation]]
    state, _ = network.states(z, layers, edges.degrees)
    weights = network.edge_weights(len(layers), z).flatten(0, 1)
    sources = torch.from_numpy(last.sources).long()
    kinds = torch.from_numpy(last.kinds).long()
    messages = state[sources] * weights[kinds]
    own = z[0] if head == tail else torch.zeros(network.dim)
    total = messages.sum(dim=0) + own
    square = float(total @ total) or 1.0
    shares = (messages @ total / square).tolist()
    before = layers[-1].pairs if layers else np.array([head])
    found = map(Message, before[last.sources].tolist(), last.kinds.tolist(), shares)
    new = torch.zeros(1, network.dim)
    if len(last.pairs):  # otherwise no path leads to the tail
        degrees = torch.tensor([[float(edges.degrees[tail])]])
        previous = state[torch.from_numpy(last.previous).long()]
        new = network.update(len(layers), previous, total[None], degrees)
    counts = edges.answer_counts(asked.relations, np.array([[tail]])) - is_known
    counts = torch.from_numpy(counts).float().flatten()
    logit = network.score(new, torch.tensor([relation]), counts)
    return Messages(
        sorted(found, key=lambda message: -message.share),
        float(own @ total) / square,
        float(logit),
    )


def message_lines(
    names: GraphNames, found: Messages, tail: str, by_network: float, top: int
) -> list[str]:
    """Return the messages as lines of text, the largest first; the rest is one sum."""
    lines = [
        f"path network: {pluralize(len(found.messages), 'message')} reach "
        f"{one_line(tail)} in the last step, shares of their sum"
    ]
    for source, relation, share in found.messages[:top]:
        text = f"{names.show_entity(source)}, {names.show_relation(relation)}"
        lines.append(f"  {share:.6f}  {one_line(text)}")
    if rest := found.messages[top:]:
        lines.append(f"  {sum(each.share for each in rest):.6f}  {len(rest):,} more")
    if found.from_question:
        lines.append(f"  {found.from_question:.6f}  the question itself")
    suffix = f", {by_network:.6f} above the least of the best {CANDIDATES:,} answers"
    if not by_network:
        suffix = f"; it adds 0 beyond the best {CANDIDATES:,} answers, and to the least"
    return [*lines, f"  score of the network {found.logit:.6f}{suffix}"]
