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
from scipy.sparse import csr_matrix, vstack

from vicinal.molecules.generation.grammar.vocabulary import Environment, Vocabulary
from vicinal.molecules.generation.model.counts import UNLIKELY, FragmentCounts
from vicinal.molecules.generation.model.network import FragmentNetwork


class Extended(NamedTuple):
    """Counts and a network of a larger vocabulary."""

    counts: FragmentCounts
    network: FragmentNetwork | None


class NewContexts(NamedTuple):
    """Contexts that a larger vocabulary has besides the old ones, by kind of atom."""

    numbers: np.ndarray
    """[N] of the new contexts"""

    kinds: np.ndarray
    """[N] the kind of each, an index of `similar`"""

    similar: list[np.ndarray]
    """numbers that the known contexts of each kind had before"""


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
    similar = _similar_contexts(old, new, contexts)
    found = _extend_counts(counts, new, tokens, contexts, similar)
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


def _similar_contexts(
    old: Vocabulary, new: Vocabulary, contexts: np.ndarray
) -> NewContexts:
    """Return the new contexts with the known ones on atoms of their kind.

    Where there are none, those whose atoms agree in the first properties, or all.
    """
    known = old.environments[:-1]
    by_kind: dict[Environment, list[int]] = defaultdict(list)
    for context, kind in enumerate(known):
        by_kind[kind].append(context)
    is_new = np.ones(new.num_contexts, bool)
    is_new[contexts] = False
    numbers = np.flatnonzero(is_new)
    wanted = [new.environments[context] for context in numbers]
    places = {kind: number for number, kind in enumerate(dict.fromkeys(wanted))}
    kinds = np.array([places[kind] for kind in wanted], np.int64)
    similar = [by_kind.get(kind) or _others_like(kind, known) for kind in places]
    return NewContexts(numbers, kinds, [np.array(own) for own in similar])


def _others_like(kind: Environment, known: list[Environment]) -> list[int]:
    """Return the contexts that have most in common with a kind that is not known."""
    for length in range(len(kind) - 1, 0, -1):
        start = kind[:length]
        found = [k for k, other in enumerate(known) if other[:length] == start]
        if found:
            return found
    return list(range(len(known)))


def _extend_counts(
    counts: FragmentCounts,
    new: Vocabulary,
    tokens: np.ndarray,
    contexts: np.ndarray,
    similar: NewContexts,
) -> FragmentCounts:
    """Return counts of more tokens and contexts; new ones of a kind share a row."""
    old, table = counts.vocabulary, counts.counts
    columns = tokens[table.indices]
    moved = csr_matrix(
        (table.data, columns, table.indptr), (len(counts.totals), len(new))
    )
    means = _averages([counts.rows[own] for own in similar.similar], moved)
    rows = np.empty(new.num_contexts, np.int64)
    rows[contexts] = counts.rows
    rows[similar.numbers] = len(counts.totals) + similar.kinds
    found = FragmentCounts(new, csr_matrix(vstack([moved, means])), rows)
    found.shares = np.full(new.num_joining, UNLIKELY)
    found.shares[tokens[: old.num_joining]] = counts.shares
    unlikely = np.full(len(new.fragments) - len(old.fragments), np.log(UNLIKELY))
    found.log_first = np.concatenate([counts.log_first, unlikely])
    return found


def _averages(groups: list[np.ndarray], table: csr_matrix) -> csr_matrix:
    """Return the mean of the rows of each group; a row may occur several times."""
    sizes = np.array([len(rows) for rows in groups], np.int64)
    rows = np.concatenate([np.empty(0, np.int64), *groups])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    weights = np.repeat(1 / sizes, sizes)
    average = csr_matrix((weights, rows, starts), (len(groups), len(table.indptr) - 1))
    return csr_matrix(average @ table)


@torch.no_grad()
def _extend_network(
    network: FragmentNetwork,
    new: Vocabulary,
    tokens: np.ndarray,
    contexts: np.ndarray,
    similar: NewContexts,
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
    points = network.point.weight
    if len(similar.numbers):
        groups = [points[torch.from_numpy(own)] for own in similar.similar]
        means = torch.stack([group.mean(dim=0) for group in groups])
        new_rows = torch.from_numpy(similar.numbers)
        weights["point.weight"][new_rows] = means[torch.from_numpy(similar.kinds)]
    found.load_state_dict(weights, assign=True)
    return found.eval()
