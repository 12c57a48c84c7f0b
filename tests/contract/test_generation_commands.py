"""The contract of the command line for new molecules.

The tables at the top, and nothing else, fix what the commands print and write.
"""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rdkit import Chem

from vicinal.domains import load
from vicinal.molecules.estimators import MoleculeRegressor

QUICK = (
    "--epochs 2 --hidden 16 --heads 2 --orders 1 --min-count 1 --val-fraction 0.2 "
    "--test-fraction 0.2 --num-samples 30"
)
COMMAND_LINES = {
    "check": "check DATA --task generation",
    "train": f"train DATA --out OUT --task generation {QUICK}",
    "evaluate": "evaluate RUN",
    "generate": "generate RUN -n 5",
    "explain": "explain RUN COc1ccccc1",
    "report": "report RUN",
}
SHARED_FLAGS = (
    "--epochs --lr --weight-decay --patience --minutes --deterministic "
    "--checkpoint-seconds --val-fraction --test-fraction --keep --hidden --layers "
    "--heads --dropout --batch-size --network"
)
FLAGS = {
    "check": "--domain --quarantine --json --task --smiles-columns",
    "train": f"--domain --out --resume --seed --device --json {SHARED_FLAGS} --task "
    "--smiles-columns --min-count --orders --num-samples",
    "evaluate": "--output --json",
    "generate": "--number --grow --optimise --minimise --extrapolate --budget "
    "--use-network --start --min-weight --max-weight --temperature --novel --seed "
    "--output --json",
    "explain": "--top --output --json",
    "report": "--json",
}
SCORED = "score scores baselines classes confusion calibration_error verdict"
KEYS = {
    "check": "domain data task statistics notes usable quarantined quarantine seconds",
    "train": f"domain data task statistics notes quarantined seconds run {SCORED} "
    "model comparison linear_score linear_seconds splits epochs networks parameters "
    "samples coverage",
    "evaluate": f"domain data notes seconds run {SCORED}",
    "generate": "domain seconds run n molecules notes output",
    "explain": "domain seconds run molecule nll nll_counts steps unknown_fragments "
    "max_error notes",
    "report": "domain seconds run page score",
}
FILES = (
    "settings.json env.json classes.json data/index.csv data/splits.csv "
    "data/quarantine.csv data/fingerprint.json model.json model.safetensors "
    "metrics.json metrics.csv predictions.csv generated.csv report.html report.json "
    "report.txt .lock checkpoints/last.safetensors"
)
MOLECULE = (
    "smiles weight logp qed synthetic_accessibility alerts nearest similarity is_known"
)
ERRORS = [
    ("train NOWHERE --task generation --out OUT", "There is nothing at "),
    ("train RUN --task generation --out OUT", r"\S+ is a run directory"),
    ("train DATA --task generation --smiles-columns x --out OUT", "There is no column"),
    ("train DATA --task generation --heads 3 --hidden 16 --out OUT", "heads must be a"),
    ("train DATA --domain graphs --task generation --out OUT", None),
    ("train FEW --task generation --out OUT", "A generator learns from 10 different"),
    ("check NOTHING --task generation", "No row has a molecule that can be used"),
    ("predict RUN CCO", "There is no `vicinal predict` for "),
    ("inspect RUN CCO", "There is no `vicinal inspect` for "),
    ("generate PROPERTY -n 3", "There is no `vicinal generate` for "),
    ("generate NOWHERE", "There is no trained model in "),
    ("generate RUN -n 0", "number must be a whole number, 1 or more"),
    ("generate RUN --temperature 0", "temperature must be from 0.001 to 1000"),
    ("generate RUN --grow CCC", "The core has no attachment point"),
    ("generate RUN --grow x", "The core must be a SMILES"),
    ("generate RUN --grow C* --optimise qed", "--grow and --optimise do not go"),
    ("generate RUN --budget 10", "--budget needs --optimise"),
    ("generate RUN --use-network", "--use-network needs --optimise"),
    ("generate RUN --start FEW", "--start needs --optimise"),
    ("generate RUN --optimise qad", "There is no objective 'qad'. Did you mean 'qed'"),
    ("generate RUN --optimise RUN", "An objective must be a model of properties"),
    ("generate RUN --optimise qed --budget 0", "budget must be a whole number"),
    pytest.param(  # as in tests/molecules/generation/test_generator.py
        "generate RUN --min-weight 9000",
        r"None of 5,\d+ sampled molecules meets",
        marks=pytest.mark.slow,
    ),
    ("generate RUN --min-weight 9 --max-weight 5", "min_weight must be at most"),
    ("generate RUN --output x.txt", "--output must end in .csv, .sdf, .smi, .html"),
    ("explain RUN xyz", "The molecule must be a structure. Got 'xyz': "),
    ("explain RUN [NaH2].OCCCC", "The molecule must be"),
    ("explain RUN CCO --top 0", "top must be 1 or more"),
    ("explain RUN CCO --output x.svg", "--output must end in .html"),
    ("evaluate RUN NOWHERE", "There is nothing at "),
    ("evaluate RUN OTHERS", "None of 2 molecules consists of fragments that"),
]


class Session:
    """A run, and the command lines that were run on it, each once."""

    def __init__(self, home: Path, run_command: Callable[..., Any]) -> None:
        self.home, self.run_command = home, run_command
        self.outputs: dict[tuple[str, ...], Any] = {}
        rows = [
            f"{a}c1ccc({b}{c})cc1"
            for a in ("C", "CC", "CO", "N", "CN", "F", "Cl", "CCO")
            for b in ("OC", "C(=O)N", "NC", "S(=O)(=O)N")
            for c in ("c2ccncc2", "c2ccccc2", "C2CCNCC2", "C", "c2cccs2")
        ]
        texts = {
            "DATA": ["smiles", *rows],
            "FEW": ["smiles", *rows[:9]],
            "NOTHING": ["smiles", "xyz"],
            "SOME": ["smiles", "xyz", "CCO"],
            "OTHERS": ["smiles", "C1CCCCCC1", "[Na+]"],
        }
        for name, lines in texts.items():
            (home / f"{name}.csv").write_text("\n".join(lines))
        property_model = MoleculeRegressor(network="none", descriptors="fast")
        property_model.fit(rows[::4], [float(len(row)) for row in rows[::4]])
        property_model.save(home / "PROPERTY")
        self.call(COMMAND_LINES["train"], home / "RUN", "--json")
        paths = (p for p in (home / "RUN").rglob("*") if p.is_file())
        self.files = {p.relative_to(home / "RUN").as_posix() for p in paths}

    def call(self, words: str, out: Path, *more: str) -> Any:
        """Run a command line; words in capitals are paths."""
        names = ("DATA", "FEW", "NOTHING", "OTHERS", "SOME")
        paths = {name: str(self.home / f"{name}.csv") for name in names}
        paths |= {k: str(self.home / k) for k in ("RUN", "PROPERTY", "NOWHERE")}
        paths["OUT"] = str(out)
        typed = (*(paths.get(word, word) for word in words.split()), *more)
        if typed not in self.outputs:
            self.outputs[typed] = self.run_command(typed)
        return self.outputs[typed]

    def json(self, words: str) -> dict[str, Any]:
        """Return the JSON object of a command line."""
        return self.call(words, self.home / "RUN", "--json").json()

    def rows(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a CSV file of the run."""
        with (self.home / "RUN" / name).open(newline="") as file:
            return list(csv.DictReader(file))

    def molecules(self, split: str) -> set[str]:
        """Return the molecules of a split of the run."""
        rows = self.rows("data/splits.csv")
        return {row["smiles"] for row in rows if row["split"] == split}


@pytest.fixture(scope="session")
def session(tmp_path_factory, run_command) -> Session:
    return Session(tmp_path_factory.mktemp("generation"), run_command)


@pytest.mark.parametrize("command", COMMAND_LINES)
def test_json_has_the_expected_keys(command, session):
    found = session.json(COMMAND_LINES[command])
    assert set(found) == set(KEYS[command].split())
    assert found["domain"] == "generation"


@pytest.mark.parametrize("command", [k for k in COMMAND_LINES if k != "train"])
def test_without_json_the_output_is_text(command, session):
    output = session.call(COMMAND_LINES[command], session.home)
    assert (output.code, output.err) == (0, "") and output.out.strip()


@pytest.mark.parametrize("command", COMMAND_LINES)
def test_help_lists_the_expected_flags(command, session):
    output = session.call(COMMAND_LINES[command], session.home / "out", "--help")
    assert (output.code, output.err) == (0, "")
    pattern = r"^[ │] (?:-[hn] [A-Z]*,? ?)?(?:-h, )?(--[a-z][a-z-]*)"
    flags = set(re.findall(pattern, output.out, re.MULTILINE))
    assert flags - {"--help"} == set(FLAGS[command].split())


def test_a_run_has_the_expected_files(session):
    assert session.files == set(FILES.split())
    summary = json.loads((session.home / "RUN" / "metrics.json").read_text())
    assert summary == session.json(COMMAND_LINES["train"])
    assert [*session.rows("generated.csv")[0]] == MOLECULE.split()


def test_scores_stand_beside_the_null_models(session):
    trained = session.json(COMMAND_LINES["train"])
    assert trained["score"]["metric"] == "nll"
    names = ["this model", "fragments without context", "BRICS", "held-out molecules"]
    if trained["networks"]:
        assert set(trained["baselines"]) == {
            "counts of fragments",
            "fragments without context",
        }
        names.insert(1, "counts of fragments")
    assert [each["name"] for each in trained["samples"]] == names
    assert all(each["valid"] == 1 for each in trained["samples"])
    assert session.json("evaluate RUN")["score"] == trained["score"]
    assert session.json("report RUN")["score"] == trained["score"]
    rows = session.rows("predictions.csv")
    assert len(rows) == trained["score"]["n"]
    mean = sum(float(row["nll"]) for row in rows) / len(rows)
    assert mean == pytest.approx(trained["score"]["value"])
    assert {row["smiles"] for row in rows} <= session.molecules("test")


def test_other_molecules_can_be_evaluated(session):
    found = session.json("evaluate RUN DATA")
    assert "its test split" in session.call("evaluate RUN DATA", session.home).out
    assert found["score"] == session.json("evaluate RUN")["score"]
    found = session.json("evaluate RUN FEW")
    assert found["score"]["n"] == 9 and "training data" in found["verdict"]


def test_the_same_molecules_go_into_every_file(session, tmp_path):
    found = session.json("generate RUN -n 5")
    smiles = [row["smiles"] for row in found["molecules"]]
    assert found["n"] == len(set(smiles)) == 5
    for suffix in ("csv", "sdf", "smi", "html"):
        path = tmp_path / f"new.{suffix}"
        output = session.call("generate RUN -n 5", tmp_path, "--output", str(path))
        assert output.code == 0 and f"output: {path}" in output.out
    with (tmp_path / "new.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == MOLECULE.split()
    assert [row["smiles"] for row in rows] == smiles
    assert (tmp_path / "new.smi").read_text().split() == smiles
    mols = list(Chem.SDMolSupplier(str(tmp_path / "new.sdf")))
    assert [Chem.MolToSmiles(mol) for mol in mols] == smiles
    assert mols[0].GetProp("nearest") == rows[0]["nearest"]
    page = (tmp_path / "new.html").read_text()
    assert all(text in page for text in smiles) and "<svg" in page


def test_a_core_is_decorated_within_limits(session):
    words = "generate RUN -n 4 --grow c1ccc(*)cc1 --max-weight 300 --novel"
    found = session.json(words)
    for row in found["molecules"]:
        mol = Chem.MolFromSmiles(row["smiles"])
        assert mol.HasSubstructMatch(Chem.MolFromSmiles("c1ccccc1"))
        assert row["weight"] <= 300 and row["smiles"] not in session.molecules("train")


@pytest.mark.parametrize(
    ("objective", "goal"),
    [
        ("logp", "optimise"),
        ("PROPERTY", "minimise"),
        pytest.param("logp", "minimise", marks=pytest.mark.slow),
        pytest.param("PROPERTY", "optimise", marks=pytest.mark.slow),
    ],
)
def test_a_search_returns_the_best_first(objective, goal, session):
    words = f"generate RUN -n 6 --{goal} {objective} --budget 130 --max-weight 300"
    molecules = session.json(words)["molecules"]
    scores = [row["score"] for row in molecules]
    assert scores == sorted(scores, reverse=goal == "optimise") and len(scores) == 6
    assert all(row["weight"] <= 300 for row in molecules)
    if objective == "logp":
        for row in molecules:
            assert row["score"] == pytest.approx(row["logp"], abs=1e-3)


def test_a_property_model_scores_molecules_like_those_of_its_training(session):
    words = "generate RUN -n 130 --optimise PROPERTY --budget 130"
    model = load(session.home / "PROPERTY")
    for more in ("", " --extrapolate"):
        rows = session.json(words + more)["molecules"]
        smiles = [row["smiles"] for row in rows]
        similarity = model.predict_mols(model.mols_of(smiles)).neighbors.similarity
        outside = int((similarity[:, 0] < model.model_.outside).sum())
        assert (outside > 0) == bool(more)
        low, _ = model.predict_interval(smiles)
        assert [row["score"] for row in rows] == pytest.approx(low.tolist(), abs=1e-5)
    output = session.call(words, session.home)
    assert "unlike those of a property model's training" in output.out
    output = session.call(words + " --extrapolate", session.home)
    assert "unlike those" not in output.out


def test_several_objectives_have_a_front(session):
    words = "generate RUN -n 140 --optimise qed --minimise logp --budget 140"
    page = session.home / "front.html"
    output = session.call(words, session.home, "--output", str(page), "--json")
    rows = json.loads(output.out)["molecules"]
    points = [(row["score qed"], -row["score logp"]) for row in rows]
    for row, (a, b) in zip(rows, points, strict=True):
        dominated = any((c, d) != (a, b) and c >= a and d >= b for c, d in points)
        assert row["non_dominated"] != dominated
        assert row["score qed"] == pytest.approx(row["qed"], abs=1e-3)
    marks = [row["non_dominated"] for row in rows]
    assert marks == sorted(marks, reverse=True)
    assert "score logp" in page.read_text()


def test_a_search_begins_with_the_molecules_of_a_file(session):
    found = session.json("generate RUN -n 9 --optimise qed --budget 9 --start FEW")
    given = (session.home / "FEW.csv").read_text().split()[1:]
    given = {Chem.MolToSmiles(Chem.MolFromSmiles(text)) for text in given}
    assert {row["smiles"] for row in found["molecules"]} == given
    words = "generate RUN -n 2 --optimise qed --budget 1 --start SOME"
    found = session.json(words)
    assert found["n"] == 1 and "quarantined: xyz" in found["notes"][0]


def test_the_history_adds_up(session):
    found = session.json("explain RUN COc1ccccc1")
    assert found["max_error"] < 1e-5
    total = -sum(step["chosen"]["log_probability"] for step in found["steps"])
    assert total == pytest.approx(found["nll"])


def test_stereochemistry_and_unknown_fragments_are_named(session):
    found = session.json("explain RUN C[C@H](F)C1CCCCCCC1")
    assert found["unknown_fragments"] and len(found["notes"]) == 2
    assert "stereochemistry was dropped" in found["notes"][0]
    found = session.json("explain RUN CCN.Cl")
    assert found["molecule"] == "CCN" and "solvents removed: Cl" in found["notes"][0]


def test_the_task_chooses_the_domain_of_molecules(session):
    words = "check DATA --domain molecules --task generation"
    assert session.json(words)["domain"] == "generation"


@pytest.mark.parametrize(("words", "message"), ERRORS)
def test_a_user_error_is_one_message(words, message, session, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = session.call(words, tmp_path / "out")
    assert output.code == 2 and "Traceback" not in output.err
    if message is None:  # of the parser
        assert "Invalid choice" in output.err
        return
    assert output.err.count("vicinal: ") == 1
    assert re.match(message, output.err.split("vicinal: ")[1]), output.err
    assert list(tmp_path.iterdir()) == []
