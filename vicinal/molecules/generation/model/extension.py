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
    entries = contexts[table.row], tokens[table.col]
    moved = csr_matrix((table.data, entries), shape)
    means = _context_means(new, contexts[:-1])
    found = FragmentCounts(new, csr_matrix(moved + means @ moved))
    found.shares = np.full(new.num_joining, UNLIKELY)
    found.shares[tokens[: old.num_joining]] = counts.shares
    unlikely = np.full(len(added), np.log(UNLIKELY))
    found.log_first = np.concatenate([counts.log_first, unlikely])
    if network is None:
        return Extended(found, None)
    return Extended(found, _extend_network(network, new, tokens, contexts, means))


def _new_contexts(old: Vocabulary, new: Vocabulary, tokens: np.ndarray) -> np.ndarray:
    """Return the new number [old contexts] of each context."""
    found = np.zeros(old.num_contexts, np.int64)
    width = old.contexts.shape[1]
    present = old.contexts >= 0
    found[old.contexts[present]] = new.contexts[tokens][:, :width][present]
    found[old.beginning] = new.beginning
    return found


def _context_means(new: Vocabulary, known: np.ndarray) -> csr_matrix:
    """Return [contexts, contexts], each new context as the mean of known ones.

    These are on atoms of its kind; where there are none, on atoms of its element, or
    all. Rows of known contexts are empty.
    """
    kinds = new.environments
    by_kind: dict[Environment, list[int]] = defaultdict(list)
    for context in known.tolist():
        kind = kinds[context]
        for length in range(len(kind) + 1):
            by_kind[kind[:length]].append(context)
    columns, lengths = [], np.zeros(new.num_contexts, np.int64)
    for context in sorted(set(range(new.beginning)) - set(known.tolist())):
        kind = kinds[context]
        while kind not in by_kind:
            kind = kind[:-1]
        columns += by_kind[kind]
        lengths[context] = len(by_kind[kind])
    shares = 1 / np.repeat(lengths, lengths)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    shape = new.num_contexts, new.num_contexts
    return csr_matrix((shares, np.array(columns, np.int64), starts), shape)


@torch.no_grad()
def _extend_network(
    network: FragmentNetwork,
    new: Vocabulary,
    tokens: np.ndarray,
    contexts: np.ndarray,
    means: csr_matrix,
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
    points = weights["point.weight"]
    points += torch.from_numpy(means @ points.double().numpy()).float()
    found.load_state_dict(weights, assign=True)
    return found.eval()
