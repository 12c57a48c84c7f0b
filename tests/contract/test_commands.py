"""The contract of the command line: every command in every domain that predicts.

`test_generation_commands` has those of new molecules, `test_interaction_commands` those
of sets of drugs, `test_knowledge_commands` those of knowledge graphs. For each domain a
small run is trained through the command line, once a session. The tables at the top,
and nothing else, fix what the commands print and write: to rename a key, a column, a
file or a flag on purpose, change its table.
"""

import contextlib
import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from vicinal.domains import DOMAINS as ALL_DOMAINS

# --- the tables --------------------------------------------------------------

OK, USER_ERROR = 0, 2

IN_A_FILE_OF_THEIR_OWN = {"interactions", "triples", "recommendation", "importance"}
COMMANDS = ("check", "train", "evaluate", "predict", "explain", "inspect", "report")


class Case(NamedTuple):
    """A domain and a task, with data in the home directory of the session."""

    kind: str
    """name of the domain"""

    data: str
    quick: str
    """flags that keep training short"""

    metric: str
    other_metrics: str
    baselines: tuple[str, ...]
    classes: tuple[str, ...]


IMAGES = "--epochs 2 --deterministic --no-cache --augment none"
NETWORK = "--epochs 2 --keep network"
LABEL_PROPAGATION = "label propagation"
MOLECULE_BASELINES = ("mean", "molecular weight and logP", "nearest molecule")
MOLECULES = (
    f"{NETWORK} --hidden 8 --test-fraction 0.3 --descriptors fast --split random"
)

DOMAINS = {
    "images classification": Case(
        kind="images",
        data="images",
        quick=IMAGES,
        metric="accuracy",
        other_metrics="f1_macro",
        baselines=("most frequent class", "linear model on pixels"),
        classes=("dark", "grey", "light"),
    ),
    "images regression": Case(
        kind="images",
        data="images.csv",
        quick=IMAGES,
        metric="mae",
        other_metrics="rmse r2",
        baselines=("median", "linear model on pixels"),
        classes=(),
    ),
    "nodes classification": Case(
        kind="nodes",
        data="nodes",
        quick=f"{NETWORK} --network gcn --ensemble-size 1",
        metric="accuracy",
        other_metrics="f1_macro",
        baselines=(
            "most frequent class",
            "linear model without edges",
            LABEL_PROPAGATION,
        ),
        classes=("a", "b"),
    ),
    "nodes regression": Case(
        kind="nodes",
        data="nodes-numbers",
        quick=f"{NETWORK} --network gcn --ensemble-size 1",
        metric="mae",
        other_metrics="rmse r2",
        baselines=("median", "linear model without edges", LABEL_PROPAGATION),
        classes=(),
    ),
    "links": Case(
        kind="links",
        data="nodes",
        quick=f"{NETWORK} --decoder dot",
        metric="auroc",
        other_metrics="average_precision mrr",
        baselines=("common neighbours", "Adamic-Adar", "Katz"),
        classes=("no edge", "edge"),
    ),
    "graphs classification": Case(
        kind="graphs",
        data="graphs",
        quick=NETWORK,
        metric="accuracy",
        other_metrics="f1_macro",
        baselines=("most frequent class", "linear model without edges"),
        classes=("chord", "ring"),
    ),
    "graphs regression": Case(
        kind="graphs",
        data="graphs-numbers",
        quick=NETWORK,
        metric="mae",
        other_metrics="rmse r2",
        baselines=("median", "linear model without edges"),
        classes=(),
    ),
    "molecules classification": Case(
        kind="molecules",
        data="molecules.csv",
        quick=MOLECULES,
        metric="auroc",
        other_metrics="average_precision accuracy",
        baselines=MOLECULE_BASELINES,
        classes=("acid", "amine"),
    ),
    "molecules regression": Case(
        kind="molecules",
        data="molecules-numbers.csv",
        quick=MOLECULES,
        metric="rmse",
        other_metrics="mae r2",
        baselines=MOLECULE_BASELINES,
        classes=(),
    ),
}

# What is typed. RUN is the domain's run, BASELINE another one whose model is the linear
# baseline, OUT a new directory, QUICK the flags that keep training short.
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
    ("links", "check"): "check DATA --domain links",
    ("links", "train"): "train DATA --out OUT --domain links QUICK",
    ("links", "evaluate"): "evaluate RUN",
    ("links", "predict"): "predict RUN",
    ("links", "explain"): "explain BASELINE n1 n2",  # there is none of a network
    ("links", "inspect"): "inspect RUN n1 n2",
    ("links", "report"): "report RUN",
    ("graphs", "check"): "check DATA",
    ("graphs", "train"): "train DATA --out OUT QUICK",
    ("graphs", "evaluate"): "evaluate RUN",
    ("graphs", "predict"): "predict RUN DATA",
    ("graphs", "explain"): "explain RUN DATA g1",
    ("graphs", "inspect"): "inspect RUN DATA g1",
    ("graphs", "report"): "report RUN",
    ("molecules", "check"): "check DATA",
    ("molecules", "train"): "train DATA --out OUT QUICK",
    ("molecules", "evaluate"): "evaluate RUN",
    ("molecules", "predict"): "predict RUN DATA",
    ("molecules", "explain"): "explain RUN CCCO",
    ("molecules", "inspect"): "inspect RUN CCCO",
    ("molecules", "report"): "report RUN",
}
TRAIN_BASELINE = {
    "images": "train DATA --out OUT QUICK",
    "nodes": "train DATA --out OUT --network none",
    "links": "train DATA --out OUT --domain links --decoder none",
    "graphs": "train DATA --out OUT --network none",
    "molecules": "train DATA --out OUT --network none --descriptors fast",
}
"""how the run BASELINE is trained, without --json"""

CHECKING = "--domain --quarantine --json "
TRAINING = (
    "--domain --out --resume --seed --device --json --epochs --lr --weight-decay "
    "--patience --minutes --deterministic --checkpoint-seconds --val-fraction "
    "--test-fraction "
)
BATCHES = "--batch-size --label-smoothing --class-weight --precision "
NETWORKS = "--keep --hidden --layers --dropout "
COLUMNS = (
    "--id-column --source-column --destination-column --weight-column --drop-columns "
)

MOLECULE_COLUMNS = (
    "--smiles-columns --target-columns --ignore-columns --weight-column "
    "--splits-column --time-column --positive-class "
)
GRAPH_COLUMNS = COLUMNS.replace("--weight-column", "--graph-column")

# The flags that --help lists, besides --help itself.
FLAGS = {
    ("images", "check"): CHECKING + "--task --target --label-corrections --max-pixels "
    "--intensity-range",
    ("images", "train"): TRAINING + BATCHES + "--task --target --label-corrections "
    "--weights --backbone --max-ms --max-mb --image-size --resize --augment --freeze "
    "--predict-size "
    "--intensity-range "
    "--unfreeze-stages --layer-decay --ema --batch-norm --false-alarm-rate --shortcuts "
    "--no-compare-scratch --no-near-duplicates --group-column --group-pattern "
    "--max-pixels --no-cache",
    ("images", "evaluate"): "--target --output --json",
    ("images", "predict"): "--output --json",
    ("images", "explain"): "--method --target --against --output --seed --json",
    ("images", "inspect"): "--layer --at --trace-back --show --channels --target "
    "--output --seed --json",
    ("images", "report"): "--shortcuts --compare-dense --json",
    ("nodes", "check"): CHECKING + COLUMNS + "--edges --task --target --directed",
    ("nodes", "train"): TRAINING
    + BATCHES
    + NETWORKS
    + COLUMNS
    + "--edges --task --target "
    "--network --heads --ensemble-size --num-neighbors --memory --directed "
    "--group-column --time-column",
    ("nodes", "evaluate"): "--edges --target --output --json",
    ("nodes", "predict"): "--new-nodes --new-edges --output --embeddings --json",
    ("nodes", "explain"): "--target --new-nodes --new-edges --output --seed --json",
    ("nodes", "inspect"): "--new-nodes --new-edges --output --json",
    ("nodes", "report"): "--json",
    ("links", "check"): CHECKING + COLUMNS + "--edges --relation-column --bipartite",
    ("links", "train"): TRAINING
    + NETWORKS
    + COLUMNS
    + "--edges --decoder --relation-column "
    "--bipartite --node-embeddings",
    ("links", "evaluate"): "--output --json",
    ("links", "predict"): "--relation --top --output --embeddings --json",
    ("links", "explain"): "--relation --output --json",
    ("links", "inspect"): "--relation --json",
    ("links", "report"): "--json",
    ("graphs", "check"): CHECKING + GRAPH_COLUMNS + "--task --target",
    ("graphs", "train"): TRAINING
    + NETWORKS
    + GRAPH_COLUMNS
    + "--task --target --network --batch-size --label-smoothing",
    ("graphs", "evaluate"): "--target --output --json",
    ("graphs", "predict"): "--output --embeddings --json",
    ("graphs", "explain"): "--target --output --seed --json",
    ("graphs", "inspect"): "--node --target --json",
    ("graphs", "report"): "--json",
    ("molecules", "check"): CHECKING + MOLECULE_COLUMNS + "--task",
    ("molecules", "train"): TRAINING.replace("--val-fraction ", "")
    + MOLECULE_COLUMNS
    + "--task --split --folds --descriptors --network --keep --hidden --steps "
    "--no-network-descriptors --ensemble-size "
    "--dropout --batch-size --coverage",
    ("molecules", "evaluate"): "--output --json",
    ("molecules", "predict"): "--smiles-columns --output --json",
    ("molecules", "explain"): "--target --alerts --output --seed --json",
    ("molecules", "inspect"): "--target --atom --json",
    ("molecules", "report"): "--json",
}

# The top-level keys of --json: those of a command in every domain, and the others.
COMMON_KEYS = {
    "check": "domain data task statistics notes usable quarantined quarantine seconds",
    "train": "domain data task statistics notes quarantined seconds run score scores "
    "baselines classes confusion calibration_error verdict model comparison "
    "linear_score linear_seconds splits epochs networks parameters",
    "evaluate": "domain data notes seconds run score scores baselines classes "
    "confusion calibration_error verdict",
    "predict": "domain seconds run n output predictions notes quarantine",
    "explain": "domain seconds run",
    "inspect": "domain seconds run",
    "report": "domain seconds run page score",
}
MORE_KEYS = {
    ("images", "check"): "classes splits classes_by_split exact_duplicates "
    "near_duplicates duplicates_across_splits",
    ("images", "train"): "near_duplicates leaky_score scratch_comparison agreement "
    "shortcuts",
    ("images", "predict"): "unreadable unknown",
    ("images", "explain"): "image explanations plot",
    ("images", "inspect"): "layers",
    ("nodes", "check"): "features",
    ("nodes", "explain"): "node target score quantity verdict p method num_untested "
    "total_effect edges features",
    ("nodes", "inspect"): "node layers temperature max_error",
    ("links", "check"): "features",
    ("links", "explain"): "source target relation score probability is_edge base "
    "max_error contributions",
    ("links", "inspect"): "source target relation score bias max_error terms layers",
    ("graphs", "check"): "features edge_features",
    ("graphs", "explain"): "graph target score quantity verdict p nodes",
    ("graphs", "inspect"): "graph target score temperature bias max_error readouts "
    "nodes",
}
MORE_KEYS |= {
    ("molecules", "train"): "split_scores suspected_label_errors",
    ("molecules", "explain"): "molecule target quantity score value base atoms "
    "bonds descriptors max_error correlation p atom_fraction verdict neighbors "
    "alerts plot",
    ("molecules", "inspect"): "molecule target network_weight process network "
    "max_error",
}
PREDICTED_KEY = {(kind, "inspect") for kind in ("nodes", "graphs", "molecules")}
"""commands with one more key: `probability` of a class, or the number `predicted`"""

BASELINE_KEYS = {
    "nodes": "node target score quantity max_error base nodes features",
    "links": MORE_KEYS["links", "explain"],
    "graphs": MORE_KEYS["graphs", "explain"],
}
"""those of `explain` where the model is the linear baseline"""

INFO_KEYS = set(
    "vicinal python packages system processor cores threads device image_networks "
    "graph_networks weights cache".split()
)

SCORE = ["metric", "value", "low", "high", "n"]
# The files of a run.
FILES = (
    "settings.json env.json classes.json data/index.csv data/splits.csv "
    "data/quarantine.csv model.json model.safetensors metrics.json metrics.csv "
    "predictions.csv report.html report.json report.txt .lock"
)
MORE_FILES = {
    "images": "baseline.safetensors checkpoints/last.safetensors",
    "nodes": "checkpoints/network-0.safetensors data/fingerprint.json",
    "links": "checkpoints/last.safetensors data/fingerprint.json",
    "graphs": "checkpoints/last.safetensors data/fingerprint.json",
    "molecules": "checkpoints/last.safetensors data/fingerprint.json",
}
JSON_FILES = {
    "settings.json": "domain task data options parameters estimator",
    "env.json": "vicinal python packages system started",
    "report.json": "title subtitle sections",
}
CSV_FILES = {
    ("*", "metrics.csv"): "epoch train_loss val_loss val_score lr seconds "
    "examples_per_second best",
    ("images", "data/index.csv"): "path label usable width height content",
    ("nodes", "data/index.csv"): "id label",
    ("links", "data/index.csv"): "id",
    ("graphs", "data/index.csv"): "id label",
    ("molecules", "data/index.csv"): "smiles label line replicates",
    ("images", "data/splits.csv"): "path split",
    ("nodes", "data/splits.csv"): "id split",
    ("links", "data/splits.csv"): "source target label split",
    ("graphs", "data/splits.csv"): "id split",
    ("molecules", "data/splits.csv"): "smiles split fold",
    ("*", "data/quarantine.csv"): "name label reason",
}
"""columns, in their order; `*`: of every kind"""

# The columns of predictions: predictions.csv of the run, and --output of two commands.
PREDICTIONS = {
    ("images classification", "train"): "path split label predicted probability p_dark "
    "p_grey p_light",
    ("images classification", "evaluate"): "path label predicted probability p_dark "
    "p_grey p_light",
    ("images classification", "predict"): "path predicted probability unknown p_dark "
    "p_grey p_light reason",
    ("images regression", "train"): "path split label predicted",
    ("images regression", "evaluate"): "path label predicted",
    ("images regression", "predict"): "path predicted probability unknown reason",
    ("nodes classification", "train"): "id split label predicted probability p_a p_b",
    ("nodes classification", "evaluate"): "id label predicted probability p_a p_b",
    ("nodes classification", "predict"): "id predicted probability p_a p_b isolated",
    ("nodes regression", "train"): "id split label predicted",
    ("nodes regression", "evaluate"): "id label predicted",
    ("nodes regression", "predict"): "id predicted isolated",
    ("links", "train"): "source target split label predicted probability",
    ("links", "evaluate"): "source target label predicted probability",
    ("links", "predict"): "source target probability log_odds",
    ("graphs classification", "train"): "id split label predicted probability p_chord "
    "p_ring",
    ("graphs classification", "evaluate"): "id label predicted probability p_chord "
    "p_ring",
    ("graphs classification", "predict"): "id predicted probability p_chord p_ring",
    ("graphs regression", "train"): "id split label predicted",
    ("graphs regression", "evaluate"): "id label predicted",
    ("graphs regression", "predict"): "id predicted",
    ("molecules classification", "train"): "smiles split fold label predicted "
    "probability p_acid p_amine nearest similarity unlike_training",
    ("molecules classification", "evaluate"): "smiles label predicted probability "
    "p_acid p_amine nearest similarity unlike_training",
    ("molecules classification", "predict"): "smiles predicted probability p_acid "
    "p_amine nearest similarity unlike_training reason",
    ("molecules regression", "train"): "smiles split fold label predicted low high "
    "nearest similarity unlike_training",
    ("molecules regression", "evaluate"): "smiles label predicted low high nearest "
    "similarity unlike_training",
    ("molecules regression", "predict"): "smiles predicted low high nearest "
    "similarity unlike_training reason",
}

# User errors: the domain, with or without a task (* is all), what is typed, and the
# beginning of the one message, without the program's name before it.
NO_DATA, NO_MODEL = "There is nothing at ", "There is no trained model in "
NO_COLUMN = "There is no column 'x' in "
RUN_AS_DATA = r"\S+ is a run directory that `vicinal train` wrote, not data"
ERRORS = [
    ("*", "check NOWHERE", NO_DATA),
    ("*", "train NOWHERE --out OUT", NO_DATA),
    ("*", "check RUN", RUN_AS_DATA),
    ("*", "train RUN --out OUT", RUN_AS_DATA),
    ("images", "check NOWHERE --domain images", NO_DATA),
    ("images", "train RUN --domain images --out OUT", RUN_AS_DATA),
    ("nodes", "check NOWHERE --domain nodes", NO_DATA),
    ("nodes", "check RUN --domain nodes", RUN_AS_DATA),
    ("links", "check NOWHERE --domain links", NO_DATA),
    ("links", "train NOWHERE --domain links --out OUT", NO_DATA),
    ("links", "check RUN --domain links", RUN_AS_DATA),
    ("graphs", "train NOWHERE --domain graphs --out OUT", NO_DATA),
    ("*", "check DATA --domain grahps", "There is no domain 'grahps'. Did you mean"),
    ("images", "evaluate RUN NOWHERE", NO_DATA),
    ("molecules", "check NOWHERE --domain molecules", NO_DATA),
    ("molecules", "evaluate RUN NOWHERE", NO_DATA),
    ("molecules", "evaluate RUN RUN", RUN_AS_DATA),
    ("molecules", "predict RUN nowhere.csv", NO_DATA),
    ("molecules", "predict RUN xyz", "No row has a molecule that can be predicted"),
    ("molecules", "explain RUN xyz", r"X must be structures that can be read\. Mol"),
    ("molecules", "inspect RUN xyz", r"X must be structures that can be read\. Mol"),
    ("molecules", "explain RUN CCO --seed -1", "seed must be a whole number, 0 or"),
    ("molecules", "train DATA --target-columns x --out OUT", NO_COLUMN),
    ("molecules", "check DATA --smiles-columns x", NO_COLUMN),
    ("molecules", "check DATA --ignore-columns x", NO_COLUMN),
    ("molecules", "train DATA --splits-column x --out OUT", NO_COLUMN),
    ("molecules", "train DATA --time-column x --out OUT", NO_COLUMN),
    ("molecules", "train DATA --split time --out OUT", "A split by time needs"),
    ("molecules", "train DATA --coverage 2 --out OUT", "coverage must be above 0 and"),
    ("molecules", "evaluate RUN --output x.txt", "--output must be a .csv file"),
    ("molecules", "predict RUN DATA --output x.txt", "--output must be a .csv file"),
    ("nodes", "evaluate RUN NOWHERE", NO_DATA),
    ("graphs", "evaluate RUN NOWHERE", NO_DATA),
    ("images", "predict RUN NOWHERE", "No image can be read"),
    ("nodes", "predict RUN NOWHERE", "There is no node "),
    ("links", "predict RUN n1 NOWHERE", "There is no node "),
    ("graphs", "predict RUN NOWHERE", NO_DATA),
    ("images", "explain RUN NOWHERE", r"\S+ cannot be read: no such file"),
    ("nodes", "explain RUN NOWHERE", "There is no node "),
    ("links", "explain BASELINE n1 NOWHERE", "There is no node "),
    ("graphs", "explain RUN NOWHERE g1", NO_DATA),
    ("images", "inspect RUN NOWHERE", "None of the images can be read"),
    ("nodes", "inspect RUN NOWHERE", "There is no node "),
    ("links", "inspect RUN n1 NOWHERE", "There is no node "),
    ("graphs", "inspect RUN NOWHERE g1", NO_DATA),
    ("images", "evaluate RUN RUN", RUN_AS_DATA),
    ("nodes", "evaluate RUN RUN", RUN_AS_DATA),
    ("graphs", "evaluate RUN RUN", RUN_AS_DATA),
    ("images", "predict RUN RUN", RUN_AS_DATA),
    ("nodes", "predict RUN RUN", "There is no node "),
    ("links", "predict RUN RUN RUN", "There is no node "),
    ("graphs", "predict RUN RUN", RUN_AS_DATA),
    ("graphs", "explain RUN RUN g1", RUN_AS_DATA),
    ("graphs", "inspect RUN RUN g1", RUN_AS_DATA),
    ("*", "train DATA --epochs 0 --out OUT", "epochs must be a whole number, 1 or"),
    ("*", "train DATA --test-fraction 2 --out OUT", "test_fraction must be from 0 to"),
    ("*", "train DATA --seed -1 --out OUT", "random_state must be a whole number, 0"),
    ("*", "train DATA --task guess --out OUT", "PARSER Invalid choice"),
    ("links", "predict RUN --top 0", "top must be 1 or more"),
    ("images", "explain RUN IMAGE --seed -1", "seed must be a whole number, 0 or more"),
    ("nodes", "explain RUN n1 --seed -1", "seed must be a whole number, 0 or more"),
    ("graphs", "explain RUN DATA g1 --seed -1", "seed must be a whole number, 0 or"),
    *(
        (f"{kind} {task}", f"{words} --target x", message)
        for kind, words in (
            ("images", "explain RUN IMAGE"),
            ("nodes", "explain RUN n1"),
            ("graphs", "explain RUN DATA g1"),
            ("molecules", "explain RUN CCO"),
        )
        for task, message in (
            ("classification", "There is no class 'x'. Known: "),
            ("regression", "target must be None: the model predicts a number"),
        )
    ),
    ("images regression", "train DATA --target x --out OUT", NO_COLUMN),
    ("nodes", "train DATA --target x --out OUT", NO_COLUMN),
    ("nodes", "train DATA --group-column x --out OUT", NO_COLUMN),
    ("nodes", "train DATA --time-column x --out OUT", NO_COLUMN),
    ("links", "train DATA --domain links --relation-column x --out OUT", NO_COLUMN),
    ("nodes", "check DATA --id-column x", NO_COLUMN),
    ("links", "train DATA --domain links --source-column x --out OUT", NO_COLUMN),
    ("nodes", "train DATA --weight-column x --out OUT", NO_COLUMN),
    ("nodes", "check DATA --drop-columns x", NO_COLUMN),
    ("graphs", "train DATA --target x --out OUT", NO_COLUMN),
    ("graphs", "check DATA --graph-column x", NO_COLUMN),
    ("graphs", "train DATA --source-column x --out OUT", NO_COLUMN),
    ("graphs", "check DATA --destination-column x", NO_COLUMN),
    ("graphs", "check DATA --drop-columns x", NO_COLUMN),
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
    ("trian", "There is no command 'trian'. Did you mean 'train'"),
    ("--colour red", "There is no command '--colour'"),
    *((command, "PARSER Required options") for command in COMMANDS),
    ("info --colour red", "PARSER Unrecognized options"),
    ("demo --colour red", "PARSER Unrecognized options"),
    ("demo moon", "There is no demonstration of 'moon'. Known: generation, graphs"),
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


class Session:
    """The data and the runs of a session; each command is run once."""

    def __init__(self, home: Path, run_command: Callable[..., Any]) -> None:
        self.home, self.run_command = home, run_command
        self.outputs: dict[tuple[str, ...], Any] = {}
        self.files: dict[str, set[str]] = {}
        """files of each run right after its training"""

    def run(self, domain: str) -> Path:
        """Return the run of a domain."""
        self.output(domain, "train", "--json")
        return self._folder(domain, "run")

    def baseline(self, domain: str) -> Path:
        """Return a run of a domain whose model is the linear baseline."""
        self.output(domain, "train")
        return self._folder(domain, "baseline")

    def output(self, domain: str, command: str, *more: str) -> Any:
        """Return the output of a command in a domain; more: further flags."""
        key, kind = (domain, command, *more), kind_of(domain)
        if key not in self.outputs:
            words, folder = COMMAND_LINES[kind, command], self._folder(domain, "run")
            if command == "train" and not more:
                words, folder = TRAIN_BASELINE[kind], self._folder(domain, "baseline")
            self.outputs[key] = self.call(domain, words, folder, *more)
            if command == "train" and more:
                paths = (p for p in folder.rglob("*") if p.is_file())
                names = {p.relative_to(folder).as_posix() for p in paths}
                self.files[domain] = names
        return self.outputs[key]

    def json(self, domain: str, command: str) -> dict[str, Any]:
        return self.output(domain, command, "--json").json()

    def call(self, domain: str, words: str, out: Path, *more: str) -> Any:
        """Run a command line with the paths of a domain in it."""
        return self.run_command([*self._filled(domain, words, out), *more])

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
                case "BASELINE":
                    yield str(self.baseline(domain))
                case "OUT":
                    yield str(out)
                case "QUICK":
                    yield from DOMAINS[domain].quick.split()
                case _:
                    yield word

    def _folder(self, domain: str, name: str) -> Path:
        return self.home / f"{domain.replace(' ', '-')}-{name}"


@pytest.fixture(scope="session")
def session(tmp_path_factory, run_command) -> Session:
    home = tmp_path_factory.mktemp("commands")
    make_images(home)
    make_nodes(home)
    make_graphs(home)
    make_molecules(home)
    return Session(home, run_command)


def make_images(home: Path) -> None:
    """Write 24 images of 8 x 8 pixels, a directory per class, and a CSV of numbers."""
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
    """Write a graph of 60 nodes with a class each, and the same with a number each."""
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
    """Write 40 rings, half with a chord: with a class each, and with a number each."""
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


def make_molecules(home: Path) -> None:
    """Write 60 acids and amines, with a class each, and with a number each."""
    classes, numbers = ["smiles,label"], ["smiles,label"]
    for k in range(30):
        chain = "C" * (2 + k % 10) + ("", "C(C)C", "C1CCCCC1")[k // 10]
        for smiles, name in ((f"{chain}C(=O)O", "acid"), (f"{chain}CN", "amine")):
            classes.append(f"{smiles},{name}")
            numbers.append(f"{smiles},{chain.count('C') + k / 100}")
    (home / "molecules.csv").write_text("\n".join(classes))
    (home / "molecules-numbers.csv").write_text("\n".join(numbers))


every_domain = pytest.mark.parametrize("domain", DOMAINS)
FIRST_OF_KIND = [
    *{case.kind: name for name, case in reversed(DOMAINS.items())}.values()
]
"""for what does not depend on the task: a case of each domain; the others are slow"""

first_of_kind = pytest.mark.parametrize(
    "domain",
    [
        name if name in FIRST_OF_KIND else pytest.param(name, marks=pytest.mark.slow)
        for name in DOMAINS
    ],
)
every_command = pytest.mark.parametrize("command", COMMANDS)


def kind_of(domain: str) -> str:
    return DOMAINS[domain].kind


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        return list(reader.fieldnames or ()), rows


def test_every_domain_has_its_cases():
    """A new domain needs entries in the tables at the top."""
    names = {domain.name for domain in ALL_DOMAINS if "predict" in domain.commands}
    names -= IN_A_FILE_OF_THEIR_OWN
    every = {(name, command) for name in names for command in COMMANDS}
    tables = {
        "DOMAINS": ({case.kind for case in DOMAINS.values()}, names),
        "TRAIN_BASELINE": (set(TRAIN_BASELINE), names),
        "MORE_FILES": (set(MORE_FILES), names),
        "COMMAND_LINES": (set(COMMAND_LINES), every),
        "FLAGS": (set(FLAGS), every),
        "PREDICTIONS": (
            set(PREDICTIONS),
            {(d, c) for d in DOMAINS for c in ("train", "evaluate", "predict")},
        ),
    }
    for table, (covered, expected) in tables.items():
        assert covered == expected, (
            f"{table} in {Path(__file__).name} must have entries for "
            f"{sorted(expected - covered)}, and none for {sorted(covered - expected)}"
        )


# --- output -------------------------------------------------------------


@every_command
@every_domain
def test_json_is_one_object_with_the_expected_keys(domain, command, session):
    found = session.json(domain, command)
    expected = set(COMMON_KEYS[command].split())
    kind = kind_of(domain)
    expected |= set(MORE_KEYS.get((kind, command), "").split())
    if (kind, command) in PREDICTED_KEY:
        expected.add("probability" if DOMAINS[domain].classes else "predicted")
    assert set(found) == expected
    assert found["domain"] == kind


SLOW_TO_TRAIN = ("nodes classification",)
"""with plots; tests/graphs/commands reads what `train` prints"""


@pytest.mark.parametrize(
    ("domain", "command"),
    [
        pytest.param(
            *(domain, command),
            marks=()
            if domain in FIRST_OF_KIND
            and not (command == "train" and domain in SLOW_TO_TRAIN)
            else pytest.mark.slow,
        )
        for domain in DOMAINS
        for command in COMMANDS
    ],
)
def test_without_json_the_output_is_text(domain, command, session):
    output = session.output(domain, command)
    assert (output.code, output.err) == (OK, "") and output.out.strip()
    for text in (output.out, *output.out.splitlines()):
        with contextlib.suppress(ValueError):
            assert not isinstance(json.loads(text), dict)


@every_command
@first_of_kind
def test_help_lists_the_expected_flags(domain, command, session, tmp_path):
    words = COMMAND_LINES[kind_of(domain), command]
    output = session.call(domain, words, tmp_path / "out", "--help")
    assert (output.code, output.err) == (OK, "")
    flags = set(
        re.findall(r"^[ │] (?:-h, )?(--[a-z][a-z-]*)", output.out, re.MULTILINE)
    )
    assert flags - {"--help"} == set(FLAGS[kind_of(domain), command].split())


@every_command
@every_domain
def test_json_names_the_run_the_data_and_the_seconds(domain, command, session):
    found = session.json(domain, command)
    words = COMMAND_LINES[kind_of(domain), command].split()
    if command != "check":
        folder = (
            session.baseline(domain) if "BASELINE" in words else session.run(domain)
        )
        assert found["run"] == str(folder)
    if "data" in found:
        data = str(session.home / DOMAINS[domain].data)
        assert found["data"] == (data if "DATA" in words else None)
    if "seconds" in found:
        assert isinstance(found["seconds"], float) and 0 <= found["seconds"] < 60


@pytest.mark.parametrize("kind", BASELINE_KEYS)
def test_an_explained_linear_baseline_has_the_expected_keys(kind, session, tmp_path):
    domain = next(name for name in DOMAINS if kind_of(name) == kind)
    words = COMMAND_LINES[kind, "explain"].replace("RUN", "BASELINE")
    found = session.call(domain, words, tmp_path, "--json").json()
    common = COMMON_KEYS["explain"].split()
    assert set(found) == {*common, *BASELINE_KEYS[kind].split()}


def test_info_has_the_expected_keys(run_command):
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
def test_scores_and_baselines_are_complete(domain, command, session):
    expected, found = DOMAINS[domain], session.json(domain, command)
    n = found["score"]["n"]
    assert n > 0
    check_score(found["score"], expected.metric, n)
    assert [s["metric"] for s in found["scores"]] == expected.other_metrics.split()
    for score in found["scores"]:
        check_score(score, score["metric"], n)
    assert set(found["baselines"]) == set(expected.baselines)
    for score in found["baselines"].values():
        check_score(score, expected.metric, n)


@every_domain
def test_every_command_reports_the_score_of_the_test_split(domain, session):
    trained = session.json(domain, "train")
    splits = trained["splits"]
    assert set(splits) == {"train", "val", "test"}
    assert trained["score"]["n"] == splits["test"]
    assert session.json(domain, "report")["score"] == trained["score"]
    if kind_of(domain) != "images":  # they are evaluated on all data
        found = session.json(domain, "evaluate")
        assert found["score"] == trained["score"]
        assert found["baselines"] == trained["baselines"]


def score_of(metric: str, rows: list[dict[str, str]]) -> float:
    """Return the score of a table of predictions."""
    assert rows
    if metric == "accuracy":
        return float(np.mean([row["label"] == row["predicted"] for row in rows]))
    if metric in ("mae", "rmse"):
        errors = [float(row["label"]) - float(row["predicted"]) for row in rows]
        if metric == "rmse":
            return float(np.sqrt(np.square(errors).mean()))
        return float(np.abs(errors).mean())
    assert metric == "auroc"
    positive = "amine" if "p_amine" in rows[0] else "edge"
    column = "p_amine" if positive == "amine" else "probability"
    labels = [row["label"] == positive for row in rows]
    return float(roc_auc_score(labels, [float(row[column]) for row in rows]))


@every_domain
def test_the_score_of_evaluate_follows_from_its_predictions(domain, session):
    path = session.home / f"evaluate {domain}.csv"
    output = session.output(domain, "evaluate", "--output", str(path), "--json").json()
    columns, rows = read_rows(path)
    assert columns == PREDICTIONS[domain, "evaluate"].split()
    assert output["score"] == session.json(domain, "evaluate")["score"]
    assert len(rows) == output["score"]["n"]
    close = 5e-3 if DOMAINS[domain].metric == "auroc" else 1e-9  # rounded, so some tie
    score = score_of(DOMAINS[domain].metric, rows)
    assert score == pytest.approx(output["score"]["value"], abs=close)


@pytest.mark.parametrize("domain", [d for d in DOMAINS if d != "links"])
def test_predictions_of_evaluate_have_the_labels_of_the_data(domain, session):
    path = session.home / f"labels {domain}.csv"
    output = session.output(domain, "evaluate", "--output", str(path), "--json").json()
    (name, *_), rows = read_rows(path)
    _, index = read_rows(session.run(domain) / "data" / "index.csv")
    data = session.home / DOMAINS[domain].data
    root = data if data.is_dir() else data.parent
    images = kind_of(domain) == "images"
    names = [str(root / row[name]) if images else row[name] for row in index]
    labels = {n: row["label"] for n, row in zip(names, index, strict=True)}
    assert all(row["label"] == labels[row[name]] for row in rows)
    classes = DOMAINS[domain].classes
    pairs = Counter((row["label"], row["predicted"]) for row in rows)
    confusion = [[pairs[a, b] for b in classes] for a in classes]
    assert output["confusion"] == (confusion or None)


@every_domain
def test_the_score_of_train_follows_from_its_predictions(domain, session):
    path = session.run(domain) / "predictions.csv"
    columns, rows = read_rows(path)
    assert columns == PREDICTIONS[domain, "train"].split()
    if domain == "links":  # predictions.csv has probable new edges
        assert rows
        return
    held_out = [row for row in rows if row.get("split", "test") == "test"]
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
def test_a_run_has_the_expected_files(domain, session):
    session.run(domain)
    expected = set(FILES.split()) | set(MORE_FILES[kind_of(domain)].split())
    assert session.files[domain] == expected


@every_domain
def test_files_of_a_run_have_the_expected_content(domain, session):
    folder, trained = session.run(domain), session.json(domain, "train")

    def read(name: str) -> Any:
        return json.loads((folder / name).read_text(encoding="utf-8"))

    assert read("metrics.json") == trained
    assert read("classes.json") == list(DOMAINS[domain].classes)
    for name, keys in JSON_FILES.items():
        assert set(read(name)) == set(keys.split()), name
    for (kind, name), columns in CSV_FILES.items():
        if kind in ("*", kind_of(domain)):
            assert read_rows(folder / name)[0] == columns.split(), name
    data = session.home / DOMAINS[domain].data
    settings = read("settings.json")
    assert settings["data"] == str(data)
    assert (settings["domain"], settings["task"]) == (kind_of(domain), trained["task"])


@every_domain
def test_split_counts_are_those_of_splits_csv(domain, session):
    _, rows = read_rows(session.run(domain) / "data" / "splits.csv")
    counts = Counter(row["split"] for row in rows)
    if domain == "links":  # negative pairs of training are sampled anew each epoch
        counts["train"] *= 2
    splits = session.json(domain, "train")["splits"]
    assert {name: counts[name] for name in splits} == splits


# --- user errors ------------------------------------------------------


def check_error(output: Any, message: str) -> None:
    """Assert one message on stderr, without a traceback."""
    assert output.code == USER_ERROR
    assert "Traceback" not in output.err
    titles = PARSER.findall(output.err)
    assert output.err.count(PROGRAM) + len(titles) == 1, output.err
    if message.startswith("PARSER "):
        assert titles == [message.removeprefix("PARSER ")]
    else:
        assert re.match(message, output.err.split(PROGRAM)[1]), output.err


def is_quick(kind: str, words: str, domain: str) -> bool:
    """Return whether an error is tested each time in a domain."""
    of_all = ("--test-fraction 2", "--seed -1", "--task guess")
    if kind == "*" and any(flag in words for flag in of_all):
        # flags of every domain; `--epochs 0` stands for them in the other domains
        return domain in ("images classification", "links")
    return domain in (*FIRST_OF_KIND, kind)


CASES = [
    pytest.param(
        domain,
        words,
        message,
        id=f"{domain}: {words}",
        marks=() if is_quick(kind, words, domain) else pytest.mark.slow,
    )
    for kind, words, message in ERRORS
    for domain in DOMAINS
    if kind in ("*", kind_of(domain), domain)
]


@pytest.mark.parametrize(("domain", "words", "message"), CASES)
def test_a_user_error_is_one_message(
    domain, words, message, session, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    output = session.call(domain, words, tmp_path / "out", "--json")
    check_error(output, message)
    assert output.out == ""
    if kind_of(domain) == "images":  # the same message, without --json
        check_error(session.call(domain, words, tmp_path / "out"), message)
    assert list(tmp_path.iterdir()) == []  # no unfinished run is left


@pytest.mark.parametrize(("words", "message"), ERRORS_WITHOUT_DATA)
def test_a_user_error_without_data_is_one_message(
    words, message, run_command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for more in ([], ["--json"]):
        output = run_command([*words.split(), *more])
        check_error(output, message)
        assert output.out == ""


@every_command
@first_of_kind
def test_an_unknown_flag_is_one_message(domain, command, session, tmp_path):
    words = COMMAND_LINES[kind_of(domain), command]
    output = session.call(domain, words, tmp_path / "out", "--colour", "--json")
    check_error(output, "PARSER Unrecognized options")
    assert output.out == "" and "--colour" in output.err


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c not in ("check", "train")]
)
@first_of_kind
def test_a_missing_run_is_one_message(domain, command, session, tmp_path):
    words = re.sub("RUN|BASELINE", "NOWHERE", COMMAND_LINES[kind_of(domain), command])
    output = session.call(domain, words, tmp_path, "--json")
    check_error(output, NO_MODEL)
    assert output.out == ""


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c not in ("check", "train")]
)
@first_of_kind
def test_data_in_place_of_a_run_is_one_message(domain, command, session, tmp_path):
    words = re.sub("RUN|BASELINE", "DATA", COMMAND_LINES[kind_of(domain), command])
    output = session.call(domain, words, tmp_path, "--json")
    assert (
        output.code == USER_ERROR and output.out == "" and "Traceback" not in output.err
    )
    assert output.err.count(PROGRAM) + len(PARSER.findall(output.err)) == 1
