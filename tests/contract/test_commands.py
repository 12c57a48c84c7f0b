"""The contract of the command line: every domain and every command.

For each domain a small run is trained through the command line, once a session. What
the commands print and write is pinned in the tables at the top and nowhere else: to
rename a key, a column, a file or a flag on purpose, change its table.
"""

import contextlib
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from vicinal.cli.app import main

# --- what is pinned --------------------------------------------------------------

OK, USER_ERROR = 0, 2

COMMANDS = ("check", "train", "evaluate", "predict", "explain", "inspect", "report")


class Domain(NamedTuple):
    """A domain, and data of it in the home folder of the session."""

    kind: str
    """what the data are: which commands, keys and columns there are"""

    data: str
    quick: str
    """flags that keep training short"""

    metric: str
    other_metrics: str
    baselines: tuple[str, ...]
    classes: tuple[str, ...]


IMAGES = "--epochs 2 --exact --no-cache --augment none"
NETWORK = "--epochs 2 --deliver networks"
LABELS_NEAR = "neighbours' labels alone"

DOMAINS = {
    "images classification": Domain(
        kind="images",
        data="images",
        quick=IMAGES,
        metric="accuracy",
        other_metrics="f1_macro",
        baselines=("most frequent class", "linear model on pixels"),
        classes=("dark", "grey", "light"),
    ),
    "images regression": Domain(
        kind="images",
        data="images.csv",
        quick=IMAGES,
        metric="mae",
        other_metrics="rmse r2",
        baselines=("median", "linear model on pixels"),
        classes=(),
    ),
    "nodes classification": Domain(
        kind="nodes",
        data="nodes",
        quick=f"{NETWORK} --network gcn --members 1",
        metric="accuracy",
        other_metrics="f1_macro",
        baselines=("most frequent class", "features alone", LABELS_NEAR),
        classes=("a", "b"),
    ),
    "nodes regression": Domain(
        kind="nodes",
        data="nodes-numbers",
        quick=f"{NETWORK} --network gcn --members 1",
        metric="mae",
        other_metrics="rmse r2",
        baselines=("median", "features alone", LABELS_NEAR),
        classes=(),
    ),
    "links": Domain(
        kind="links",
        data="nodes",
        quick=f"{NETWORK} --decoder dot",
        metric="auroc",
        other_metrics="average_precision mrr",
        baselines=("common neighbours", "Adamic-Adar", "Katz"),
        classes=("no edge", "edge"),
    ),
    "graphs classification": Domain(
        kind="graphs",
        data="graphs",
        quick=NETWORK,
        metric="accuracy",
        other_metrics="f1_macro",
        baselines=("most frequent class", "answer without edges"),
        classes=("chord", "ring"),
    ),
    "graphs regression": Domain(
        kind="graphs",
        data="graphs-numbers",
        quick=NETWORK,
        metric="mae",
        other_metrics="rmse r2",
        baselines=("median", "answer without edges"),
        classes=(),
    ),
}

# What is typed. RUN is the domain's run, FIRST another one whose model is the first
# answer and no network, OUT a new folder, QUICK the domain's flags of training.
COMMAND_LINES = {
    ("images", "check"): "check DATA",
    ("images", "train"): "train DATA --out OUT QUICK",
    ("images", "evaluate"): "evaluate RUN DATA",
    ("images", "predict"): "predict RUN DATA",
    ("images", "explain"): "explain RUN IMAGE",
    ("images", "inspect"): "inspect RUN",
    ("images", "report"): "report RUN",
    ("nodes", "check"): "check DATA",
    ("nodes", "train"): "train DATA --out OUT QUICK",
    ("nodes", "evaluate"): "evaluate RUN",
    ("nodes", "predict"): "predict RUN",
    ("nodes", "explain"): "explain RUN n1",
    ("nodes", "inspect"): "inspect RUN n1",
    ("nodes", "report"): "report RUN",
    ("links", "check"): "check DATA --task links",
    ("links", "train"): "train DATA --out OUT --task links QUICK",
    ("links", "evaluate"): "evaluate RUN",
    ("links", "predict"): "predict RUN",
    ("links", "explain"): "explain FIRST n1 n2",  # of a network there is none
    ("links", "inspect"): "inspect RUN n1 n2",
    ("links", "report"): "report RUN",
    ("graphs", "check"): "check DATA",
    ("graphs", "train"): "train DATA --out OUT QUICK",
    ("graphs", "evaluate"): "evaluate RUN",
    ("graphs", "predict"): "predict RUN DATA",
    ("graphs", "explain"): "explain RUN DATA g1",
    ("graphs", "inspect"): "inspect RUN DATA g1",
    ("graphs", "report"): "report RUN",
}
FIRST_ANSWER = {
    "images": "train DATA --out OUT QUICK",
    "nodes": "train DATA --out OUT --network none",
    "links": "train DATA --out OUT --task links --decoder none",
    "graphs": "train DATA --out OUT --network none",
}
"""how a domain's second run is trained, without --json: that of FIRST"""

TRAINING = (
    "--out --resume --seed --json --epochs --batch-size --lr --weight-decay "
    "--label-smoothing --class-weight --patience --minutes --precision --exact "
    "--checkpoint-seconds --val-fraction --test-fraction "
)
NETWORKS = "--deliver --hidden --layers --dropout "

# The flags that --help tells of, besides --help itself.
FLAGS = {
    ("images", "check"): "--task --target --labels --quarantine --max-pixels --json",
    ("images", "train"): TRAINING + "--task --target --labels --device --weights "
    "--backbone --max-ms --max-mb --image-size --resize --augment --freeze --stages "
    "--layer-decay --ema --batch-norm --false-alarm --shortcuts --no-scratch "
    "--no-near-duplicates --group-column --group-pattern --max-pixels --no-cache",
    ("images", "evaluate"): "--target --output --json",
    ("images", "predict"): "--output --json",
    ("images", "explain"): "--method --target --against --output --seed --json",
    ("images", "inspect"): "--layer --at --back --show --channels --target --output "
    "--seed --json",
    ("images", "report"): "--shortcuts --beside-dense --json",
    ("nodes", "check"): "--edges --task --target --directed --quarantine --json",
    ("nodes", "train"): TRAINING + NETWORKS + "--edges --task --target --network "
    "--heads --members --neighbours --memory --nodes-per-batch --directed "
    "--group-column --time-column",
    ("nodes", "evaluate"): "--edges --target --output --json",
    ("nodes", "predict"): "--new-nodes --new-edges --output --embeddings --json",
    ("nodes", "explain"): "--target --new-nodes --new-edges --output --seed --json",
    ("nodes", "inspect"): "--new-nodes --new-edges --output --json",
    ("nodes", "report"): "--json",
    ("links", "check"): "--edges --task --relation-column --quarantine --json",
    ("links", "train"): TRAINING + NETWORKS + "--edges --task --decoder "
    "--relation-column --embeddings",
    ("links", "evaluate"): "--output --json",
    ("links", "predict"): "--relation --top --output --embeddings --json",
    ("links", "explain"): "--relation --output --json",
    ("links", "inspect"): "--relation --json",
    ("links", "report"): "--json",
    ("graphs", "check"): "--task --target --quarantine --json",
    ("graphs", "train"): TRAINING + NETWORKS + "--task --target --network "
    "--edges-per-batch",
    ("graphs", "evaluate"): "--target --output --json",
    ("graphs", "predict"): "--output --embeddings --json",
    ("graphs", "explain"): "--target --output --seed --json",
    ("graphs", "inspect"): "--node --target --json",
    ("graphs", "report"): "--json",
}

EVALUATION = "score scores baselines classes confusion calibration_error notes "
TRAINED = EVALUATION + "run seconds quarantined parameters "
OF_A_GRAPH = "first_answer first_seconds delivered networks kept_because "

# The top-level keys of --json.
KEYS = {
    ("images", "check"): "data pictures usable quarantined labels classes sizes grey "
    "formats copies notes quarantine",
    ("images", "train"): TRAINED + "pictures epochs alike agreement shortcuts",
    ("images", "evaluate"): EVALUATION + "run data seconds",
    ("images", "predict"): "run n unreadable unknown output predictions seconds",
    ("images", "explain"): "run picture explanations drawing",
    ("images", "inspect"): "run layers",
    ("images", "report"): "run page score",
    ("nodes", "check"): "data task graph features notes quarantined",
    ("nodes", "train"): TRAINED + OF_A_GRAPH + "nodes graph",
    ("nodes", "evaluate"): EVALUATION + "run data seconds",
    ("nodes", "predict"): "run predictions set_aside notes",
    ("nodes", "explain"): "run node target score what verdict p method not_tried whole "
    "edges features",
    ("nodes", "inspect"): "run node layers answer temperature",
    ("nodes", "report"): "run page score",
    ("links", "check"): "data task pairs possible graph features notes quarantined",
    ("links", "train"): TRAINED + OF_A_GRAPH + "pairs graph",
    ("links", "evaluate"): EVALUATION + "run seconds",
    ("links", "predict"): "run predictions",
    ("links", "explain"): "run source target relation score chance listed base off "
    "parts",
    ("links", "inspect"): "run source target relation score base off parts layers",
    ("links", "report"): "run page score",
    ("graphs", "check"): "data task graphs nodes edges features notes quarantined",
    ("graphs", "train"): TRAINED + OF_A_GRAPH + "graphs set",
    ("graphs", "evaluate"): EVALUATION + "run data seconds",
    ("graphs", "predict"): "run predictions",
    ("graphs", "explain"): "run graph target score what verdict p nodes",
    ("graphs", "inspect"): "run graph target score answer temperature base off "
    "readouts nodes",
    ("graphs", "report"): "run page score",
}
FIRST_ANSWER_KEYS = {
    "nodes": "run node target score what off rest nodes features",
    "links": KEYS["links", "explain"],
    "graphs": KEYS["graphs", "explain"],
}
"""those of `explain` where the model is the first answer"""

INFO_KEYS = {
    *"vicinal python packages system processor cores threads device".split(),
    *("networks", "networks for graphs", "weights", "cache"),
}

SCORE = ["metric", "value", "low", "high", "n"]
PARTS = {"images": "pictures", "nodes": "nodes", "links": "pairs", "graphs": "graphs"}
"""the key of `train` under which there is a count of each part of the split"""

# The files of a run.
FILES = (
    "settings.json env.json classes.json data/index.csv data/splits.csv "
    "data/quarantine.csv model.json model.safetensors metrics.json metrics.csv "
    "predictions.csv report.html report.json report.txt .lock"
)
MORE_FILES = {
    "images": "baseline.safetensors checkpoints/last.safetensors",
    "nodes": "checkpoints/member-0.safetensors",
    "links": "checkpoints/last.safetensors",
    "graphs": "checkpoints/last.safetensors",
}
JSON_FILES = {
    ("images", "settings.json"): "data task target labels parameters estimator",
    ("nodes", "settings.json"): "data task target edges parameters estimator",
    ("links", "settings.json"): "data task target edges parameters estimator",
    ("graphs", "settings.json"): "data task target edges parameters estimator",
    ("*", "env.json"): "vicinal python packages system started",
    ("*", "report.json"): "title subtitle sections",
}
CSV_FILES = {
    ("*", "metrics.csv"): "epoch train_loss val_loss val_score lr seconds per_second "
    "best",
    ("images", "data/index.csv"): "path label usable width height content",
    ("nodes", "data/index.csv"): "id label",
    ("links", "data/index.csv"): "id",
    ("graphs", "data/index.csv"): "id label",
    ("images", "data/splits.csv"): "path split",
    ("nodes", "data/splits.csv"): "id split",
    ("links", "data/splits.csv"): "source target label split",
    ("graphs", "data/splits.csv"): "id split",
    ("images", "data/quarantine.csv"): "path label reason",
    ("nodes", "data/quarantine.csv"): "name label reason",
    ("links", "data/quarantine.csv"): "name label reason",
    ("graphs", "data/quarantine.csv"): "name label reason",
}
"""columns, in their order; `*`: of every kind"""

# The columns of predictions: predictions.csv of the run, and --output of two commands.
PREDICTIONS = {
    ("images classification", "train"): "path label predicted probability p_dark "
    "p_grey p_light",
    ("images classification", "evaluate"): "path label predicted probability p_dark "
    "p_grey p_light",
    ("images classification", "predict"): "path predicted probability unknown p_dark "
    "p_grey p_light reason",
    ("images regression", "train"): "path label predicted",
    ("images regression", "evaluate"): "path label predicted",
    ("images regression", "predict"): "path predicted probability unknown reason",
    ("nodes classification", "train"): "id part label predicted probability p_a p_b",
    ("nodes classification", "evaluate"): "id label predicted probability p_a p_b",
    ("nodes classification", "predict"): "id predicted probability p_a p_b alone",
    ("nodes regression", "train"): "id part label predicted",
    ("nodes regression", "evaluate"): "id label predicted",
    ("nodes regression", "predict"): "id predicted alone",
    ("links", "train"): "source target chance log_odds",
    ("links", "evaluate"): "source target label chance",
    ("links", "predict"): "source target chance log_odds",
    ("graphs classification", "train"): "id part label predicted probability p_chord "
    "p_ring",
    ("graphs classification", "evaluate"): "id label predicted probability p_chord "
    "p_ring",
    ("graphs classification", "predict"): "id predicted probability p_chord p_ring",
    ("graphs regression", "train"): "id part label predicted",
    ("graphs regression", "evaluate"): "id label predicted",
    ("graphs regression", "predict"): "id predicted",
}

# What a user gets wrong: the domains (* is all of them), what is typed, and the
# beginning of the one message, without the program's name before it.
NO_DATA, NO_MODEL = "There is nothing at ", "There is no model in "
RUN_AS_DATA = r"\S+ is a run that .* made, and no data"
ERRORS = [
    ("*", "check NOWHERE", NO_DATA),
    ("*", "train NOWHERE --out OUT", NO_DATA),
    ("*", "check RUN", RUN_AS_DATA),
    ("*", "train RUN --out OUT", RUN_AS_DATA),
    ("links", "check NOWHERE --task links", NO_DATA),
    ("links", "train NOWHERE --task links --out OUT", NO_DATA),
    ("links", "check RUN --task links", r"\S+ is a run|The folder \S+ holds no edges"),
    ("images", "evaluate RUN NOWHERE", NO_DATA),
    ("nodes", "evaluate RUN NOWHERE", NO_DATA),
    ("graphs", "evaluate RUN NOWHERE", NO_DATA),
    ("images", "predict RUN NOWHERE", "No picture can be read"),
    ("nodes", "predict RUN NOWHERE", "There is no node "),
    ("links", "predict RUN n1 NOWHERE", "There is no node "),
    ("graphs", "predict RUN NOWHERE", NO_DATA),
    ("images", "explain RUN NOWHERE", r"\S+ cannot be read: there is no such file"),
    ("nodes", "explain RUN NOWHERE", "There is no node "),
    ("links", "explain FIRST n1 NOWHERE", "There is no node "),
    ("graphs", "explain RUN NOWHERE g1", NO_DATA),
    ("images", "inspect RUN NOWHERE", "No picture can be read"),
    ("nodes", "inspect RUN NOWHERE", "There is no node "),
    ("links", "inspect RUN n1 NOWHERE", "There is no node "),
    ("graphs", "inspect RUN NOWHERE g1", NO_DATA),
    ("images", "evaluate RUN RUN", RUN_AS_DATA),
    ("nodes", "evaluate RUN RUN", r"The folder \S+ holds no edges.csv"),
    ("graphs", "evaluate RUN RUN", r"\S+ holds no graphs"),
    ("graphs", "predict RUN RUN", r"\S+ holds no graphs"),
    ("*", "train DATA --epochs 0 --out OUT", "epochs must be a whole number, 1 or"),
    ("*", "train DATA --test-fraction 2 --out OUT", "test_fraction must be from 0 to"),
    ("*", "train DATA --seed -1 --out OUT", "random_state must be a whole number, 0"),
    ("*", "train DATA --task guess --out OUT", "PARSER Invalid choice"),
    ("links", "predict RUN --top 0", "top must be 1 or more"),
    ("nodes", "explain RUN n1 --seed -1", "seed must be a whole number, 0 or more"),
    ("graphs", "explain RUN DATA g1 --seed -1", "seed must be a whole number, 0 or"),
    ("images", "evaluate RUN DATA --output x.txt", "--output must be a .csv file"),
    ("nodes", "evaluate RUN --output x.txt", "--output must be a .csv file"),
    ("links", "evaluate RUN --output x.txt", "--output must be a .csv file"),
    ("graphs", "evaluate RUN --output x.txt", "--output must be a .csv file"),
    ("images", "predict RUN DATA --output x.txt", "--output must be a .csv file"),
    ("nodes", "predict RUN --output x.txt", "--output must be a .csv file"),
    ("links", "predict RUN --output x.txt", "--output must be a .csv file"),
    ("graphs", "predict RUN DATA --output x.txt", "--output must be a .csv file"),
]
ERRORS_WITHOUT_DATA = [
    ("trian", "There is no verb 'trian'. Did you mean 'train'"),
    ("--colour red", "PARSER Unrecognized options"),
    *((command, "PARSER Required options") for command in COMMANDS),
    ("info --colour red", "PARSER Unrecognized options"),
    ("demo --colour red", "PARSER Unrecognized options"),
    ("demo moon", "PARSER Invalid choice"),
    ("demo --seeds many", "PARSER Value error"),
    ("demo graphs --seeds 0", "seeds must be 1 or more. Got 0"),
]
PROGRAM = "vicinal: "
PARSER = re.compile(
    r"^(?:╭─)? (Missing subcommand|Required options|Unrecognized options|Invalid choice"
    r"|Value error)[ ─╮]*$",
    re.MULTILINE,
)
"""the first line of a message of the parser of the command line"""


# --- the runs of a session -------------------------------------------------------


class Output(NamedTuple):
    """What a command gave back."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout, which is all there is."""
        assert self.code == OK, self.err
        assert self.out.endswith("\n") and self.out.count("\n") == 1
        found = json.loads(self.out, parse_constant=pytest.fail)
        assert isinstance(found, dict)
        return found


def run_command(words: list[str]) -> Output:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return Output(code, out.getvalue(), err.getvalue())


class Session:
    """The data and the runs of a session; each command is run once."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.outputs: dict[tuple[str, ...], Output] = {}
        self.files: dict[str, set[str]] = {}
        """files of each run when its training had ended"""

    def run(self, domain: str) -> Path:
        """The run of a domain."""
        self.output(domain, "train", "--json")
        return self._folder(domain, "run")

    def first(self, domain: str) -> Path:
        """A run of a domain whose model is the first answer."""
        self.output(domain, "train")
        return self._folder(domain, "first")

    def output(self, domain: str, command: str, *more: str) -> Output:
        """What a command of a domain gave back; more: flags behind it."""
        key, kind = (domain, command, *more), kind_of(domain)
        if key not in self.outputs:
            words, folder = COMMAND_LINES[kind, command], self._folder(domain, "run")
            if command == "train" and not more:
                words, folder = FIRST_ANSWER[kind], self._folder(domain, "first")
            self.outputs[key] = self.call(domain, words, folder, *more)
            if command == "train" and more:
                paths = (p for p in folder.rglob("*") if p.is_file())
                names = {p.relative_to(folder).as_posix() for p in paths}
                self.files[domain] = names
        return self.outputs[key]

    def json(self, domain: str, command: str) -> dict[str, Any]:
        return self.output(domain, command, "--json").json()

    def call(self, domain: str, words: str, out: Path, *more: str) -> Output:
        """Run a command line with the paths of a domain in it."""
        return run_command([*self._filled(domain, words, out), *more])

    def _filled(self, domain: str, words: str, out: Path) -> Iterator[str]:
        for word in words.split():
            match word:
                case "DATA":
                    yield str(self.home / DOMAINS[domain].data)
                case "IMAGE":
                    yield str(self.home / "images" / "dark" / "0.png")
                case "NOWHERE":
                    yield str(self.home / "nowhere")
                case "RUN":
                    yield str(self.run(domain))
                case "FIRST":
                    yield str(self.first(domain))
                case "OUT":
                    yield str(out)
                case "QUICK":
                    yield from DOMAINS[domain].quick.split()
                case _:
                    yield word

    def _folder(self, domain: str, name: str) -> Path:
        return self.home / f"{domain.replace(' ', '-')}-{name}"


@pytest.fixture(scope="session")
def session(tmp_path_factory) -> Session:
    home = tmp_path_factory.mktemp("commands")
    make_images(home)
    make_nodes(home)
    make_graphs(home)
    return Session(home)


def make_images(home: Path) -> None:
    """24 images of 8 x 8 pixels, in folders by class, and a CSV with numbers."""
    rows = ["path,label"]
    for row, name in enumerate(("dark", "grey", "light")):
        (home / "images" / name).mkdir(parents=True)
        for k in range(8):
            image = Image.new("L", (8, 8), 40 + 80 * row + k)
            image.putpixel((k % 8, k // 8), 255 - 100 * row)
            image.save(home / "images" / name / f"{k}.png")
            rows.append(f"images/{name}/{k}.png,{40 + 80 * row + k}.5")
    (home / "images.csv").write_text("\n".join(rows))


def make_nodes(home: Path) -> None:
    """A graph of 60 nodes with a class each, and the same with a number each."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 2))
    features[::2, 0] += 1
    ends = {(k, int(rng.integers(k // 2)) * 2 + k % 2) for k in range(4, 60)}
    ends |= {(k, (k + 2) % 60) for k in range(60)} | {(k, k - 1) for k in (5, 18)}
    edges = "".join(f"n{a},n{b}\n" for a, b in sorted(ends) if a != b)
    for name in ("nodes", "nodes-numbers"):
        (home / name).mkdir()
        (home / name / "edges.csv").write_text(f"source,target\n{edges}")
        rows = ["id,a,b,label"]
        for k, (a, b) in enumerate(features):
            label = "ab"[k % 2] if name == "nodes" else f"{20 + 3 * a:.3f}"
            rows.append(f"n{k},{a:.4f},{b:.4f},{label}")
        (home / name / "nodes.csv").write_text("\n".join(rows))


def make_graphs(home: Path) -> None:
    """40 rings, half of them with a chord, with a class each, and a number each."""
    for name in ("graphs", "graphs-numbers"):
        (home / name).mkdir()
        edges, labels = ["graph_id,source,target"], ["graph_id,label"]
        for k in range(40):
            size, chord = 5 + k % 5, k % 2
            ends = [(v, (v + 1) % size) for v in range(size)] + [(0, 2)] * chord
            edges += [f"g{k},{a},{b}" for a, b in ends]
            label = ("ring", "chord")[chord]
            labels.append(f"g{k},{label if name == 'graphs' else size + chord / 4}")
        (home / name / "edges.csv").write_text("\n".join(edges))
        (home / name / "graphs.csv").write_text("\n".join(labels))


every_domain = pytest.mark.parametrize("domain", DOMAINS)
every_command = pytest.mark.parametrize("command", COMMANDS)


def kind_of(domain: str) -> str:
    return DOMAINS[domain].kind


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        return list(reader.fieldnames or ()), rows


# --- what is printed -------------------------------------------------------------


@every_command
@every_domain
def test_json_is_one_object_with_the_keys_of_the_table(domain, command, session):
    found = session.json(domain, command)
    assert set(found) == set(KEYS[kind_of(domain), command].split())


@every_command
@every_domain
def test_without_json_there_is_text(domain, command, session):
    output = session.output(domain, command)
    assert (output.code, output.err) == (OK, "") and output.out.strip()
    for text in (output.out, *output.out.splitlines()):
        with contextlib.suppress(ValueError):
            assert not isinstance(json.loads(text), dict)


@every_command
@every_domain
def test_help_tells_of_the_flags_of_the_table(domain, command, session, tmp_path):
    words = COMMAND_LINES[kind_of(domain), command]
    output = session.call(domain, words, tmp_path / "out", "--help")
    assert (output.code, output.err) == (OK, "")
    flags = set(
        re.findall(r"^[ │] (?:-h, )?(--[a-z][a-z-]*)", output.out, re.MULTILINE)
    )
    assert flags - {"--help"} == set(FLAGS[kind_of(domain), command].split())


@every_command
@every_domain
def test_run_data_and_seconds(domain, command, session):
    found = session.json(domain, command)
    words = COMMAND_LINES[kind_of(domain), command].split()
    if command != "check":
        folder = session.first(domain) if "FIRST" in words else session.run(domain)
        assert found["run"] == str(folder)
    if "data" in found:
        data = str(session.home / DOMAINS[domain].data)
        assert found["data"] == (data if "DATA" in words else None)
    if "seconds" in found:
        assert isinstance(found["seconds"], float) and 0 <= found["seconds"] < 60


@pytest.mark.parametrize("kind", FIRST_ANSWER_KEYS)
def test_keys_of_an_explanation_of_the_first_answer(kind, session, tmp_path):
    domain = next(name for name in DOMAINS if kind_of(name) == kind)
    words = COMMAND_LINES[kind, "explain"].replace("RUN", "FIRST")
    found = session.call(domain, words, tmp_path, "--json").json()
    assert set(found) == set(FIRST_ANSWER_KEYS[kind].split())


def test_info_has_keys():
    output = run_command(["info", "--json"])
    assert set(output.json()) == INFO_KEYS


# --- scores ----------------------------------------------------------------------


def check_score(score: dict[str, Any], metric: str, n: int) -> None:
    assert list(score) == SCORE
    assert (score["metric"], score["n"]) == (metric, n)
    low, value, high = score["low"], score["value"], score["high"]
    assert isinstance(value, float)
    assert (low is None) == (high is None)
    assert low is None or low - 1e-9 <= value <= high + 1e-9


@pytest.mark.parametrize("command", ["train", "evaluate"])
@every_domain
def test_scores_and_baselines(domain, command, session):
    wanted, found = DOMAINS[domain], session.json(domain, command)
    n = found["score"]["n"]
    assert n > 0
    check_score(found["score"], wanted.metric, n)
    assert [s["metric"] for s in found["scores"]] == wanted.other_metrics.split()
    for score in found["scores"]:
        check_score(score, score["metric"], n)
    assert set(found["baselines"]) == set(wanted.baselines)
    for score in found["baselines"].values():
        check_score(score, wanted.metric, n)


@every_domain
def test_the_score_is_of_the_test_part_and_the_same_everywhere(domain, session):
    trained = session.json(domain, "train")
    parts = trained[PARTS[kind_of(domain)]]
    assert set(parts) == {"train", "val", "test"}
    assert trained["score"]["n"] == parts["test"]
    assert session.json(domain, "report")["score"] == trained["score"]
    if kind_of(domain) != "images":  # which are evaluated on all their data here
        found = session.json(domain, "evaluate")
        assert found["score"] == trained["score"]
        assert found["baselines"] == trained["baselines"]


def score_of(metric: str, rows: list[dict[str, str]]) -> float:
    """The score that a table of predictions gives."""
    assert rows
    if metric == "accuracy":
        return float(np.mean([row["label"] == row["predicted"] for row in rows]))
    if metric == "mae":
        errors = [float(row["label"]) - float(row["predicted"]) for row in rows]
        return float(np.abs(errors).mean())
    assert metric == "auroc"
    edges = [row["label"] == "edge" for row in rows]
    return float(roc_auc_score(edges, [float(row["chance"]) for row in rows]))


@every_domain
def test_the_score_of_evaluate_is_that_of_its_predictions(domain, session):
    path = session.home / f"evaluate {domain}.csv"
    output = session.output(domain, "evaluate", "--output", str(path), "--json").json()
    columns, rows = read_rows(path)
    assert columns == PREDICTIONS[domain, "evaluate"].split()
    assert output["score"] == session.json(domain, "evaluate")["score"]
    assert len(rows) == output["score"]["n"]
    close = 5e-3 if domain == "links" else 1e-9  # chances are rounded, so some tie
    score = score_of(DOMAINS[domain].metric, rows)
    assert score == pytest.approx(output["score"]["value"], abs=close)


@pytest.mark.parametrize("domain", [d for d in DOMAINS if d != "links"])
def test_the_predictions_of_evaluate_have_the_labels_of_the_data(domain, session):
    path = session.home / f"labels {domain}.csv"
    output = session.output(domain, "evaluate", "--output", str(path), "--json").json()
    (name, *_), rows = read_rows(path)
    _, index = read_rows(session.run(domain) / "data" / "index.csv")
    data = session.home / DOMAINS[domain].data
    place = data if data.is_dir() else data.parent
    images = kind_of(domain) == "images"
    names = [str(place / row[name]) if images else row[name] for row in index]
    labels = {n: row["label"] for n, row in zip(names, index, strict=True)}
    assert all(row["label"] == labels[row[name]] for row in rows)
    classes = DOMAINS[domain].classes
    pairs = Counter((row["label"], row["predicted"]) for row in rows)
    confusion = [[pairs[a, b] for b in classes] for a in classes]
    assert output["confusion"] == (confusion or None)


@every_domain
def test_the_score_of_train_is_that_of_its_predictions(domain, session):
    path = session.run(domain) / "predictions.csv"
    columns, rows = read_rows(path)
    assert columns == PREDICTIONS[domain, "train"].split()
    if domain == "links":  # of which likely pairs that are no edges yet are kept
        assert rows
        return
    held_out = [row for row in rows if row.get("part", "test") == "test"]
    score = session.json(domain, "train")["score"]
    assert len(held_out) == score["n"]
    found = score_of(DOMAINS[domain].metric, held_out)
    assert found == pytest.approx(score["value"], rel=1e-6)


# --- predictions -----------------------------------------------------------------


@every_domain
def test_predictions_are_the_same_in_json_and_csv(domain, session):
    path = session.home / f"predict {domain}.csv"
    output = session.output(domain, "predict", "--output", str(path), "--json").json()
    columns, rows = read_rows(path)
    assert columns == PREDICTIONS[domain, "predict"].split()
    assert rows and len(rows) == len(output["predictions"])
    for row, prediction in zip(rows, output["predictions"], strict=True):
        filled = {name: cell for name, cell in row.items() if cell != ""}
        assert filled == {name: str(value) for name, value in prediction.items()}
    assert output["predictions"] == session.json(domain, "predict")["predictions"]


# --- the files of a run ----------------------------------------------------------


@every_domain
def test_files_of_a_run(domain, session):
    session.run(domain)
    wanted = set(FILES.split()) | set(MORE_FILES[kind_of(domain)].split())
    assert session.files[domain] == wanted


@every_domain
def test_what_is_in_the_files_of_a_run(domain, session):
    folder, trained = session.run(domain), session.json(domain, "train")

    def read(name: str) -> Any:
        return json.loads((folder / name).read_text(encoding="utf-8"))

    assert read("metrics.json") == trained
    assert read("classes.json") == list(DOMAINS[domain].classes)
    for (kind, name), keys in JSON_FILES.items():
        if kind in ("*", kind_of(domain)):
            assert set(read(name)) == set(keys.split()), name
    for (kind, name), columns in CSV_FILES.items():
        if kind in ("*", kind_of(domain)):
            assert read_rows(folder / name)[0] == columns.split(), name
    data = session.home / DOMAINS[domain].data
    assert read("settings.json")["data"] == str(data)


@every_domain
def test_the_split_that_is_counted_is_the_split_that_is_written(domain, session):
    _, rows = read_rows(session.run(domain) / "data" / "splits.csv")
    counts = Counter(row["split"] for row in rows)
    parts = session.json(domain, "train")[PARTS[kind_of(domain)]]
    if domain == "links":  # as many pairs that are no edges are drawn as it learns
        counts["train"] *= 2
    assert dict(counts) == parts


# --- what a user gets wrong ------------------------------------------------------


def check_error(output: Output, message: str) -> None:
    """There is one message on stderr, no traceback, and no result."""
    assert output.code == USER_ERROR
    assert "Traceback" not in output.err
    titles = PARSER.findall(output.err)
    assert output.err.count(PROGRAM) + len(titles) == 1, output.err
    if message.startswith("PARSER "):
        assert titles == [message.removeprefix("PARSER ")]
    else:
        assert re.match(message, output.err.split(PROGRAM)[1]), output.err


CASES = [
    pytest.param(domain, words, message, id=f"{domain}: {words}")
    for kind, words, message in ERRORS
    for domain in DOMAINS
    if kind in ("*", kind_of(domain))
]


@pytest.mark.parametrize(("domain", "words", "message"), CASES)
def test_an_error_of_the_user_is_one_message(
    domain, words, message, session, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    output = session.call(domain, words, tmp_path / "out", "--json")
    check_error(output, message)
    assert output.out == ""
    check_error(session.call(domain, words, tmp_path / "out"), message)
    assert list(tmp_path.iterdir()) == []  # no half-made run is left


@pytest.mark.parametrize(("words", "message"), ERRORS_WITHOUT_DATA)
def test_an_error_of_the_user_without_data_is_one_message(
    words, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for more in ([], ["--json"]):
        output = run_command([*words.split(), *more])
        check_error(output, message)
        assert output.out == ""


@every_command
@every_domain
def test_an_unknown_flag_is_one_message(domain, command, session, tmp_path):
    words = COMMAND_LINES[kind_of(domain), command]
    output = session.call(domain, words, tmp_path / "out", "--colour", "--json")
    check_error(output, "PARSER Unrecognized options")
    assert output.out == "" and "--colour" in output.err


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c not in ("check", "train")]
)
@every_domain
def test_a_missing_run_is_one_message(domain, command, session, tmp_path):
    words = re.sub("RUN|FIRST", "NOWHERE", COMMAND_LINES[kind_of(domain), command])
    if words == "evaluate NOWHERE":  # what it takes besides is not known
        words += " DATA"
    output = session.call(domain, words, tmp_path, "--json")
    check_error(output, NO_MODEL)
    assert output.out == ""


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c not in ("check", "train")]
)
@every_domain
def test_data_in_place_of_a_run_are_one_message(domain, command, session, tmp_path):
    words = re.sub("RUN|FIRST", "DATA", COMMAND_LINES[kind_of(domain), command])
    output = session.call(domain, words, tmp_path, "--json")
    assert (
        output.code == USER_ERROR and output.out == "" and "Traceback" not in output.err
    )
    assert output.err.count(PROGRAM) + len(PARSER.findall(output.err)) == 1
