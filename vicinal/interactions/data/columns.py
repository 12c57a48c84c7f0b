"""Columns of tables of interactions, drugs and proteins, found by their names."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from vicinal.core.data.csv_tables import named_column
from vicinal.core.data.labels import quote_names
from vicinal.errors import DataError
from vicinal.interactions.settings import InteractionColumns
from vicinal.molecules.data.columns import letters

EXPECTED = "drug_1,drug_2,effect or drugs,effects"

DRUG_STEMS = (
    *("drug", "drugs", "compound", "medication", "medicine", "stitch", "chemical"),
    *("drugbank", "ddinterid", "ddinter", "rxnorm", "rxcui", "cid", "pubchem", "id"),
    *(
        "ingredient",
        "substance",
        "component",
        "agent",
        "node",
        "x",
        "entity",
        "molecule",
    ),
)
DRUG_COLUMN = re.compile(
    rf"(?P<stem>{'|'.join(DRUG_STEMS)})(?P<before>id|name|cid)?"
    r"(?P<place>[1-9]|[12]\d|30|[a-e])"
    r"(?P<after>(?:concept|generic|rxnorm|rxnorn|drugbank|stitch|pubchem)?"
    r"(?:id|name|cid|code))?"
)
"""names in lower case without marks, such as drug1, druganame and stitch2"""

ENDS = {
    "head": "tail",
    "source": "target",
    "src": "dst",
    "from": "to",
    "h": "t",
    "subject": "object",
    "precipitant": "object",
    "perpetrator": "victim",
}
"""names of the first and the second drug that have no number"""

SET_NAMES = (
    *("drugs", "drugset", "drugcombination", "combination", "regimen", "compounds"),
    *("medications", "medicines", "drugids", "drugnames", "drug", "stitch", "stitchid"),
    *("drugid", "drugname"),
)
"""names of a column of sets of drugs, or of one drug"""

EFFECT_STEMS = (
    (
        *("sideeffect", "polypharmacysideeffect", "individualsideeffect", "effect"),
        *("adverseevent", "adverseeffect", "adversereaction", "adversedrugreaction"),
        *("event", "reaction", "condition", "outcome", "phenotype"),
    ),
    (
        *("interactiontype", "interaction", "relation", "relationtype", "predicate"),
        *("relationship", "edgetype", "ddi", "dditype", "mechanism"),
    ),
    ("type", "level", "severity", "class", "category"),
    ("label", "y"),
)
"""names of the column of effects, those that are preferred first"""

SUFFIXES = (
    ("conceptname", "names", "name", "label"),
    ("",),
    ("ids", "id", "code", "umls", "cui", "meddra", "meddraid", "conceptid"),
)
"""ends of the names of columns of names, of either, and of identifiers"""

LABEL_NAMES = ("label", "y", "known", "interacts", "ispositive", "value")
"""names of a column that is 1 where the effect is known and 0 where it is not"""

TARGET_STEMS = ("target", "gene", "protein", "uniprot", "targetgene", "targetprotein")
DRUG_ID_STEMS = (
    *("drug", "stitch", "compound", "id", "name", "cid", "pubchem", "chemical"),
    *("medication", "drugbank", "rxcui", "ddinter"),
)
PROTEIN_COLUMN = re.compile(
    r"(?P<stem>protein|gene|target|node|id)(?:id|name)?(?P<place>[12ab])(?:id|name)?"
)


class InteractionRoles(NamedTuple):
    """What each column of a table of interactions is read as."""

    drugs: list[str]
    """one for each drug, or one of sets"""

    effect: str
    label: str | None
    """may be 1 for known effects and 0 for others; its cells show whether it is"""

    others: list[str]
    notes: list[str]

    @property
    def is_set(self) -> bool:
        """Return whether a cell holds all drugs of its row."""
        return len(self.drugs) == 1


def find_interaction_columns(
    names: Sequence[str], given: InteractionColumns
) -> InteractionRoles:
    """Return the columns of a table of interactions.

    Raises DataError if there is none of drugs or of effects, or if a column that the
    user named is missing.
    """
    table = "the table of interactions"
    effect = given.effect_column and named_column(names, given.effect_column, table)
    rest, notes = [name for name in names if name != effect], list[str]()
    if given.drug_columns is not None:
        drugs = [named_column(names, k, table) for k in given.drug_columns]
    else:
        drugs, notes = drug_columns(rest)
    rest = [name for name in rest if name not in drugs]
    if effect is None:
        effect, effect_notes = effect_column(rest, drugs)
        rest, notes = [k for k in rest if k != effect], notes + effect_notes
    label = next((k for k in rest if letters(k) in LABEL_NAMES), None)
    others = [name for name in rest if name != label]
    return InteractionRoles(drugs, effect, label, others, notes)


# --- drugs ---------------------------------------------------------------------------


@dataclass
class _NumberedColumns:
    """Columns of one kind, such as drug_1_id and drug_2_id, by their places."""

    kind: str
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def are_drugs(self) -> bool:
        """Return whether the places are 1, 2... or a, b..."""
        places = sorted(self.columns, key=lambda k: (len(k), k))
        known = map(str, range(1, 31)) if places[0].isdigit() else "abcde"
        return len(places) > 1 and places == [*known][: len(places)]

    def in_order(self) -> list[str]:
        places = sorted(self.columns, key=lambda k: (len(k), k))
        return [self.columns[k] for k in places]


def drug_columns(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the columns of drugs, and a note where others could be meant.

    Identifiers are preferred to names. Raises DataError if there are none.
    """
    candidates = _numbered_columns(names)
    candidates.sort(key=lambda k: ("id", "", "name").index(k.kind))
    found = [k.in_order() for k in candidates if k.are_drugs] or _paired_columns(names)
    by_name = {letters(name): name for name in reversed(names)}
    found = found or [[by_name[k]] for k in SET_NAMES if k in by_name]
    if not found:
        raise DataError(
            f"The table has no columns of drugs: expected {EXPECTED}. Got "
            f"{', '.join(names)}. Name them with --drug-columns."
        )
    others = [name for columns in found[1:] for name in columns]
    note = f"drugs are read from {quote_names(found[0])}, not from "
    return found[0], [note + quote_names(others)] if others else []


def _numbered_columns(names: Sequence[str]) -> list[_NumberedColumns]:
    groups = dict[tuple[str, ...], _NumberedColumns]()
    for name in names:
        if match := DRUG_COLUMN.fullmatch(letters(name)):
            stem, after = match["stem"], match["after"] or match["before"] or ""
            kind = "id" if stem.endswith("id") or after.endswith(("id", "code")) else ""
            kind = "name" if after.endswith("name") else kind
            group = groups.setdefault((stem, after), _NumberedColumns(kind))
            group.columns.setdefault(match["place"], name)
    return [*groups.values()]


def _paired_columns(names: Sequence[str]) -> list[list[str]]:
    """Return columns such as head and tail, with or without id."""
    by_name = {letters(name): name for name in reversed(names)}
    return [
        [by_name[first + suffix], by_name[second + suffix]]
        for suffix in ("id", "", "name")
        for first, second in ENDS.items()
        if first + suffix in by_name and second + suffix in by_name
    ]


# --- effects -------------------------------------------------------------------------


def effect_column(names: Sequence[str], drugs: Sequence[str]) -> tuple[str, list[str]]:
    """Return the column of effects, and a note where another could be meant.

    Names of effects are preferred to their codes. drugs: the columns of drugs, for the
    message of the DataError if there is no column of effects.
    """
    found = [
        name
        for stems in EFFECT_STEMS
        for name in _columns_of(names, _with_plurals(stems))
    ]
    if not found:
        got = f"besides the drugs ({quote_names(drugs)}): {', '.join(names) or 'none'}"
        raise DataError(
            f"The table has no column of effects: expected effect. Got {got}. Name one "
            "with --effect-column."
        )
    others = [name for name in found[1:] if letters(name) not in LABEL_NAMES]
    note = f"effects are read from {found[0]!r}, not from {quote_names(others)}"
    return found[0], [note] if others else []


def _with_plurals(stems: Sequence[str]) -> set[str]:
    return {*stems, *(f"{stem}s" for stem in stems)}


def _columns_of(names: Sequence[str], stems: Collection[str]) -> list[str]:
    """Return columns that hold what the stems say: names first, identifiers last."""
    return [
        name
        for suffixes in SUFFIXES
        for name in names
        if any(letters(name) == stem + end for stem in stems for end in suffixes)
    ]


# --- drugs and proteins --------------------------------------------------------------


class DrugRoles(NamedTuple):
    """What each column of a table of drugs is read as."""

    names: list[str]
    """columns that may name the drugs"""

    smiles: str | None
    targets: str | None
    effects: str | None
    others: list[str]


def find_drug_columns(names: Sequence[str]) -> DrugRoles:
    """Return the columns of a table of drugs; DataError if none may name them."""
    smiles = next((k for k in names if "smiles" in letters(k)), None)
    targets = next(iter(_columns_of(names, _with_plurals(TARGET_STEMS))), None)
    own = ("singleeffect", "monoeffect", "singlesideeffect", *EFFECT_STEMS[0])
    effects = next(iter(_columns_of(names, _with_plurals(own))), None)
    ids = _columns_of(names, DRUG_ID_STEMS)
    ids = [k for k in ids if k not in (smiles, targets, effects)]
    if not ids:
        raise DataError(
            "The table of drugs has no column of their names: expected id or drug. Got "
            f"{', '.join(names)}. Rename the one with the drugs of the interactions."
        )
    used = [*ids, smiles, targets, effects]
    return DrugRoles(
        ids, smiles, targets, effects, [name for name in names if name not in used]
    )


def find_protein_columns(names: Sequence[str]) -> list[str]:
    """Return the two columns of proteins; DataError if they are unclear."""
    matches = [(k, PROTEIN_COLUMN.fullmatch(letters(k))) for k in names]
    found = [name for name, match in matches if match is not None]
    pairs = [found, *_paired_columns(names), list(names)]
    for pair in pairs:
        if len(pair) == 2:
            return pair
    raise DataError(
        "The table of proteins must have two columns of proteins: expected protein_1, "
        f"protein_2. Got {', '.join(names)}. Remove the others."
    )
