"""Reading of interactions, drugs and proteins into an `InteractionTable`."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from vicinal.core.data.labels import quote_names
from vicinal.core.data.quarantine import Quarantined, describe_row
from vicinal.core.text import pluralize
from vicinal.errors import DataError, SettingError
from vicinal.interactions.data.cells import BLANK, NameIndex
from vicinal.interactions.data.columns import (
    EXPECTED,
    find_interaction_columns,
)
from vicinal.interactions.data.drug_table import (
    DrugTable,
    Names,
    no_drugs,
    read_drugs,
    read_proteins,
)
from vicinal.interactions.data.facts import (
    Facts,
    OrderCounts,
    count_orders,
    facts_of_rows,
    remove_conflicts,
)
from vicinal.interactions.data.interaction_rows import InteractionRows, read_rows
from vicinal.interactions.data.interaction_table import InteractionTable
from vicinal.interactions.data.tables import open_table
from vicinal.interactions.settings import InteractionColumns

Ordered = Literal["auto", "yes", "no"]
"""whether the order of the drugs of a pair matters; auto: decided by the data"""

FIRST_REASONS = 3
"""quarantined rows that an error names"""


class KnownFacts(NamedTuple):
    """The facts of a table of interactions, each once."""

    singles: Facts
    pairs: Facts
    sets: Facts
    ordered: bool
    quarantined: list[Quarantined]
    notes: list[str]

    @property
    def drugs(self) -> np.ndarray:
        """Return the numbers of all drugs."""
        kinds = (self.singles, self.pairs, self.sets)
        drugs = np.unique(np.concatenate([kind.drugs.ravel() for kind in kinds]))
        return drugs[drugs != BLANK]


def read_interactions(
    data: Any,
    drugs: Any = None,
    proteins: Any = None,
    columns: InteractionColumns | None = None,
    ordered: Ordered = "auto",
) -> InteractionTable:
    """Return the known effects of pairs and sets of drugs.

    data: path of a CSV, TSV or Parquet file, or a DataFrame; rows of two or more drugs
    and their effect, or of a set of drugs and its effects. drugs: a table of the same
    kind with id, smiles, targets and effects (of the drug alone). proteins: one with
    pairs of proteins. columns: those that the user named. ordered: whether a pair in
    the other order is another pair. Raises DataError if nothing can be used.
    """
    if ordered not in ("auto", "yes", "no"):
        raise SettingError(f"ordered must be auto, yes or no. Got {ordered!r} instead.")
    table = open_table(data, EXPECTED)
    roles = find_interaction_columns(table.names, columns or InteractionColumns())
    rows = read_rows(table, roles)
    known = known_facts(rows, ordered)
    names = Names(rows.drugs, rows.effects, NameIndex())
    own = no_drugs() if drugs is None else read_drugs(drugs, names, known.drugs)
    edges, quarantined = np.zeros((0, 2), np.int32), known.quarantined + own.quarantined
    notes = [*rows.notes, *known.notes, *own.notes]
    if proteins is not None:
        own_proteins = read_proteins(proteins, names.proteins)
        edges, quarantined = own_proteins.edges, quarantined + own_proteins.quarantined
        notes += own_proteins.notes
    notes += _spelling_notes(names.effects)
    return _Numbering(known, own, names, edges).table(len(rows), quarantined, notes)


# --- facts ---------------------------------------------------------------------------


def known_facts(rows: InteractionRows, ordered: Ordered) -> KnownFacts:
    """Return the facts of all usable rows; DataError if there are none."""
    usable, quarantined = rows.check()
    singles, pairs, sets = facts_of_rows(rows.rows, rows.parts, usable)
    matters, order_note = _decide_order(pairs, rows.rows.labels, ordered)
    kinds, notes = [singles, pairs if matters else pairs.without_order(), sets], []
    if rows.rows.labels is not None:
        kinds, conflicting = _without_conflicts(kinds, rows.rows.labels)
        reason = "the same effect is given with the labels 1 and 0"
        quarantined += [rows.quarantined(row, reason) for row in conflicting.tolist()]
        usable[conflicting] = False
        if num_negative := int((rows.rows.labels[usable] == 0).sum()):
            count = pluralize(num_negative, "row")
            notes.append(f"{count} with the label 0 not used: only known effects are")
    given = sum(len(kind.rows) for kind in kinds)
    if not given:
        raise DataError(_describe_nothing(len(rows), quarantined))
    singles, pairs, sets = (kind.unique() for kind in kinds)
    if repeated := given - sum(len(kind.rows) for kind in (singles, pairs, sets)):
        count = pluralize(repeated, "repeated row")
        also = "" if matters else ", in either order of the drugs"
        notes.append(f"{count} of the same drugs and effect{also}; each is used once")
    return KnownFacts(singles, pairs, sets, matters, quarantined, [*notes, order_note])


def _without_conflicts(
    kinds: list[Facts], labels: np.ndarray
) -> tuple[list[Facts], np.ndarray]:
    """Return the facts whose label is 1, and the rows that contradict others."""
    kept, conflicting = list[Facts](), [np.zeros(0, np.int64)]
    for facts in kinds:
        positive, rows = remove_conflicts(facts, labels)
        kept.append(positive)
        conflicting.append(rows)
    return kept, np.concatenate(conflicting)


def _decide_order(
    pairs: Facts, labels: np.ndarray | None, ordered: Ordered
) -> tuple[bool, str]:
    """Return whether the order of the drugs matters, and a note that says why."""
    if labels is not None:
        pairs = pairs.take(np.flatnonzero(labels[pairs.rows] == 1))
    counts = count_orders(pairs)
    matters = counts.order_matters if ordered == "auto" else ordered == "yes"
    return matters, _describe_order(counts, ordered, matters)


def _describe_order(counts: OrderCounts, ordered: Ordered, matters: bool) -> str:
    """Return what was decided about the order of the drugs, and why."""
    decided = "matters" if matters else "does not matter"
    if ordered != "auto":
        return f"the order of the drugs {decided} (--ordered {ordered})"
    reversed_pairs = pluralize(counts.reversed_pairs, "pair")
    verb = "is" if counts.reversed_pairs == 1 else "are"
    other = "no" if matters else "yes"
    return (
        f"the order of the drugs {decided}: {reversed_pairs} {verb} given in both "
        f"orders, {counts.differing:,} of them with mostly different effects "
        f"(--ordered {other} overrides this)"
    )


def _describe_nothing(num_rows: int, quarantined: list[Quarantined]) -> str:
    shown = "; ".join(map(describe_row, quarantined[:FIRST_REASONS]))
    first = f"The first reasons: {shown}." if shown else "All have the label 0."
    return f"None of {pluralize(num_rows, 'row')} of interactions is usable. {first}"


# --- numbers of the table ------------------------------------------------------------


class _Numbering:
    """Numbers drugs, effects and proteins in the ascending order of their names."""

    def __init__(
        self, known: KnownFacts, own: DrugTable, names: Names, edges: np.ndarray
    ) -> None:
        self.known, self.own = known, own
        used = np.union1d(known.drugs, own.drugs)
        self.drugs, self.drug_rows = _sort_names(names.drugs, used)
        used = np.union1d(known.pairs.effects, known.sets.effects)
        self.effects, self.effect_rows = _sort_names(names.effects, used)
        single = np.stack([known.singles.drugs[0], known.singles.effects], axis=1)
        self.single_codes = np.unique(np.concatenate([single, own.singles]), axis=0)
        used = np.unique(self.single_codes[:, 1])
        self.single_effects, self.single_rows = _sort_names(names.effects, used)
        used = np.union1d(own.targets[:, 1], edges)
        self.proteins, self.protein_rows = _sort_names(names.proteins, used)
        self.edges = edges

    def table(
        self, num_rows: int, quarantined: list[Quarantined], notes: list[str]
    ) -> InteractionTable:
        """Return everything by the new numbers."""
        pairs, pair_effects = self._pairs()
        sets, set_effects = self._sets()
        edges = np.sort(self.protein_rows[self.edges], axis=1)
        return InteractionTable(
            drugs=self.drugs,
            effects=self.effects,
            ordered=self.known.ordered,
            pairs=pairs,
            pair_effects=pair_effects,
            singles=_renumber(self.single_codes, self.drug_rows, self.single_rows),
            single_effects=self.single_effects,
            sets=sets,
            set_effects=set_effects,
            smiles=self._smiles(),
            targets=_renumber(self.own.targets, self.drug_rows, self.protein_rows),
            proteins=self.proteins,
            protein_edges=_ascending(edges),
            num_rows=num_rows,
            quarantined=quarantined,
            notes=[*notes, *self._drug_notes()],
        )

    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        facts = self.known.pairs
        pairs = self.drug_rows[facts.drugs].T
        if not self.known.ordered:
            pairs = np.sort(pairs, axis=1)
        effects = self.effect_rows[facts.effects]
        order = np.lexsort((effects, pairs[:, 1], pairs[:, 0]))
        return pairs[order], effects[order]

    def _sets(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        effects_of = dict[tuple[int, ...], set[int]]()
        effects = self.effect_rows[self.known.sets.effects].tolist()
        drugs = self.known.sets.drugs.T
        for codes, effect in zip(drugs, effects, strict=True):
            rows = np.sort(self.drug_rows[codes[codes != BLANK]])
            effects_of.setdefault(tuple(rows.tolist()), set()).add(effect)
        sets = sorted(effects_of, key=lambda rows: (len(rows), rows))
        return sets, [tuple(sorted(effects_of[rows])) for rows in sets]

    def _smiles(self) -> list[str | None]:
        smiles: list[str | None] = [None] * len(self.drugs)
        for code, text in self.own.smiles.items():
            smiles[self.drug_rows[code]] = text
        return smiles

    def _drug_notes(self) -> Iterator[str]:
        num_drugs, num_known = len(self.drugs), len(self.own.smiles)
        if self.own.has_structures and num_known < num_drugs:
            count = pluralize(num_drugs, "drug")
            yield f"{num_drugs - num_known:,} of {count} without a readable structure"
        groups = dict[str, list[str]]()
        for name in self.drugs:
            groups.setdefault(name.casefold(), []).append(name)
        similar = [
            name for names in groups.values() if len(names) > 1 for name in names
        ]
        if similar:
            yield (
                f"drugs whose names differ only in case: {quote_names(similar)}; they "
                "are different drugs here; rename one if they are the same"
            )


def _sort_names(index: NameIndex, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the used names in ascending order, and the row of each number; else -1."""
    used = np.asarray(used, np.int64)
    order = used[sorted(range(len(used)), key=lambda k: index.names[used[k]])]
    names = np.array([index.names[k] for k in order], object)
    rows = np.full(len(index), -1, np.int32)
    rows[order] = np.arange(len(order))
    return names, rows


def _renumber(codes: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return pairs [N, 2] of codes by the rows of their names, in ascending order."""
    return _ascending(np.stack([first[codes[:, 0]], second[codes[:, 1]]], axis=1))


def _ascending(pairs: np.ndarray) -> np.ndarray:
    """Return pairs [N, 2], sorted by the first and the second column."""
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _spelling_notes(effects: NameIndex) -> Iterator[str]:
    if effects.merged:
        count = pluralize(len(effects.merged), "spelling")
        yield (
            f"{count} of effects that differ from others only in case or spaces read "
            f"as one: {quote_names(effects.merged)}"
        )
