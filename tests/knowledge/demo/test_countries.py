"""The countries of the demonstration: checks of the data, the split and the demo."""

from collections import Counter
from importlib.resources import files

import numpy as np
import pytest

from vicinal.core.report.console import Console
from vicinal.knowledge.answering.names import fold
from vicinal.knowledge.data.leaks import find_relation_pairs, leaked_test_triples
from vicinal.knowledge.data.read import read_triples
from vicinal.knowledge.demo import demo
from vicinal.knowledge.demo.countries import (
    HELD_OUT,
    country_triples,
    read_countries,
    split_by_pair,
    write_splits,
)

COUNTRIES = read_countries()
TRIPLES = country_triples(COUNTRIES)

# sizes that are known from other sources, as of the end of 2024
NUM_MEMBERS = {
    "ASEAN": 10,
    "African Union": 54,  # 55 with the Sahrawi Republic, which is not in the table
    "Arab League": 22,
    "CARICOM": 14,  # 15 with Montserrat, which is not in the table
    "Commonwealth of Independent States": 9,
    "Commonwealth of Nations": 56,
    "Community of Portuguese Language Countries": 9,
    "Council of Europe": 46,
    "ECOWAS": 15,
    "European Union": 27,
    "Gulf Cooperation Council": 6,
    "NATO": 32,
    "OECD": 38,
    "OPEC": 12,
    "Organisation of Islamic Cooperation": 57,
    "Pacific Islands Forum": 14,  # 18 with territories, which are not in the table
    "SAARC": 8,
    "Southern African Development Community": 16,
}
NUM_COUNTRIES = {"Africa": 54, "Americas": 35, "Asia": 49, "Europe": 45, "Oceania": 14}
NUM_USERS = {
    "Euro": 26,  # 20 of the Union, four small states, Kosovo and Montenegro
    "West African CFA franc": 8,
    "Central African CFA franc": 6,
    "East Caribbean dollar": 6,
}


def test_the_table_is_in_the_package():
    path = files("vicinal.knowledge.demo") / "countries.csv"
    assert path.read_text(encoding="utf-8").startswith("name,capital,continent,")


def test_each_country_is_there_once_and_in_order():
    names = [country.name for country in COUNTRIES]
    assert names == sorted(names) and len(set(names)) == len(names) == 197
    capitals = [country.capital for country in COUNTRIES if country.capital]
    assert len(set(capitals)) == len(capitals) == 194
    assert all(country.languages and country.currencies for country in COUNTRIES)


def test_cells_are_clean():
    for country in COUNTRIES:
        for cell in country:
            values = [cell] if isinstance(cell, str) else cell
            assert all(value == value.strip() for value in values), country
            assert len(set(values)) == len(values), country


def test_borders_are_symmetric_and_between_countries():
    neighbors = {country.name: country.neighbors for country in COUNTRIES}
    for name, others in neighbors.items():
        assert name not in others
        assert all(name in neighbors[other] for other in others), name
    assert len(neighbors["China"]) == len(neighbors["Russia"]) == 14
    assert sum(map(len, neighbors.values())) == 2 * 317


def test_a_subregion_is_in_one_continent():
    continents = {}
    for country in COUNTRIES:
        own = continents.setdefault(country.subregion, country.continent)
        assert own == country.continent, country
    assert len(continents) == 22  # of the UN geoscheme
    assert Counter(country.continent for country in COUNTRIES) == NUM_COUNTRIES


def test_numbers_of_members_and_of_users_of_a_currency():
    members = Counter(each for own in COUNTRIES for each in own.organizations)
    assert members == NUM_MEMBERS
    users = Counter(each for own in COUNTRIES for each in own.currencies)
    assert {name: users[name] for name in NUM_USERS} == NUM_USERS


def test_members_of_the_african_union_and_the_arab_league():
    for country in COUNTRIES:
        assert ("African Union" in country.organizations) == (
            country.continent == "Africa"
        )
        if "Arab League" in country.organizations:
            assert "Arabic" in country.languages, country


def test_a_name_is_of_one_kind():
    kinds: dict[str, str] = {}
    for country in COUNTRIES:
        cells = country._asdict() | {"neighbors": ()}
        for kind, cell in cells.items():
            for value in filter(None, [cell] if isinstance(cell, str) else cell):
                assert kinds.setdefault(fold(value), kind) == kind, value


def test_triples_have_every_fact_once():
    assert len(set(TRIPLES)) == len(TRIPLES) == 2005
    assert ("France", "borders", "Spain") in TRIPLES
    assert ("Spain", "borders", "France") in TRIPLES
    assert ("Southern Europe", "in_continent", "Europe") in TRIPLES
    counts = Counter(relation for _, relation, _ in TRIPLES)
    assert counts["in_subregion"] == 197 and counts["in_continent"] == 22
    assert counts["has_capital"] == 194 and counts["borders"] == 634


@pytest.mark.parametrize("seed", [0, 1])
def test_borders_are_split_by_pair(seed):
    table = split_by_pair(TRIPLES, seed)
    assert table.validation is not None and table.test is not None
    parts = [table.triples, table.validation, table.test]
    rows = {tuple(row) for part in parts for row in part.tolist()}
    assert len(rows) == sum(map(len, parts)) == len(TRIPLES)
    for part in parts[1:]:
        assert abs(len(part) - HELD_OUT * len(TRIPLES)) <= 2
    assert not len(table.unseen) and not len(table.unseen_relations)
    (pair,) = find_relation_pairs(table.triples, table.num_entities, 7)
    assert table.relations[pair.relation] == "borders" and pair.kind == "symmetric"
    assert leaked_test_triples(table)["paired"] == 0


def test_a_random_split_gives_borders_away():
    table = split_by_pair(TRIPLES)
    rows = np.random.default_rng(0).permutation(read_triples(TRIPLES).triples)
    table = type(table)(table.entities, table.relations, rows[200:], test=rows[:200])
    leaked = leaked_test_triples(table)
    assert leaked["symmetric"] == leaked["paired"] > 40


def test_files_of_the_split_are_read_as_they_were_written(tmp_path):
    table = split_by_pair(TRIPLES)
    write_splits(table, tmp_path / "countries")
    found = read_triples(tmp_path / "countries")
    for name in ("entities", "relations"):
        assert getattr(found, name).tolist() == getattr(table, name).tolist()
    for name in ("triples", "validation", "test"):
        own, other = getattr(found, name), getattr(table, name)
        assert {*map(tuple, own.tolist())} == {*map(tuple, other.tolist())}
    assert not found.quarantined


class RecordingConsole(Console):
    """Keeps what is printed."""

    def __init__(self) -> None:
        super().__init__(json=False)
        self.lines: list[str] = []

    def print(self, text: str) -> None:
        self.lines += text.splitlines()


def test_removed_facts_and_exceptions_agree_with_the_table():
    assert {*demo.REMOVED} <= {*TRIPLES}
    for name, organization in demo.EXCEPTIONS:
        assert organization in NUM_MEMBERS
        (country,) = [own for own in COUNTRIES if own.name == name]
        assert organization not in country.organizations


def test_the_demo_prints_scores_and_answers(monkeypatch):
    monkeypatch.setattr(demo, "MINUTES", 0.02)
    console = RecordingConsole()
    found = demo.run_demo(console, seeds=1)
    assert set(found) == {"score", "models", "answers", "seconds"}
    assert found["models"]["rules"] > 2 * found["models"]["popularity"]
    assert found["score"]["value"] == pytest.approx(
        next(iter(found["models"].values()))
    )
    answers = found["answers"]
    assert len(answers["removed"]) == len(demo.REMOVED)
    ranks = [row["rank"] for row in answers["removed"]]
    assert sum(rank == 1 for rank in ranks) >= 3
    swiss = [row for row in answers["several_facts"] if row["known"]]
    assert any(row["predicted"] == "Swiss franc" for row in swiss)
    for row in answers["missing"]:
        assert (row["head"], "member_of", row["predicted"]) not in TRIPLES
        assert 0 < row["probability"] < 1 and row["evidence"]
    text = "\n".join(console.lines)
    for command in ("check", "train", "ask"):
        assert f"vicinal {command} " in text
    assert max(map(len, text.splitlines())) < 200
