"""The countries of the world as a knowledge graph.

`countries.csv` has a row for each of the 193 members of the United Nations, its two
observers (Palestine and Vatican City), Kosovo and Taiwan, as of the end of 2024.
Regions are those of the UN geoscheme; `|` separates the values of a cell. Monaco,
Singapore and Vatican City are cities, and have no capital in the table. Borders of
overseas territories are left out, except that of French Guiana. Of many official
languages, only the main ones are listed.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from vicinal.knowledge.data.read import read_triples
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.evaluation.splits import split_triples

Triple = tuple[str, str, str]

HELD_OUT = 0.1
"""share of the triples for validation, and again for testing"""

LISTS = ("neighbors", "languages", "currencies", "organizations")
"""columns with several values"""


class Country(NamedTuple):
    """A row of `countries.csv`."""

    name: str
    capital: str
    """"" for a city state"""

    continent: str
    subregion: str
    neighbors: tuple[str, ...]
    """countries with which it has a land border"""

    languages: tuple[str, ...]
    currencies: tuple[str, ...]
    organizations: tuple[str, ...]


def read_countries() -> list[Country]:
    """Return the rows of `countries.csv`, by name."""
    path = files("vicinal.knowledge.demo") / "countries.csv"
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return [Country(**{key: _cell(key, row[key]) for key in row}) for row in rows]


def _cell(column: str, text: str) -> Any:
    """Return the value of a cell, or its values as a tuple."""
    return tuple(filter(None, text.split("|"))) if column in LISTS else text


def country_triples(countries: Iterable[Country]) -> list[Triple]:
    """Return the facts of countries; a border is there in both directions."""
    return list(dict.fromkeys(_triples(countries)))


def _triples(countries: Iterable[Country]) -> Iterator[Triple]:
    for country in countries:
        if country.capital:
            yield country.name, "has_capital", country.capital
        yield country.name, "in_subregion", country.subregion
        yield country.subregion, "in_continent", country.continent
        for relation, tails in (
            ("borders", country.neighbors),
            ("speaks", country.languages),
            ("uses", country.currencies),
            ("member_of", country.organizations),
        ):
            for tail in tails:
                yield country.name, relation, tail


def split_by_pair(triples: Sequence[Triple], seed: int = 0) -> TripleTable:
    """Return triples with HELD_OUT of them for validation and for testing, at random.

    Both directions of a border are in the same split, as in every `split_triples`.
    """
    table = read_triples(triples)
    split = split_triples(table.triples, None, None, HELD_OUT, seed)
    train, validation, test = split
    return replace(table, triples=train, validation=validation, test=test)


def write_splits(table: TripleTable, folder: Path) -> None:
    """Write train.txt, valid.txt and test.txt, with a triple in each line."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = {"train": table.triples, "valid": table.validation, "test": table.test}
    for name, triples in splits.items():
        assert triples is not None
        heads, relations, tails = triples.T
        names = table.entities[heads], table.relations[relations], table.entities[tails]
        lines = ["\t".join(own) + "\n" for own in zip(*names, strict=True)]
        (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
