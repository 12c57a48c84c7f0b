"""The contract of the command line for side effects of drugs taken together.

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

from vicinal.interactions.demo import make_pharmacology
from vicinal.interactions.models import combination

COMMAND_LINES = {
    "check": "check DATA --drugs DRUGS",
    "train": "train DATA --drugs DRUGS --out OUT",
    "evaluate": "evaluate RUN",
    "predict": "predict RUN drug-000 drug-001 drug-002 --top 5",
    "explain": "explain RUN drug-000 drug-001",
    "inspect": "inspect RUN drug-000 drug-001",
    "report": "report RUN",
}
COLUMNS = "--task --drugs --proteins --drug-columns --effect-column --ordered"
FLAGS = {
    "check": f"--domain --quarantine --json {COLUMNS}",
    "train": f"--domain --out --resume --seed --device --json {COLUMNS} --min-pairs "
    "--held-out",
    "evaluate": "--output --json",
    "predict": "--top --new --output --json",
    "explain": "--effect --output --json",
    "inspect": "--effect --json",
    "report": "--json",
}
SCORED = "score scores baselines classes confusion calibration_error verdict"
KEYS = {
    "check": "domain data task statistics notes usable quarantined quarantine seconds",
    "train": f"domain data task statistics notes quarantined seconds run {SCORED} "
    "model comparison linear_score linear_seconds splits epochs networks parameters "
    "situations sets",
    "evaluate": f"domain data notes seconds run {SCORED}",
    "predict": "domain seconds run n predictions notes quarantine output",
    "explain": "domain seconds run drugs effect probability evidence parts pairs",
    "inspect": "domain seconds run drugs effect probability scores similar_drugs "
    "other_effects",
    "report": "domain seconds run page score",
}
FILES = (
    "settings.json env.json classes.json data/index.csv data/splits.csv "
    "data/quarantine.csv data/fingerprint.json model.json model.safetensors "
    "metrics.json metrics.csv predictions.csv report.html report.json report.txt .lock"
)
PREDICTIONS = {
    "predictions.csv": "drug_1 drug_2 effect situation negatives label predicted "
    "probability",
    "predict": "drugs predicted probability known evidence parts",
}
ERRORS = [
    ("check NOWHERE", "There is nothing at "),
    ("train NOWHERE --domain interactions --out OUT", "There is nothing at "),
    ("train RUN --out OUT", r"\S+ is a run directory"),
    ("check DATA --effect-column x", "There is no column 'x' in "),
    ("check DATA --drug-columns drug_1 x", "There is no column 'x' in "),
    ("check DATA --drugs NOWHERE", "There is nothing at "),
    ("train DATA --min-pairs 0 --out OUT", "min_pairs must be 1 or more"),
    ("train DATA --min-pairs 99999 --out OUT", "No effect has 99999 pairs"),
    ("train DATA --held-out 2 --out OUT", "held_out must be above 0 and up to 0.3"),
    ("train DATA --seed -1 --out OUT", "random_state must be a whole number, 0"),
    ("train FEW --out OUT --min-pairs 1", "5 pairs of drugs with 1 effect are too few"),
    ("predict RUN", "Name two or more drugs, or a table of sets"),
    ("predict RUN drug-000", "A set has 2 to 30 different drugs. Got 1"),
    ("predict RUN drug-00 drug-001", "There is no drug 'drug-00' in the table, and it"),
    ("predict RUN nowhere.csv", "There is no file nowhere.csv"),
    ("predict RUN drug-000 drug-001 --top -1", "top must be 0 or more"),
    ("predict RUN drug-000 drug-001 --output x.txt", "--output must be a .csv file"),
    ("predict RUN DRUGS", "The table has no columns of drugs: expected"),
    (
        "explain RUN drug-000 drug-001 --effect efect-01",
        "There is no effect 'efect-01'",
    ),
    ("explain RUN drug-000 drug-001 --output x.svg", "--output must end in .html"),
    ("inspect RUN drug-000 drug-001 drug-002", "Two drugs are inspected. Got 3"),
]


class Session:
    """A run, and the command lines that were run on it, each once."""

    def __init__(self, home: Path, run_command: Callable[..., Any]) -> None:
        self.home, self.run_command = home, run_command
        self.outputs: dict[tuple[str, ...], Any] = {}
        table = make_pharmacology()
        pairs = table.drugs[table.pairs]
        effects = table.effects[table.pair_effects]
        rows = [f"{a},{b},{e}" for (a, b), e in zip(pairs, effects, strict=True)]
        bad = ["drug-000,drug-000,effect-01", ",drug-001,effect-01"]
        self.write("DATA", ["drug_1,drug_2,effect", *rows, *bad])
        self.write("FEW", ["drug_1,drug_2,effect", *(f"a,b{k},x" for k in range(5))])
        targets = [
            f"{table.drugs[drug]},{table.proteins[row]}" for drug, row in table.targets
        ]
        self.write("DRUGS", ["id,target", *targets])
        sets = ["drug-000|drug-001", "drug-003|drug-004|nothing", "drug-005"]
        self.write("SETS", ["drugs", *sets])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(combination, "MIN_STEPS", 300)
            self.call(COMMAND_LINES["train"], home / "RUN", "--json")
        paths = (p for p in (home / "RUN").rglob("*") if p.is_file())
        self.files = {p.relative_to(home / "RUN").as_posix() for p in paths}

    def write(self, name: str, lines: list[str]) -> None:
        (self.home / f"{name}.csv").write_text("\n".join(lines))

    def call(self, words: str, out: Path, *more: str) -> Any:
        """Run a command line; words in capitals are paths."""
        names = ("DATA", "FEW", "DRUGS", "SETS")
        paths = {name: str(self.home / f"{name}.csv") for name in names}
        paths |= {k: str(self.home / k) for k in ("RUN", "NOWHERE")}
        paths["OUT"] = str(out)
        typed = (*(paths.get(word, word) for word in words.split()), *more)
        if typed not in self.outputs:
            self.outputs[typed] = self.run_command(typed)
        return self.outputs[typed]

    def json(self, words: str) -> dict[str, Any]:
        """Return the JSON object of a command line."""
        return self.call(words, self.home / "RUN", "--json").json()


@pytest.fixture(scope="session")
def session(tmp_path_factory, run_command) -> Session:
    return Session(tmp_path_factory.mktemp("interactions"), run_command)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("command", COMMAND_LINES)
def test_json_has_the_expected_keys(command, session):
    found = session.json(COMMAND_LINES[command])
    assert set(found) == set(KEYS[command].split())
    assert found["domain"] == "interactions"


@pytest.mark.parametrize("command", [k for k in COMMAND_LINES if k != "train"])
def test_without_json_the_output_is_text(command, session):
    output = session.call(COMMAND_LINES[command], session.home)
    assert (output.code, output.err) == (0, "") and output.out.strip()


@pytest.mark.parametrize("command", COMMAND_LINES)
def test_help_lists_the_expected_flags(command, session):
    output = session.call(COMMAND_LINES[command], session.home / "out", "--help")
    assert (output.code, output.err) == (0, "")
    pattern = r"^[ │] (?:-[h] [A-Z]*,? ?)?(?:-h, )?(--[a-z][a-z-]*)"
    flags = set(re.findall(pattern, output.out, re.MULTILINE))
    assert flags - {"--help"} == set(FLAGS[command].split())


def test_a_run_has_the_expected_files(session):
    assert session.files == set(FILES.split())
    summary = json.loads((session.home / "RUN" / "metrics.json").read_text())
    assert summary == session.json(COMMAND_LINES["train"])
    rows = read_rows(session.home / "RUN" / "predictions.csv")
    assert [*rows[0]] == PREDICTIONS["predictions.csv"].split()
    assert len(rows) == 2 * summary["splits"]["test"]


def test_rows_that_cannot_be_used_are_quarantined(session):
    found = session.json(COMMAND_LINES["check"])
    lines = (session.home / "DATA.csv").read_text().count("\n") + 1
    assert [row["name"] for row in found["quarantine"]] == [
        f"line {lines - 1}",
        f"line {lines}",
    ]
    trained = session.json(COMMAND_LINES["train"])
    assert trained["quarantined"] == 2
    assert trained["statistics"] == found["statistics"]


def test_every_situation_has_its_scores_beside_the_baselines(session):
    trained = session.json(COMMAND_LINES["train"])
    rows = trained["situations"]
    assert {row["situation"] for row in rows} == {
        "known pair",
        "new pair",
        "one new drug",
        "two new drugs",
    }
    own = [row for row in rows if row["model"] == "combination"]
    assert {row["negatives"] for row in own} == {"random", "interacting"}
    assert all(row["auroc"] > 0.9 for row in own)
    headline = next(
        row
        for row in own
        if (row["situation"], row["negatives"]) == ("new pair", "interacting")
    )
    assert trained["score"]["value"] == pytest.approx(headline["auroc"])
    assert session.json("evaluate RUN")["score"] == trained["score"]
    assert session.json("report RUN")["score"] == trained["score"]
    report = (session.home / "RUN" / "report.html").read_text()
    assert "popularity of both drugs" in report and "no medical advice" in report


def test_the_most_probable_effects_come_first(session, tmp_path):
    found = session.json(COMMAND_LINES["predict"])
    p = [row["probability"] for row in found["predictions"]]
    assert len(p) == found["n"] == 5 and p == sorted(p, reverse=True)
    path = tmp_path / "out.csv"
    words = "predict RUN drug-000 drug-001 drug-002 --top 0"
    output = session.call(words, tmp_path, "--output", str(path))
    assert output.code == 0
    assert "three drugs" in output.out and "no medical advice" in output.out
    rows = read_rows(path)
    assert [*rows[0]] == PREDICTIONS["predict"].split() and len(rows) == 40
    assert rows[0]["drugs"] == "drug-000|drug-001|drug-002"


def test_known_effects_can_be_left_out(session):
    words = "predict RUN drug-000 drug-001 drug-002 --top 0"
    every = session.json(words)["predictions"]
    new = session.json(f"{words} --new")["predictions"]
    assert new == [row for row in every if not row["known"]] != every


def test_a_table_of_sets_is_predicted_row_by_row(session):
    found = session.json("predict RUN SETS --top 3")
    assert {row["drugs"] for row in found["predictions"]} == {"drug-000|drug-001"}
    reasons = [row["reason"] for row in found["quarantine"]]
    assert len(reasons) == 2
    assert "There is no drug 'nothing'" in reasons[0] and "this one 1" in reasons[1]


def test_an_explanation_adds_up_on_the_page_and_in_json(session, tmp_path):
    found = session.json("explain RUN drug-000 drug-001 drug-002 --effect effect-32")
    total = sum(part["share"] for part in found["parts"])
    assert total == pytest.approx(found["probability"], abs=1e-9)
    for pair in found["pairs"]:
        terms = sum(term["contribution"] for term in pair["terms"])
        logit = pair["frequency"] + pair["typical_scores"] + terms
        assert logit == pytest.approx(pair["log_odds"])
        p = 1 / (1 + np.exp(-logit))
        assert pair["known"] or p == pytest.approx(pair["probability"], abs=1e-5)
    page = tmp_path / "page.html"
    words = "explain RUN drug-000 drug-001 drug-002 --effect effect-32"
    assert session.call(words, tmp_path, "--output", str(page)).code == 0
    assert "Shapley values" in page.read_text()


def test_terms_of_a_score_add_up(session):
    found = session.json("inspect RUN drug-000 drug-001")
    assert found["similar_drugs"]
    by_effect = sum(row["term"] for row in found["other_effects"])
    spread = by_effect / found["scores"]["regression on other effects"]
    assert spread > 0


@pytest.mark.parametrize(("words", "message"), ERRORS)
def test_user_errors_are_one_message(words, message, session):
    output = session.call(words, session.home / "out")
    assert output.code == 2 and not output.out.count("Traceback")
    assert re.match(f"vicinal: {message}", output.err), output.err
