"""Many molecules that grow side by side, each from what it has already."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.settings import is_number
from vicinal.errors import SettingError
from vicinal.molecules.generation.grammar.assembly import join_tokens
from vicinal.molecules.generation.grammar.growth import Growth
from vicinal.molecules.generation.grammar.vocabulary import Sequences
from vicinal.molecules.generation.model.counts import UNLIKELY, FragmentCounts
from vicinal.molecules.generation.model.incremental_encoder import (
    IncrementalEncoder,
)
from vicinal.molecules.generation.model.network import FragmentNetwork

GROWN_TOGETHER = 512
TEMPERATURES = 1e-3, 1e3
"""lowest and highest"""


def check_temperature(value: Any) -> None:
    """Raise SettingError for a temperature that is none."""
    low, high = TEMPERATURES
    if not (is_number(value) and low <= value <= high):
        raise SettingError(
            f"temperature must be from {low:g} to {high:g}. Got {value!r} instead."
        )


class Limits(NamedTuple):
    """Sizes from which only fragments without a further attachment point are added.

    Those that close the last open points may exceed them.
    """

    fragments: int = 24
    atoms: int = 60
    """heavy atoms"""


class PartialMolecules:
    """B molecules that grow, and the open attachment points of each as a stack."""

    def __init__(self, growths: Sequence[Growth], counts: FragmentCounts) -> None:
        """growths: what is there already; their open points are filled."""
        self.vocabulary = vocabulary = counts.vocabulary
        num, width = len(growths), max(len(growth.tokens) for growth in growths)
        self.lengths = np.array([len(growth.tokens) for growth in growths], np.int64)
        self.tokens, self.parents, self.sites = np.zeros((3, num, width), np.int64)
        stacks = []
        for row, growth in enumerate(growths):
            own = len(growth.tokens)
            self.tokens[row, :own] = [vocabulary.numbers[t] for t in growth.tokens]
            self.parents[row, :own] = growth.parents
            self.sites[row, :own] = growth.sites
            taken = set(zip(growth.parents, growth.sites, strict=True))
            points = [
                (position, site)
                for position, token in enumerate(self.tokens[row, :own])
                for site in reversed(range(vocabulary.num_sites[token]))
            ]
            stacks.append([point for point in points if point not in taken])
        self.num_open = np.array([len(own) for own in stacks], np.int64)
        self.open = np.zeros((num, max(self.num_open), 2), np.int64)
        for row, own in enumerate(stacks):
            self.open[row, : len(own)] = np.reshape(own, (-1, 2))
        present = np.arange(width) < self.lengths[:, None]
        self.atoms = (vocabulary.num_atoms[self.tokens] * present).sum(axis=1)

    def take_points(self) -> np.ndarray:
        """Take the last open point of each molecule that has one; return these rows.

        It is written behind the molecule, as that of a token still to be chosen.
        """
        rows = np.flatnonzero(self.num_open)
        if len(rows) and self.lengths[rows].max() == self.tokens.shape[1]:
            more = ((0, 0), (0, 8))
            self.tokens = np.pad(self.tokens, more)
            self.parents, self.sites = (
                np.pad(self.parents, more),
                np.pad(self.sites, more),
            )
        self.num_open[rows] -= 1
        point = self.open[rows, self.num_open[rows]]
        self.parents[rows, self.lengths[rows]] = point[:, 0]
        self.sites[rows, self.lengths[rows]] = point[:, 1]
        return rows

    def add(self, rows: np.ndarray, tokens: np.ndarray) -> None:
        """Put tokens [R] at the points that were taken, and open their own points."""
        position = self.lengths[rows]
        self.tokens[rows, position] = tokens
        self.lengths[rows] += 1
        self.atoms[rows] += self.vocabulary.num_atoms[tokens]
        new = self.vocabulary.num_sites[tokens]
        room = int((self.num_open[rows] + new).max(initial=0)) - self.open.shape[1]
        if room > 0:
            self.open = np.pad(self.open, ((0, 0), (0, room), (0, 0)))
        for site in reversed(range(int(new.max(initial=0)))):
            has = new > site
            own = rows[has]
            self.open[own, self.num_open[own], 0] = position[has]
            self.open[own, self.num_open[own], 1] = site
            self.num_open[own] += 1

    def sequences(self, rows: np.ndarray) -> Sequences:
        """Return some molecules with the point that was taken, as sequences."""
        lengths = self.lengths[rows] + 1
        present = np.arange(self.tokens.shape[1]) < lengths[:, None]
        return Sequences(
            lengths,
            self.tokens[rows][present],
            self.parents[rows][present],
            self.sites[rows][present],
            self.vocabulary,
        )

    def growth(self, row: int) -> Growth:
        """Return a molecule."""
        own = int(self.lengths[row])
        names = self.vocabulary.tokens
        return Growth(
            [names[token] for token in self.tokens[row, :own]],
            self.parents[row, :own].tolist(),
            self.sites[row, :own].tolist(),
        )


class Sampler:
    """Draws molecules from the counts, corrected by a network if there is one."""

    def __init__(
        self,
        counts: FragmentCounts,
        network: FragmentNetwork | None = None,
        temperature: float = 1.0,
        limits: Limits | None = None,
    ) -> None:
        """temperature: divides the logits; below 1 likely fragments are preferred.

        Fragments of an extended vocabulary (`extend`) are never added.
        """
        check_temperature(temperature)
        self.counts, self.network = counts, network
        self.temperature, self.limits = temperature, limits or Limits()
        joining = counts.vocabulary.num_joining
        self.ends = torch.from_numpy(counts.vocabulary.num_sites[:joining] == 0)
        """[joining tokens] those without a further attachment point"""

        seen = np.asarray(counts.counts.sum(axis=0)).ravel()[:joining] > 0
        self.blocked = torch.from_numpy((counts.shares <= UNLIKELY) & ~seen)
        """[joining tokens] those of fragments that were never counted"""

    def begin(self, count: int, generator: torch.Generator) -> list[Growth]:
        """Draw the first fragments of molecules."""
        first = torch.from_numpy(self.counts.log_first)
        shares = torch.softmax(first / self.temperature, dim=0)
        drawn = torch.multinomial(shares, count, replacement=True, generator=generator)
        names = self.counts.vocabulary.fragments
        return [Growth([names[k]], [-1], [-1]) for k in drawn.tolist()]

    @torch.inference_mode()
    def grow(
        self, growths: Sequence[Growth], generator: torch.Generator, rest: int = 0
    ) -> list[Growth]:
        """Fill all open attachment points.

        rest: molecules that may stay unfinished, those that need the most steps: steps
        with few molecules take nearly as long as those with many.
        """
        partial, encoder = PartialMolecules(growths, self.counts), self.begin_encoding()
        while len(rows := partial.take_points()) > rest:
            logits = self.logits(partial, rows, encoder)
            logits -= logits.max(dim=1, keepdim=True).values
            logits /= self.temperature
            full = (
                partial.lengths[rows] + partial.num_open[rows] >= self.limits.fragments
            )
            full |= partial.atoms[rows] >= self.limits.atoms
            closed = torch.from_numpy(full)[:, None] & ~self.ends | self.blocked
            drawn = _draw(logits.masked_fill(closed, -torch.inf), generator)
            partial.add(rows, drawn.numpy())
        return [partial.growth(row) for row in range(len(growths))]

    def begin_encoding(self) -> IncrementalEncoder | None:
        """Return what encodes molecules step by step; None without a network."""
        if self.network is None:
            return None
        return IncrementalEncoder(self.network.eval(), self.counts.vocabulary)

    def logits(
        self,
        partial: PartialMolecules,
        rows: np.ndarray,
        encoder: IncrementalEncoder | None,
    ) -> Tensor:
        """Return log P [R, joining tokens] at the points that were taken, not summed
        to 1.

        encoder: has encoded the steps before.
        """
        sequences = partial.sequences(rows)
        contexts = sequences.contexts[sequences.starts[1:] - 1]
        prior = torch.from_numpy(self.counts.log_probabilities(contexts))
        if self.network is None or encoder is None:
            return prior
        return self.network.correct(encoder.queries(rows, sequences), prior)

    def sample(self, count: int, generator: torch.Generator) -> list[str]:
        """Return SMILES of new molecules, not canonical, perhaps repeated."""
        found: list[str] = []
        while len(found) < count:
            size = min(GROWN_TOGETHER, count - len(found))
            grown = self.grow(self.begin(size, generator), generator)
            found += [join_tokens(*growth) for growth in grown]
        return found


def _draw(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Draw an index [R] for each row of logits, by the largest with Gumbel noise.

    C. Maddison et al.: A* Sampling, 2014, section 2.
    """
    uniform = torch.rand(logits.shape, generator=generator).clamp(1e-20, 1 - 1e-7)
    return (logits - (-uniform.log()).log()).argmax(dim=1)
