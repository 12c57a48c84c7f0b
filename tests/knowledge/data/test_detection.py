"""Which files are recognised as triples, and which belong to other domains."""

import numpy as np
import pytest

from vicinal.domains import domain_of_data

RNG = np.random.default_rng(0)
CITIES = [int(k) for k in RNG.integers(12, size=60)]
TRIPLES = [
    *((f"p{k}", "born_in", f"c{city}") for k, city in enumerate(CITIES)),
    *((f"p{k}", "nation", f"n{city % 4}") for k, city in enumerate(CITIES)),
]
EDGES = [(head, tail) for head, _, tail in TRIPLES]


def lines_of(rows, separator="\t", header=()) -> str:
    return "\n".join(
        separator.join(row) for row in [*([header] if header else []), *rows]
    )


MIXED = "\n".join(("\t" if k % 2 else ",").join(row) for k, row in enumerate(TRIPLES))
RECOGNISED = {
    "plain.tsv": lines_of(TRIPLES),
    "spaces.txt": lines_of(TRIPLES, " "),
    "mixed.txt": MIXED,
    "numbers.txt": lines_of([(h[1:], r, t[1:]) for h, r, t in TRIPLES]),
    "header.csv": lines_of(TRIPLES, ",", ("subject", "predicate", "object")),
    "relation.csv": lines_of(TRIPLES, ",", ("source", "relation", "target")),
    "typed.csv": lines_of(TRIPLES, ",", ("head", "type", "tail")),
    "graph.nt": lines_of(
        [(f"<{h}>", f"<{r}>", f"<{t}> .") for h, r, t in TRIPLES], " "
    ),
}
OTHERS = {
    "weights.csv": (
        lines_of([(*e, "1.5") for e in EDGES], ",", ("source", "target", "weight")),
        "nodes",
    ),
    "weights.txt": (lines_of([(*e, "1.5") for e in EDGES]), "nodes"),
    "types.csv": (
        lines_of([(*e, "x") for e in EDGES], ",", ("source", "target", "type")),
        "nodes",
    ),
    "edges.txt": (lines_of(EDGES), "nodes"),
    "ratings.csv": (
        lines_of([(*e, "5") for e in EDGES], ",", ("user", "item", "rating")),
        "recommendation",
    ),
    "pairs.csv": (
        lines_of([(*e, "nausea") for e in EDGES], ",", ("drug_1", "drug_2", "effect")),
        "interactions",
    ),
}


@pytest.mark.parametrize("name", RECOGNISED)
def test_triples_are_recognised(name, tmp_path):
    (tmp_path / name).write_text(RECOGNISED[name])
    domain, text = domain_of_data(str(tmp_path / name), frozenset())
    assert domain.name == "triples" and name in text


@pytest.mark.parametrize("name", OTHERS)
def test_other_tables_are_not(name, tmp_path):
    text, expected = OTHERS[name]
    (tmp_path / name).write_text(text)
    assert domain_of_data(str(tmp_path / name), frozenset())[0].name == expected


def test_a_directory_with_a_training_file_is_recognised(tmp_path):
    (tmp_path / "train.txt").write_text(lines_of(TRIPLES[:-3]))
    (tmp_path / "test.txt").write_text(lines_of(TRIPLES[-3:]))
    assert domain_of_data(str(tmp_path), frozenset())[0].name == "triples"


def test_a_flag_of_triples_decides(tmp_path):
    (tmp_path / "edges.txt").write_text(lines_of(EDGES))
    flags = frozenset({"relation_column"})
    assert domain_of_data(str(tmp_path / "edges.txt"), flags)[0].name == "triples"
