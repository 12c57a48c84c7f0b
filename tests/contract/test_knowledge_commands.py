"""The contract of the command line for knowledge graphs and recommendation.

The tables at the top, and nothing else, fix what the commands print and write.
"""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vicinal.knowledge.recommendation.demo import make_tastes

COMMAND_LINES = {
    "triples": {
        "check": "check DATA",
        "train": "train DATA --minutes 0.01 --out OUT",
        "evaluate": "evaluate RUN",
        "predict": "predict RUN --top 5",
        "ask": "ask RUN person-3 nation ?",
        "explain": "explain RUN person-3 nation nation-1",
        "inspect": "inspect RUN person-3 nation nation-1",
        "report": "report RUN",
    },
    "importance": {
        "check": "check DATA --task importance --nodes NODES",
        "train": "train DATA --task importance --nodes NODES --minutes 0 --out OUT",
        "evaluate": "evaluate RUN",
        "predict": "predict RUN person-3 city-1",
        "explain": "explain RUN person-3",
        "report": "report RUN",
    },
    "recommendation": {
        "check": "check USERS",
        "train": "train USERS --out OUT --epochs 5",
        "evaluate": "evaluate RUN",
        "predict": "predict RUN user-000 --top 5",
        "recommend": "recommend RUN user-000 --top 5",
        "explain": "explain RUN user-000 ITEM",
        "inspect": "inspect RUN ITEM",
        "report": "report RUN",
    },
}
DOMAINS = [*COMMAND_LINES]
ALL = [(domain, command) for domain in DOMAINS for command in COMMAND_LINES[domain]]
FILES = (
    "settings.json env.json classes.json data/index.csv data/splits.csv "
    "data/quarantine.csv data/fingerprint.json model.json model.safetensors "
    "metrics.json metrics.csv predictions.csv report.html report.json report.txt .lock"
)
KEYS = {
    "check": "domain data task statistics notes usable quarantined quarantine seconds",
    "train": "domain data task statistics notes quarantined seconds run score scores "
    "baselines classes confusion calibration_error verdict model comparison "
    "linear_score linear_seconds splits epochs networks parameters",
    "evaluate": "domain data notes seconds run score scores baselines classes "
    "confusion calibration_error verdict",
    "predict": "domain seconds run n predictions notes quarantine output",
    "ask": "domain seconds run n predictions notes quarantine output",
    "recommend": "domain seconds run n predictions notes quarantine output",
    "explain": "domain seconds run",
    "inspect": "domain seconds run",
    "report": "domain seconds run page score",
}
"""keys of every domain; a domain may have more"""

ERRORS = [
    ("triples", "check NOWHERE", "There is nothing at "),
    ("triples", "train RUN --out OUT", r"\S+ is a run directory"),
    ("triples", "check DATA --head-column x", "There is no column 'x' in "),
    ("triples", "check DATA --nodes NOWHERE", "There is no"),
    ("triples", "train DATA --minutes -1 --out OUT", "minutes must be 0 or more"),
    ("triples", "train DATA --held-out 2 --out OUT", "held_out must be above 0"),
    ("triples", "train FEW --out OUT", "5 triples are too few"),
    ("triples", "ask RUN", "Ask something after RUN"),
    ("triples", "ask RUN persn-3 nation ?", "There is no entity 'persn-3' in the"),
    ("triples", "ask RUN person-3 natin ?", "There is no relation 'natin' in the"),
    ("triples", "ask RUN ? nation ?", "A question of one fact has one ?"),
    ("triples", "ask RUN city-1 b", "There is no relation 'b'"),
    ("triples", "ask RUN nowhere.csv", "There is no"),
    ("triples", "ask RUN person-3 nation ? --top 0", "top must be 1 or more"),
    ("triples", "ask RUN x nation ? --facts DATA", "There is no new entity in"),
    ("triples", "predict RUN --relation natin", "There is no relation 'natin'"),
    ("triples", "predict RUN person-3 nation ? --relation nation", "Give a question"),
    ("triples", "recommend RUN person-3", "There is no `vicinal recommend` for"),
    ("triples", "evaluate RUN DATA", "No triple is left to score the model on"),
    ("importance", "predict RUN nobody", "There is no entity 'nobody'"),
    ("importance", "ask RUN person-3 nation ?", "There is no `vicinal ask` for"),
    (
        "importance",
        "train DATA --task importance --nodes NODES --target x --out OUT",
        "The table of nodes has no column 'x'",
    ),
    ("recommendation", "recommend RUN", "Name users after RUN"),
    ("recommendation", "recommend RUN user-00", "There is no user 'user-00'"),
    ("recommendation", "explain RUN user-000 nothing", "There is no item 'nothing'"),
    (
        "recommendation",
        "recommend RUN user-000 --top 0",
        "top must be a whole number, 1",
    ),
]


class Session:
    """A run of each domain, and the command lines that were run, each once."""

    def __init__(self, home: Path, run_command: Callable[..., Any]) -> None:
        self.home, self.run_command = home, run_command
        self.outputs: dict[tuple[str, ...], Any] = {}
        self.items: list[str] = []
        self.write_data()
        for domain, lines in COMMAND_LINES.items():
            self.call(domain, lines["train"], home / domain, "--json")

    def write_data(self) -> None:
        rng = np.random.default_rng(0)
        triples = [f"city-{k}\tlies_in\tnation-{k % 4}" for k in range(12)]
        for k in range(120):
            city = int(rng.integers(12))
            triples.append(f"person-{k}\tborn_in\tcity-{city}")
            if k % 10 < 9:  # the others are of a nation that is not written down
                triples.append(f"person-{k}\tnation\tnation-{city % 4}")
        self.write("DATA", [*triples, "person-1\tborn_in"])
        self.write("FEW", triples[:5])
        facts = ["person-new\tborn_in\tcity-3", "person-new\tknows\tperson-1"]
        self.write("FACTS", facts)
        rows = ["head\trelation\ttail", "person-3\tnation\t?", "nobody\tnation\t?"]
        self.write("QUESTIONS", [*rows, "person-3\tborn_in\t?x\t?x\tlies_in\t?"])
        nodes = [f"person-{k}\t{1 + 10 * (k % 12) + k % 3}" for k in range(100)]
        self.write("NODES", ["id\tviews", *nodes])
        table = make_tastes()
        self.items = table.items.tolist()
        users, items = table.weights.nonzero()
        rows = [
            f"{table.users[u]}\t{table.items[k]}"
            for u, k in zip(users.tolist(), items.tolist(), strict=True)
        ]
        self.write("USERS", ["user\titem", *rows, "\tnothing"])

    def write(self, name: str, lines: list[str]) -> None:
        (self.home / f"{name}.tsv").write_text("\n".join(lines))

    def call(self, domain: str, words: str, out: Path, *more: str) -> Any:
        """Run a command line; words in capitals are paths."""
        names = ("DATA", "FEW", "NODES", "USERS", "FACTS", "QUESTIONS")
        paths = {name: str(self.home / f"{name}.tsv") for name in names}
        paths |= {"RUN": str(self.home / domain), "ITEM": self.items[3]}
        paths |= {"NOWHERE": str(self.home / "NOWHERE"), "OUT": str(out)}
        typed = (*(paths.get(word, word) for word in words.split()), *more)
        if typed not in self.outputs:
            self.outputs[typed] = self.run_command(typed)
        return self.outputs[typed]

    def json(self, domain: str, words: str) -> dict[str, Any]:
        """Return the JSON object of a command line."""
        return self.call(domain, words, self.home / domain, "--json").json()


@pytest.fixture(scope="session")
def session(tmp_path_factory, run_command) -> Session:
    return Session(tmp_path_factory.mktemp("knowledge"), run_command)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("domain", "command"), ALL)
def test_json_has_the_expected_keys(domain, command, session):
    found = session.json(domain, COMMAND_LINES[domain][command])
    assert set(KEYS[command].split()) <= set(found)
    assert found["domain"] == domain


@pytest.mark.parametrize(("domain", "command"), [k for k in ALL if k[1] != "train"])
def test_without_json_the_output_is_text(domain, command, session):
    words = COMMAND_LINES[domain][command]
    output = session.call(domain, words, session.home)
    assert (output.code, output.err) == (0, "") and output.out.strip()


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_run_has_the_expected_files(domain, session):
    run = session.home / domain
    files = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    assert files == set(FILES.split())
    summary = json.loads((run / "metrics.json").read_text())
    assert summary == session.json(domain, COMMAND_LINES[domain]["train"])
    assert len(read_rows(run / "predictions.csv")) > 0
    assert summary["score"] == session.json(domain, "evaluate RUN")["score"]
    assert summary["score"] == session.json(domain, "report RUN")["score"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_rows_that_cannot_be_used_are_quarantined(domain, session):
    found = session.json(domain, COMMAND_LINES[domain]["check"])
    assert len(found["quarantine"]) == found["quarantined"] == 1
    trained = session.json(domain, COMMAND_LINES[domain]["train"])
    assert trained["quarantined"] == 1
    rows = read_rows(session.home / domain / "data" / "quarantine.csv")
    assert rows[0]["reason"]


@pytest.mark.parametrize(("domain", "words", "message"), ERRORS)
def test_user_errors_are_one_message(domain, words, message, session):
    output = session.call(domain, words, session.home / "out")
    assert output.code == 2 and not output.out.count("Traceback")
    assert re.match(f"vicinal: {message}", output.err), output.err


# --- triples --------------------------------------------------------------------------


def test_known_answers_are_first_and_can_be_left_out(session):
    found = session.json("triples", "ask RUN person-3 nation ? --top 4")
    rows = found["predictions"]
    assert [row["known"] for row in rows] == [True, False, False, False]
    p = [row["probability"] for row in rows]
    assert p[0] == 1 and p == sorted(p, reverse=True)
    assert rows[0]["question"] == "person-3 nation ?" and rows[0]["evidence"]
    assert (rows[0]["head"], rows[0]["relation"]) == ("person-3", "nation")
    new = session.json("triples", "ask RUN person-3 nation ? --top 4 --new")
    assert not any(row["known"] for row in new["predictions"])


def test_a_question_for_the_head_names_the_fact(session):
    found = session.json("triples", "ask RUN ? lies_in nation-2 --top 3")
    rows = found["predictions"]
    assert {row["predicted"] for row in rows} == {"city-2", "city-6", "city-10"}
    assert all(row["head"] == row["predicted"] and row["known"] for row in rows)
    assert {row["tail"] for row in rows} == {"nation-2"}


def test_a_table_of_questions_is_answered_row_by_row(session, tmp_path):
    found = session.json("triples", "ask RUN QUESTIONS --top 2")
    assert [row["name"] for row in found["quarantine"]] == ["line 3"]
    assert "There is no entity 'nobody'" in found["quarantine"][0]["reason"]
    questions = [row["question"] for row in found["predictions"]]
    steps = "person-3 born_in ?x and ?x lies_in ?"
    assert questions == ["person-3 nation ?"] * 2 + [steps] * 2
    output = tmp_path / "answers.csv"
    words = f"ask RUN QUESTIONS --top 2 --output {output}"
    assert session.call("triples", words, tmp_path).code == 0
    assert len(read_rows(output)) == 4


def test_new_entities_are_asked_by_their_facts(session):
    words = "ask RUN person-new nation ? --facts FACTS --top 1"
    found = session.json("triples", words)
    assert [row["predicted"] for row in found["predictions"]] == ["nation-3"]
    assert "born_in, then lies_in" in found["predictions"][0]["evidence"]
    (note,) = found["notes"]
    assert "relations that the graph does not have" in note and "knows" in note
    words = "ask RUN person-new born_in ?x and ?x lies_in ? --facts FACTS --top 1"
    found = session.json("triples", words)
    assert found["predictions"][0]["predicted"] == "nation-3"
    words = "explain RUN person-new nation nation-3 --facts FACTS"
    found = session.json("triples", words)
    assert found["rank"] == 1 and found["log_embedding"] is None
    first, second, bias = found["calibration"]
    logit = first * found["log_share"] + second * found["log_rules"] + bias
    assert found["probability"] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


def test_a_fact_without_a_question_mark_gets_its_probability(session):
    words = "ask RUN person-3 nation nation-1"
    (row,) = session.json("triples", words)["predictions"]
    explained = session.json("triples", "explain RUN person-3 nation nation-1")
    assert row["probability"] == pytest.approx(explained["probability"])
    assert (row["question"], row["predicted"]) == (words[8:], "nation-1")


def test_a_complete_graph_has_no_missing_facts(session):
    found = session.json("triples", "predict RUN --relation lies_in")
    assert found["n"] == 0 and "0 of 0 questions" in found["notes"][0]


def test_missing_facts_are_not_in_the_graph(session):
    found = session.json("triples", "predict RUN --relation nation --top 12")
    data = (session.home / "DATA.tsv").read_text().split("\n")
    cities = dict(row.split("\tborn_in\t") for row in data if "\tborn_in\t" in row)
    heads = [row["head"] for row in found["predictions"]]
    assert {*heads} == {f"person-{k}" for k in range(9, 120, 10)}
    right = [
        int(cities[row["head"]].removeprefix("city-")) % 4
        == int(row["predicted"].removeprefix("nation-"))
        for row in found["predictions"]
    ]
    assert all(right)
    for row in found["predictions"]:
        assert "\t".join((row["head"], row["relation"], row["tail"])) not in data


def test_the_sum_behind_a_score_is_exact(session):
    found = session.json("triples", "explain RUN person-3 nation nation-1")
    log_rules = np.log(sum(found["parts"].values()) + 1e-4)
    assert found["log_rules"] == pytest.approx(log_rules, abs=1e-5)
    score = found["weight"] * found["log_rules"]
    if found["log_embedding"] is not None:
        score += found["log_embedding"]
    assert found["score"] == pytest.approx(score, abs=1e-5)
    first, second, bias = found["calibration"]
    if not found["known"]:
        logit = first * found["log_share"] + second * found["log_rules"] + bias
        p = 1 / (1 + np.exp(-logit))
        assert found["probability"] == pytest.approx(p, abs=1e-5)
    inspected = session.json("triples", "inspect RUN person-3 nation nation-1")
    for kind, name in (("facts", "facts"), ("paths", "paths")):
        squares = sum(row["squared_confidence"] for row in inspected["rules"][kind])
        assert found["parts"][name] == pytest.approx(squares**0.5, abs=1e-5)


def test_the_report_has_the_relations_and_the_rules(session):
    trained = session.json("triples", COMMAND_LINES["triples"]["train"])
    rows = {row["relation"]: row for row in trained["relations"]}
    assert rows["born_in"]["cardinality"] == rows["nation"]["cardinality"] == "N-1"
    report = (session.home / "triples" / "report.html").read_text()
    assert "born_in, then lies_in" in report and "Calibration error" in report


# --- recommendation and importance ----------------------------------------------------


def test_recommend_and_predict_are_the_same(session):
    found = session.json("recommendation", "recommend RUN user-000 --top 5")
    same = session.json("recommendation", "predict RUN user-000 --top 5")
    assert found["predictions"] == same["predictions"]
    output = session.call(
        "recommendation", "recommend RUN user-000 --top 5", session.home
    )
    assert found["predictions"][0]["reasons"] in output.out


def test_importance_is_chosen_by_its_task(session):
    found = session.json("importance", "predict RUN person-3 city-1")
    assert len(found["predictions"]) == 2
    trained = session.json("importance", COMMAND_LINES["importance"]["train"])
    assert {row["model"] for row in trained["models"]} >= {"degree", "PageRank"}
