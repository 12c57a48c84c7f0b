"""Fragments that a generator did not learn from, such as those of a user's core.

An open attachment point of a new fragment is taken for the average of the known ones on
atoms of its kind: their counts, and what the network knows of them. The network knows
nothing else of a new fragment, and samplers do not add it anywhere.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix

from vicinal.molecules.generation.grammar.vocabulary import Environment, Vocabulary
from vicinal.molecules.generation.model.counts import UNLIKELY, FragmentCounts
from vicinal.molecules.generation.model.network import FragmentNetwork


class Extended(NamedTuple):
    """Counts and a network of a larger vocabulary."""

    counts: FragmentCounts
    network: FragmentNetwork | None


def extend(
    counts: FragmentCounts, network: FragmentNetwork | None, fragments: Iterable[str]
) -> Extended:
    """Return counts and network that know further fragments.

    What the old vocabulary has keeps its counts and its weights.
    """
    old = counts.vocabulary
    known = set(old.fragments)
    added = [k for k in dict.fromkeys(fragments) if k not in known]
    if not added:
        return Extended(counts, network)
    new = Vocabulary([*old.fragments, *added])
    tokens = np.array([new.numbers[token] for token in old.tokens])
    contexts = _new_contexts(old, new, tokens)
    table, shape = coo_matrix(counts.counts), (new.num_contexts, len(new))
    values, rows, columns = [table.data], [contexts[table.row]], [tokens[table.col]]
    moved = csr_matrix((values[0], (rows[0], columns[0])), shape=shape)
    similar = _similar_contexts(new, contexts[:-1])
    for context, own in similar.items():
        mean = np.asarray(moved[own].mean(axis=0)).ravel()
        columns.append(np.flatnonzero(mean))
        values.append(mean[columns[-1]])
        rows.append(np.full(len(columns[-1]), context))
    entries = np.concatenate(rows), np.concatenate(columns)
    found = FragmentCounts(new, csr_matrix((np.concatenate(values), entries), shape))
    found.shares = np.full(new.num_joining, UNLIKELY)
    found.shares[tokens[: old.num_joining]] = counts.shares
    unlikely = np.full(len(added), np.log(UNLIKELY))
    found.log_first = np.concatenate([counts.log_first, unlikely])
    if network is None:
        return Extended(found, None)
    return Extended(found, _extend_network(network, new, tokens, contexts, similar))


def _new_contexts(old: Vocabulary, new: Vocabulary, tokens: np.ndarray) -> np.ndarray:
    """Return the new number [old contexts] of each context."""
    found = np.zeros(old.num_contexts, np.int64)
    width = old.contexts.shape[1]
    present = old.contexts >= 0
    found[old.contexts[present]] = new.contexts[tokens][:, :width][present]
    found[old.beginning] = new.beginning
    return found


def _similar_contexts(new: Vocabulary, known: np.ndarray) -> dict[int, np.ndarray]:
    """Return for each new context the known ones on atoms of its kind.

    Where there are none, those on atoms of its element, or all.
    """
    kinds = new.environments
    by_kind: dict[Environment, list[int]] = defaultdict(list)
    for context in known.tolist():
        kind = kinds[context]
        for length in range(len(kind) + 1):
            by_kind[kind[:length]].append(context)
    found = {}
    for context in sorted(set(range(new.beginning)) - set(known.tolist())):
        kind = kinds[context]
        while kind not in by_kind:
            kind = kind[:-1]
        found[context] = np.array(by_kind[kind])
    return found


@torch.no_grad()
def _extend_network(
    network: FragmentNetwork,
    new: Vocabulary,
    tokens: np.ndarray,
    contexts: np.ndarray,
    similar: dict[int, np.ndarray],
) -> FragmentNetwork:
    """Return a network with rows for new tokens, which are 0, and new contexts."""
    config = network.config._replace(
        tokens=len(new), joining=new.num_joining, contexts=new.num_contexts
    )
    with torch.device("meta"):  # its weights are those below
        found = FragmentNetwork(config)
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    joining = torch.from_numpy(tokens[: network.config.joining])
    rows = {
        "token.weight": (torch.from_numpy(tokens), len(new)),
        "point.weight": (torch.from_numpy(contexts), new.num_contexts),
        "output.weight": (joining, new.num_joining),
        "output.bias": (joining, new.num_joining),
    }
    for name, (at, count) in rows.items():
        own = weights[name]
        larger = own.new_zeros(count, *own.shape[1:])
        larger[at] = own
        weights[name] = larger
    for context, others in similar.items():
        points = weights["point.weight"]
        points[context] = points[torch.from_numpy(others)].mean(dim=0)
    found.load_state_dict(weights, assign=True)
    return found.eval()
