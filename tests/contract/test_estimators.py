"""The contract of all estimators.

Each test is one rule and runs on every case of `CASES` that it applies to; cases of
one estimator differ in the kind of labels or in the model, linear or a network.
Only the public interface is used (`vicinal.X`, `vicinal.load`, `vicinal.errors`), so
that the tests do not depend on where modules are. Intended exceptions are explained in
comments; `VIOLATIONS` lists known bugs, as strict expected failures.
"""

import copy
import inspect
import itertools
import json
import pickle
import threading
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import base
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score

import vicinal
from vicinal import (
    Evaluation,
    GraphClassifier,
    GraphRegressor,
    ImageClassifier,
    ImageRegressor,
    ImportanceRegressor,
    InteractionPredictor,
    LinkPredictor,
    MoleculeClassifier,
    MoleculeRegressor,
    NodeClassifier,
    NodeRegressor,
    Recommender,
    TriplePredictor,
)
from vicinal.domains import DOMAINS
from vicinal.errors import (
    DataError,
    ModelFileError,
    NotFittedError,
    RunError,
    SettingError,
    VicinalError,
)

OF_OTHER_EXAMPLES = {
    *(InteractionPredictor, TriplePredictor),
    *(Recommender, ImportanceRegressor),
}
"""estimators of sets of drugs, triples, users and entities, with tests of their own"""

ESTIMATORS: list[type[Any]] = [
    ImageClassifier,
    ImageRegressor,
    NodeClassifier,
    NodeRegressor,
    LinkPredictor,
    GraphClassifier,
    GraphRegressor,
    MoleculeClassifier,
    MoleculeRegressor,
]
IMAGES = ("ImageClassifier", "ImageRegressor")
NODES = ("NodeClassifier", "NodeRegressor")
LINKS = ("LinkPredictor",)
GRAPHS = ("GraphClassifier", "GraphRegressor")
MOLECULES = ("MoleculeClassifier", "MoleculeRegressor")

clone: Any = base.clone  # whose type hints know only what is in scikit-learn


# --- known violations -------------------------------------------------------------


class Violation(NamedTuple):
    """A rule that some estimators break, and how the test fails."""

    test: str
    estimators: tuple[str, ...]
    reason: str
    raises: Any = AssertionError


NOT_RAISED = pytest.fail.Exception
"""raised where `pytest.raises` sees no exception"""

VIOLATIONS: list[Violation] = []


@pytest.fixture(autouse=True)
def expect_known_violations(request) -> None:
    """Mark a test as a strict expected failure if `VIOLATIONS` lists it."""
    parameters = getattr(request.node, "callspec", None)
    if parameters is None:
        return
    params = parameters.params
    name = params["fitted"] if "fitted" in params else params.get("case")
    estimator = CASES[name].estimator if name else params.get("estimator")
    for known in VIOLATIONS:
        same = known.test == request.node.originalname
        if same and estimator is not None and estimator.__name__ in known.estimators:
            mark = pytest.mark.xfail(
                reason=known.reason, raises=known.raises, strict=True
            )
            request.applymarker(mark)


def test_violations_name_tests_and_estimators():
    names = {estimator.__name__ for estimator in ESTIMATORS}
    for known in VIOLATIONS:
        assert known.test in globals()
        assert set(known.estimators) <= names


# --- data -------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Data:
    """Data to fit an estimator on, and inputs for its other methods."""

    fit: tuple[Any, ...]
    """positional arguments of `fit`"""

    fit_kwargs: dict[str, Any] = field(default_factory=dict)
    """keyword arguments of `fit`"""

    other: tuple[Any, ...]
    """other data for `fit`, with other classes if there are classes"""

    unlabelled: tuple[Any, ...]
    """data for `fit` without labels"""

    inputs: Any
    """input of `predict`: a list or an array"""

    embedding_inputs: Any = None
    """input of `transform`; None: the same"""

    labelled: tuple[Any, ...] = ()
    """arguments of `evaluate` and `score`; none: the test split"""

    explain: tuple[Any, ...]
    """arguments of `explain`"""

    forms: Callable[[Path], list[tuple[tuple[Any, ...], dict[str, Any]]]]
    """function from a directory, for files, to the same data in other forms"""

    @property
    def inputs_to_embed(self) -> Any:
        return self.inputs if self.embedding_inputs is None else self.embedding_inputs


N, SIDE = 24, 8
NODE_COUNT, GRAPH_COUNT = 70, 24


def images(n: int = N) -> np.ndarray:
    """Return images [n, SIDE, SIDE] of uint8 in ascending order of brightness."""
    rng = np.random.default_rng(0)
    brightness = np.linspace(30, 220, n)[:, None, None]
    x = brightness + rng.normal(0, 4, (n, SIDE, SIDE))
    return np.rint(x.clip(0, 255)).astype(np.uint8)


def image_files(folder: Path) -> list[Path]:
    """Write the images as files, in the order of their names."""
    (folder / "images").mkdir()
    paths = [folder / "images" / f"{k:02}.png" for k in range(N)]
    for path, pixels in zip(paths, images(), strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def image_data(y: Any, other: Any) -> Data:
    """Return images with the labels y."""

    def forms(folder: Path) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        paths = image_files(folder)
        texts = [str(path) for path in paths]
        frame = pd.DataFrame({"path": texts, "label": list(y)})
        frame.to_csv(folder / "table.csv", index=False)
        arguments: list[tuple[Any, ...]] = [
            (paths, y),
            (pd.Series(texts), pd.Series(y)),
            ((paths, y),),
            (frame,),
            (folder / "table.csv",),
            (vicinal.read_images(paths, y),),
        ]
        if isinstance(y, np.ndarray):  # read_images alone takes numbers as classes
            arguments.pop()
        return [(form, {}) for form in arguments]

    return Data(
        fit=(images(), y),
        other=(images()[::2], other),
        unlabelled=(images(), [None] * N),
        inputs=images(),
        labelled=(images(), y),
        explain=(images()[3:4],),
        forms=forms,
    )


IMAGE_CLASSES = ["dark"] * (N // 2) + ["light"] * (N // 2)
IMAGE_LABELS = [
    "dark" if k < N / 2 else ["light", "light|even"][k % 2] for k in range(N)
]


def node_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return nodes and edges of two blocks; the features are weakly informative."""
    rng = np.random.default_rng(0)
    block = np.arange(NODE_COUNT) % 2
    features = rng.normal(size=(NODE_COUNT, 3))
    features[np.arange(NODE_COUNT), block] += 3
    p = np.where(block[:, None] == block[None], 0.09, 0.05)
    adjacency = np.triu(rng.random((NODE_COUNT, NODE_COUNT)) < p, 1)
    nodes = pd.DataFrame(features, columns=list("abc"))
    nodes.insert(0, "id", [f"n{k}" for k in range(NODE_COUNT)])
    source, target = (nodes["id"].to_numpy()[ends] for ends in np.nonzero(adjacency))
    return nodes, pd.DataFrame({"source": source, "target": target})


def node_data(y: list[Any], other: list[Any]) -> Data:
    """Return nodes with the labels y."""
    nodes, edges = node_tables()
    labelled = nodes.assign(label=y)

    def forms(folder: Path) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        labelled.to_csv(folder / "nodes.csv", index=False)
        edges.to_csv(folder / "edges.csv", index=False)
        y_by_id = dict(zip(nodes["id"], y, strict=True))
        return [
            ((str(folder),), {}),
            ((folder / "nodes.csv",), {"edges": folder / "edges.csv"}),
            ((nodes, np.array(y)), {"edges": edges}),
            ((nodes, pd.Series(y)), {"edges": edges}),
            ((nodes, y_by_id), {"edges": edges}),
            ((nodes.assign(kind=y),), {"edges": edges, "target": "kind"}),
            ((vicinal.read_graph(labelled, edges=edges),), {}),
        ]

    return Data(
        fit=(labelled,),
        fit_kwargs={"edges": edges},
        other=(nodes.assign(label=other),),
        unlabelled=(nodes.assign(label=None),),
        inputs=nodes["id"].tolist(),
        explain=("n3",),
        forms=forms,
    )


NODE_CLASSES = [f"k{k % 2}" for k in range(NODE_COUNT)]
NODE_LABELS = [f"k{k % 2}" + ("|hub" if k % 3 == 0 else "") for k in range(NODE_COUNT)]


def node_numbers() -> list[float]:
    nodes, _ = node_tables()
    return (nodes["a"] + 0.1 * np.arange(NODE_COUNT) % 3).tolist()


def link_data(features: bool = False, relations: bool = False) -> Data:
    """Return the edges of two blocks."""
    nodes, edges = node_tables()
    ids = nodes["id"].tolist()
    pairs: list[tuple[str, ...]] = [*itertools.pairwise(ids)]
    explain = ("n3", "n5")
    if relations:
        edges = edges[:60]
        ids = vicinal.read_graph(edges).ids.tolist()
        kinds = [("likes", "knows")[k % 2] for k in range(len(edges))]
        edges = edges.assign(kind=kinds)
        pairs = [(a, "likes", b) for a, b in itertools.pairwise(ids)]
        explain = (ids[3], ids[5], "likes")
    kwargs = {"edges": edges} if features else {}

    def forms(folder: Path) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        edges.to_csv(folder / "edges.csv", index=False)
        if features:
            nodes.to_csv(folder / "nodes.csv", index=False)
            return [
                ((folder,), {}),
                ((str(folder),), {}),
                ((folder / "nodes.csv",), {"edges": folder / "edges.csv"}),
                ((vicinal.read_graph(nodes, edges=edges),), {}),
            ]
        files: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
            ((folder / "edges.csv",), {}),
            ((str(folder / "edges.csv"),), {}),
        ]
        if not relations:  # the order of the edges would differ
            files.append(((vicinal.read_graph(edges),), {}))
        return files

    return Data(
        fit=(nodes,) if features else (edges,),
        fit_kwargs=kwargs,
        other=(nodes.assign(a=1.0),) if features else (edges[::2],),
        # edges are the labels
        unlabelled=(nx.empty_graph(10),),
        inputs=pairs,
        embedding_inputs=ids[:20],
        explain=explain,
        forms=forms,
    )


def graph_data(y: list[Any], other: list[Any]) -> Data:
    """Return rings and stars of 5 to 9 nodes with the labels y."""
    graphs = [
        nx.cycle_graph(5 + k // 2 % 5) if k % 2 else nx.star_graph(4 + k // 2 % 5)
        for k in range(GRAPH_COUNT)
    ]

    def forms(folder: Path) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        rows = [(k, a, b) for k, graph in enumerate(graphs) for a, b in graph.edges]
        edges = pd.DataFrame(rows, columns=["graph_id", "source", "target"])
        edges.to_csv(folder / "edges.csv", index=False)
        table = pd.DataFrame({"graph_id": range(GRAPH_COUNT), "label": y})
        table.to_csv(folder / "graphs.csv", index=False)
        named = [nx.Graph(graph, label=v) for graph, v in zip(graphs, y, strict=True)]
        return [
            ((str(folder),), {}),
            ((tuple(graphs), np.array(y)), {}),
            ((named,), {}),
        ]

    return Data(
        fit=(graphs, y),
        other=(graphs, other),
        unlabelled=(graphs, [None] * GRAPH_COUNT),
        inputs=graphs,
        labelled=(graphs, y),
        explain=(graphs[0],),
        forms=forms,
    )


MOLECULE_CHAINS = [
    "C" * (2 + k % 7) + ("", "C(C)C", "C1CCCCC1")[k // 7] for k in range(21)
]
MOLECULES_SMILES = [
    chain + end for chain in MOLECULE_CHAINS for end in ("C(=O)O", "CN", "CF")
]
MOLECULE_CLASSES = ["acid", "amine", "amine"] * len(MOLECULE_CHAINS)
MOLECULE_NUMBERS = [
    s.count("C") + 0.1 * (k % 3) for k, s in enumerate(MOLECULES_SMILES)
]


def molecule_data(y: list[Any], other: list[Any]) -> Data:
    """Return acids, amines and fluorides with the labels y."""

    def forms(folder: Path) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        frame = pd.DataFrame({"smiles": MOLECULES_SMILES, "label": y})
        frame.to_csv(folder / "molecules.csv", index=False)
        return [
            ((tuple(MOLECULES_SMILES), np.array(y)), {}),
            ((pd.Series(MOLECULES_SMILES), pd.Series(y)), {}),
            ((frame,), {}),
            ((folder / "molecules.csv",), {}),
            ((str(folder / "molecules.csv"),), {}),
            ((vicinal.read_molecules(frame),), {}),
        ]

    return Data(
        fit=(MOLECULES_SMILES, y),
        other=(MOLECULES_SMILES, other),
        unlabelled=(MOLECULES_SMILES, [None] * len(y)),
        inputs=MOLECULES_SMILES,
        labelled=(MOLECULES_SMILES, y),
        explain=(MOLECULES_SMILES[0],),
        forms=forms,
    )


# a sixth of the labels are wrong, so that the temperature is not trivial
GRAPH_CLASSES = [("star", "ring")[(k + (k % 6 == 0)) % 2] for k in range(GRAPH_COUNT)]
GRAPH_NUMBERS = [5 + k // 2 % 5 + 0.1 * (k % 3) for k in range(GRAPH_COUNT)]
GRAPH_LABELS = [
    shape + ("|big" if size > 7 else "")
    for shape, size in zip(GRAPH_CLASSES, GRAPH_NUMBERS, strict=True)
]


def renamed(y: list[str]) -> list[str]:
    """Return other names for the labels."""
    return ["|".join(f"other {name}" for name in label.split("|")) for label in y]


# --- cases ------------------------------------------------------------------------


class Case(NamedTuple):
    """An estimator, its parameters and its data."""

    estimator: type[Any]
    settings: dict[str, Any]
    make: Callable[[], Data]
    classes: list[str] | None = None
    is_multi_label: bool = False
    """whether there are is_multi_label labels per example"""

    @property
    def data(self) -> Data:
        return cached_data(self.make)

    @property
    def links(self) -> bool:
        return self.estimator is LinkPredictor

    def new(self, **changes: Any) -> Any:
        """Return an unfitted estimator."""
        return self.estimator(**{**self.settings, **changes})

    def fit(self, model: Any) -> Any:
        """Fit a model to the data of the case, and return what `fit` returns."""
        return model.fit(*self.data.fit, **self.data.fit_kwargs)


@cache
def cached_data(make: Callable[[], Data]) -> Data:
    return make()


IMAGE_QUICK: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 8,
    "augment": "none",
    "deterministic": True,
    "cache": False,
}
BASELINE_ONLY: dict[str, Any] = {"network": "none"}
NETWORK_SIZE: dict[str, Any] = {"hidden": 8, "layers": 2}
NETWORK: dict[str, Any] = {
    **NETWORK_SIZE,
    "epochs": 5,
    "minutes": None,
    "keep": "network",
    "deterministic": True,
}
NODE_NETWORK: dict[str, Any] = {**NETWORK, "network": "gcn", "ensemble_size": 2}
LINK_NETWORK: dict[str, Any] = {**NETWORK, "decoder": "dot"}
MOLECULE_QUICK: dict[str, Any] = {"descriptors": "fast", "split": "random", "folds": 3}
MOLECULE_NETWORK: dict[str, Any] = {
    **MOLECULE_QUICK,
    "hidden": 8,
    "epochs": 3,
    "minutes": None,
    "keep": "network",
    "deterministic": True,
    "test_fraction": 0.2,
}
IMAGE_NUMBERS = np.linspace(-1, 9, N) ** 2

CASES = {
    "ImageClassifier": Case(
        ImageClassifier,
        IMAGE_QUICK,
        lambda: image_data(IMAGE_CLASSES, renamed(IMAGE_CLASSES[::2])),
        ["dark", "light"],
    ),
    "ImageClassifier, is_multi_label labels": Case(
        ImageClassifier,
        IMAGE_QUICK,
        lambda: image_data(IMAGE_LABELS, IMAGE_CLASSES[::2]),
        ["dark", "even", "light"],
        True,
    ),
    "ImageRegressor": Case(
        ImageRegressor,
        IMAGE_QUICK,
        lambda: image_data(IMAGE_NUMBERS, 100 + IMAGE_NUMBERS[::2]),
    ),
    "NodeClassifier": Case(
        NodeClassifier,
        BASELINE_ONLY,
        lambda: node_data(NODE_CLASSES, renamed(NODE_CLASSES)),
        ["k0", "k1"],
    ),
    "NodeClassifier, network": Case(
        NodeClassifier,
        NODE_NETWORK,
        lambda: node_data(NODE_CLASSES, renamed(NODE_CLASSES)),
        ["k0", "k1"],
    ),
    "NodeClassifier, is_multi_label labels": Case(
        NodeClassifier,
        BASELINE_ONLY,
        lambda: node_data(NODE_LABELS, NODE_CLASSES),
        ["hub", "k0", "k1"],
        True,
    ),
    "NodeRegressor": Case(
        NodeRegressor,
        BASELINE_ONLY,
        lambda: node_data(node_numbers(), node_numbers()[::-1]),
    ),
    "NodeRegressor, network": Case(
        NodeRegressor,
        NODE_NETWORK,
        lambda: node_data(node_numbers(), node_numbers()[::-1]),
    ),
    "LinkPredictor": Case(LinkPredictor, {}, link_data),
    "LinkPredictor, relations": Case(
        LinkPredictor, {"relation_column": "kind"}, lambda: link_data(relations=True)
    ),
    "LinkPredictor, network": Case(
        LinkPredictor, LINK_NETWORK, lambda: link_data(features=True)
    ),
    "GraphClassifier": Case(
        GraphClassifier,
        BASELINE_ONLY,
        lambda: graph_data(GRAPH_CLASSES, renamed(GRAPH_CLASSES)),
        ["ring", "star"],
    ),
    "GraphClassifier, network": Case(
        GraphClassifier,
        NETWORK,
        lambda: graph_data(GRAPH_CLASSES, renamed(GRAPH_CLASSES)),
        ["ring", "star"],
    ),
    "GraphClassifier, is_multi_label labels": Case(
        GraphClassifier,
        BASELINE_ONLY,
        lambda: graph_data(GRAPH_LABELS, GRAPH_CLASSES),
        ["big", "ring", "star"],
        True,
    ),
    "GraphRegressor": Case(
        GraphRegressor,
        BASELINE_ONLY,
        lambda: graph_data(GRAPH_NUMBERS, GRAPH_NUMBERS[::-1]),
    ),
    "MoleculeClassifier": Case(
        MoleculeClassifier,
        {**MOLECULE_QUICK, "network": "none"},
        lambda: molecule_data(MOLECULE_CLASSES, renamed(MOLECULE_CLASSES)),
        ["acid", "amine"],
    ),
    "MoleculeClassifier, network": Case(
        MoleculeClassifier,
        MOLECULE_NETWORK,
        lambda: molecule_data(MOLECULE_CLASSES, renamed(MOLECULE_CLASSES)),
        ["acid", "amine"],
    ),
    "MoleculeRegressor": Case(
        MoleculeRegressor,
        {**MOLECULE_QUICK, "network": "none"},
        lambda: molecule_data(MOLECULE_NUMBERS, MOLECULE_NUMBERS[::-1]),
    ),
    "MoleculeRegressor, network": Case(
        MoleculeRegressor,
        MOLECULE_NETWORK,
        lambda: molecule_data(MOLECULE_NUMBERS, MOLECULE_NUMBERS[::-1]),
    ),
}
ONE_OF_EACH = [estimator.__name__ for estimator in ESTIMATORS]
"""the first case of each estimator"""


def quick_except(slow: Container[str], names: Iterable[str] = ONE_OF_EACH) -> list[Any]:
    """Return the names of cases; those of `slow` run with make slow."""
    return [
        pytest.param(name, marks=pytest.mark.slow if name in slow else ())
        for name in names
    ]


REFITTED = [*ONE_OF_EACH, *(name for name in CASES if name.endswith("network"))]
LIKE_CLASSIFIERS = ("GraphRegressor", "MoleculeRegressor")
"""fitted as the classifiers of their domains are, and scored as other regressors"""

SLOW_TO_FIT = ("GraphClassifier", "MoleculeRegressor")
"""fitted as the other estimators of their domains are, which takes less time"""

ONE_OF_DOMAIN = ("ImageRegressor", "NodeRegressor", *SLOW_TO_FIT)
"""slow where one estimator of each domain is enough"""

UNLIKE_OTHERS = [*ONE_OF_EACH, "LinkPredictor, relations"]
UNLIKE_OTHERS = [name for name in UNLIKE_OTHERS if name not in LIKE_CLASSIFIERS]
SIMILAR = set(CASES) - set(UNLIKE_OTHERS)
FAST_CASES = quick_except(SIMILAR, CASES)
"""all cases: those that differ little from the first of their estimator are slow"""

REFITTED_CASES = quick_except(
    {
        *LIKE_CLASSIFIERS,
        "MoleculeRegressor, network",
        "GraphClassifier",
        "MoleculeClassifier",
    },
    REFITTED,
)
"""cases for a test that fits again: with a network, the linear model is fitted too"""


class Fitted(NamedTuple):
    """A model, fitted once for all tests that do not change it."""

    case: Case
    model: Any
    returned: Any
    """what `fit` returned"""

    before: dict[str, Any]
    """its parameters before `fit`"""

    data_before: tuple[tuple[Any, ...], dict[str, Any]]
    """a copy of the arguments of `fit`, cached_data before"""


@pytest.fixture(
    scope="module",
    params=FAST_CASES,
)
def fitted(request, tmp_path_factory) -> Iterator[Fitted]:
    """Fit the model of each case once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VICINAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        case = CASES[request.param]
        model = case.new()
        before = model.get_params()
        data = copy.deepcopy((case.data.fit, case.data.fit_kwargs))
        yield Fitted(case, model, case.fit(model), before, data)


@pytest.fixture(params=FAST_CASES)
def case(request) -> Case:
    return CASES[request.param]


each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


def outputs(model: Any, X: Any) -> np.ndarray:
    """Return probabilities, or the numbers of a regressor."""
    return getattr(model, "predict_proba", model.predict)(X)


def test_every_estimator_has_a_case():
    public = [getattr(vicinal, name) for name in vicinal.__all__]
    estimators = {value for value in public if hasattr(value, "predict")}
    estimators -= OF_OTHER_EXAMPLES
    assert estimators == set(ESTIMATORS)
    assert {case.estimator for case in CASES.values()} == estimators
    assert set(ONE_OF_EACH) <= set(CASES)
    predicting = [domain for domain in DOMAINS if "predict" in domain.commands]
    targets = {t for domain in predicting for t in domain.estimators.values()}
    others = {e.__name__ for e in OF_OTHER_EXAMPLES}
    targets -= {t for t in targets if t.split(":")[1] in others}
    of_domains, names = (
        {t.split(":")[1] for t in targets},
        {e.__name__ for e in estimators},
    )
    assert of_domains == names, (
        f"add cases for {sorted(of_domains - names)} to ESTIMATORS and CASES, and the "
        f"domain of {sorted(names - of_domains)} to vicinal.domains.DOMAINS"
    )


# --- parameters -------------------------------------------------------------------


@each_estimator
def test_init_only_stores(estimator):
    invalid = {"epochs": -3, "lr": object(), "random_state": "x", "device": None}
    model = estimator(**invalid)
    assert all(getattr(model, name) is value for name, value in invalid.items())
    assert set(vars(model)) == set(model.get_params())


@each_estimator
def test_signature_names_the_parameters(estimator):
    parameters = inspect.signature(estimator).parameters
    assert set(parameters) == set(estimator().get_params())
    kinds = {parameter.kind for parameter in parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


@each_estimator
def test_parameters_can_be_read_and_set(estimator):
    model = estimator(epochs=3, random_state=7)
    assert {"epochs": 3, "random_state": 7}.items() <= model.get_params().items()
    assert model.set_params(epochs=9, lr=0.5) is model
    assert (model.epochs, model.lr, model.random_state) == (9, 0.5, 7)
    again = estimator().set_params(**model.get_params())
    assert again.get_params() == model.get_params()


@each_estimator
def test_clone_has_the_same_parameters(estimator):
    model = estimator(epochs=3, random_state=7)
    copied = clone(model)
    assert type(copied) is estimator and copied is not model
    assert copied.get_params() == model.get_params()
    copied.set_params(epochs=4)
    assert model.epochs == 3


@each_estimator
def test_repr_can_be_evaluated(estimator):
    model = estimator(epochs=3, random_state=7)
    again = eval(repr(model), {estimator.__name__: estimator})
    assert again.get_params() == model.get_params()
    assert repr(estimator()) == f"{estimator.__name__}()"


@each_estimator
def test_unknown_parameter_raises(estimator):
    with pytest.raises(TypeError, match=r"no parameter 'epoch'.*mean 'epochs'"):
        estimator(epoch=1)
    with pytest.raises(SettingError, match=r"no parameter 'epoch'.*mean 'epochs'"):
        estimator().set_params(epoch=1)


INVALID_VALUES = [
    ("epochs", -3, "whole number, 1 or more"),
    ("epochs", 2.5, "whole number, 1 or more"),
    ("epochs", True, "whole number, 1 or more"),
    ("lr", 0, "above 0"),
    ("lr", "fast", "above 0"),
    ("lr", float("nan"), "above 0"),
    ("batch_size", 1, "a whole number, 2 or more"),
    ("weight_decay", -1, "0 or more"),
    ("label_smoothing", 1.0, "from 0 to below 1"),
    ("patience", -1, "whole number, 0 or more"),
    ("minutes", 0, "above 0"),
    ("precision", "float8", "auto, float32, bfloat16"),
    ("class_weight", "heavy", "none, balanced"),
    ("deterministic", "yes", "True or False"),
    ("test_fraction", 1.5, "from 0 to"),
    ("random_state", -1, "whole number, 0 or more"),
    ("random_state", "x", "whole number, 0 or more"),
]


@pytest.mark.parametrize(("name", "value", "expected"), INVALID_VALUES)
@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_value_out_of_range_raises(case, name, value, expected):
    if name in case.estimator().get_params():
        check_refused(case, name, value, expected)
    else:  # not offered where it would have no effect
        with pytest.raises(TypeError, match=f"no parameter '{name}'"):
            case.new(**{name: value})


OWN_INVALID_VALUES = [
    ("ImageClassifier", "augment", "wild", "auto, none, light, photo"),
    ("ImageClassifier", "backbone", "oracle", "resnet18"),
    ("ImageClassifier", "image_size", 4, "from 8 to 2048"),
    ("ImageRegressor", "backbone", "oracle", "resnet18"),
    ("ImageRegressor", "group_pattern", "(", "regular expression"),
    ("NodeClassifier", "network", "oracle", "gcn, sage, gin"),
    ("NodeClassifier", "ensemble_size", 0, "whole number, 1 or more"),
    ("NodeRegressor", "network", "oracle", "gcn, sage, gin"),
    ("NodeRegressor", "dropout", 1, "from 0 to below 1"),
    ("LinkPredictor", "decoder", "oracle", "none, dot, bilinear, mlp"),
    ("LinkPredictor", "node_embeddings", "oracle", "layers, free"),
    ("LinkPredictor", "hidden", 0, "whole number, 1 or more"),
    ("GraphClassifier", "network", "oracle", "auto, none, gin"),
    ("GraphClassifier", "layers", 0, "whole number, 1 or more"),
    ("GraphRegressor", "network", "oracle", "auto, none, gin"),
    ("GraphRegressor", "batch_size", 0, "a whole number, 2 or more"),
]


@pytest.mark.parametrize(
    ("case", "name", "value", "expected"), OWN_INVALID_VALUES, indirect=["case"]
)
def test_value_out_of_own_range_raises(case, name, value, expected):
    check_refused(case, name, value, expected)


@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_deterministic_excludes_a_time_limit(case):
    model = case.new(deterministic=True, minutes=2.0)
    with pytest.raises(SettingError, match=r"minutes must be None with determ.*2\.0"):
        case.fit(model)


def check_refused(case: Case, name: str, value: Any, expected: str) -> None:
    """Check that the error has the parameter, the expected values and the value."""
    model = case.new(**{name: value})
    with pytest.raises(SettingError) as caught:
        case.fit(model)
    message = str(caught.value)
    assert name in message and expected in message and repr(value) in message
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_unknown_device_raises(case):
    check_refused(case, "device", "mars", "cpu")


@pytest.mark.parametrize("case", [*NODES, *LINKS, *GRAPHS], indirect=True)
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_graph_estimators_refuse_an_accelerator(case, device):
    check_refused(case, "device", device, "graph networks are trained on the CPU")


@pytest.mark.parametrize("case", IMAGES, indirect=True)  # others have no such parameter
def test_unknown_resize_raises(case):
    check_refused(case, "resize", "fold", "crop, squish, pad")


@pytest.mark.parametrize("name", ["freeze", "weights"])
@pytest.mark.parametrize("case", IMAGES, indirect=True)  # others have no such parameter
def test_text_parameter_of_wrong_type_raises(case, name):
    check_refused(case, name, 3, "")


@pytest.mark.parametrize("case", IMAGES, indirect=True)  # others have no such parameter
def test_number_parameter_of_wrong_type_raises(case):
    check_refused(case, "max_pixels", "many", "above 0")


# --- before fit -------------------------------------------------------------------


@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_predict_before_fit_raises(case):
    model = case.new()
    with pytest.raises(NotFittedError, match=not_fitted(case)):
        model.predict(case.data.inputs)


@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_every_method_before_fit_raises(case, tmp_path):
    model, data = case.new(), case.data
    calls: dict[str, tuple[Any, ...]] = {
        "predict_proba": (data.inputs,),
        "transform": (data.inputs_to_embed,),
        "evaluate": data.labelled,
        "score": data.labelled,
        "explain": data.explain,
        "save": (tmp_path / "model",),
    }
    if is_regressor(model):
        del calls["predict_proba"]
    for method, arguments in calls.items():
        with pytest.raises(NotFittedError, match=not_fitted(case)):
            getattr(model, method)(*arguments)
    assert list(tmp_path.iterdir()) == []
    assert set(vars(model)) == set(model.get_params())


def not_fitted(case: Case) -> str:
    """Return a pattern of the error message."""
    return f"{case.estimator.__name__} .*fit first.*vicinal.load"


def test_clone_is_not_fitted(fitted):
    case, model, *_ = fitted
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copied.transform(case.data.inputs_to_embed)


@each_estimator
def test_scikit_learn_recognises_the_estimator_type(estimator):
    # LinkPredictor is neither: it has no y
    model, name = estimator(), estimator.__name__
    assert is_classifier(model) is name.endswith("Classifier")
    assert is_regressor(model) is name.endswith("Regressor")


# --- fit --------------------------------------------------------------------------


def test_fit_returns_self(fitted):
    assert fitted.returned is fitted.model


def test_fit_keeps_parameters(fitted):
    _, model, _, before, _ = fitted
    after = model.get_params()
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())


def test_learned_attributes_end_in_underscore(fitted):
    _, model, *_ = fitted
    new = set(vars(model)) - set(model.get_params())
    assert any(name.endswith("_") for name in new)
    public = {name for name in new if not name.startswith("_")}
    assert [name for name in sorted(public) if not name.endswith("_")] == []


def test_classes_are_sorted(fitted):
    case, model, *_ = fitted
    if case.classes is None:  # numbers and links
        assert not hasattr(model, "classes_")
    else:
        assert model.classes_.tolist() == case.classes


def test_valid_data_are_not_quarantined(fitted):
    assert fitted.model.quarantine_ == []


def test_fit_does_not_change_its_data(fitted):
    data, (args, kwargs) = fitted.case.data, fitted.data_before
    before = [*args, *kwargs.values()]
    after = [*data.fit, *data.fit_kwargs.values()]
    assert all(map(is_equal, after, before))


def is_equal(first: Any, second: Any) -> bool:
    """Return whether arrays, tables or lists, also of graphs, are equal."""
    if isinstance(first, pd.DataFrame):
        return first.equals(second)
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    if isinstance(first, list) and isinstance(first[0], nx.Graph):
        return all(map(nx.utils.graphs_equal, first, second))
    return first == second


@pytest.mark.parametrize("fitted", REFITTED_CASES, indirect=True)
def test_same_random_state_gives_identical_predictions(fitted):
    case, model, *_ = fitted
    again = case.new(random_state=np.int64(model.random_state))  # an integer of numpy
    case.fit(again)
    inputs, embedding_inputs = case.data.inputs, case.data.inputs_to_embed
    assert np.array_equal(outputs(again, inputs), outputs(model, inputs))
    assert np.array_equal(
        again.transform(embedding_inputs), model.transform(embedding_inputs)
    )


@pytest.mark.parametrize("fitted", quick_except(SLOW_TO_FIT), indirect=True)
def test_other_random_state_gives_other_predictions(fitted):
    case, model, *_ = fitted
    other = case.new(random_state=1)
    case.fit(other)
    inputs = case.data.inputs
    if case.estimator.__name__ in MOLECULES:  # only the folds are random
        folds = (found.cross_validation_.folds for found in (other, model))
        assert not np.array_equal(*folds)
        return
    assert not np.array_equal(outputs(other, inputs), outputs(model, inputs))


@pytest.mark.parametrize("fitted", quick_except(SLOW_TO_FIT), indirect=True)
def test_a_second_fit_replaces_the_first(fitted):
    case, model, *_ = fitted
    data = case.data
    again = case.new().fit(*data.other, **data.fit_kwargs)
    if case.classes is not None:
        assert again.classes_.tolist() != case.classes
    case.fit(again)
    assert np.array_equal(outputs(again, data.inputs), outputs(model, data.inputs))
    if case.classes is not None:
        assert again.classes_.tolist() == case.classes


def test_without_any_label_fit_raises(case):
    data, model = case.data, case.new()
    kwargs = {} if case.links else data.fit_kwargs
    if "relation_column" in case.settings:
        pytest.skip("a NetworkX graph has no relation column")
    message = "edge" if case.links else "label"
    if case.estimator.__name__ in MOLECULES:
        message = "target"
    with pytest.raises(DataError, match=message):
        model.fit(*data.unlabelled, **kwargs)
    with pytest.raises(NotFittedError):
        model.transform(data.inputs_to_embed)


@pytest.mark.parametrize("case", quick_except(ONE_OF_DOMAIN), indirect=True)
def test_every_form_of_data_gives_the_same_model(case, tmp_path):
    settings = {}
    if case.estimator.__name__ in IMAGES:
        # the split depends on digests, which differ for files and arrays
        settings = {"val_fraction": 0.0}
    reference = case.new(**settings)
    case.fit(reference)
    expected = outputs(reference, case.data.inputs)
    forms = case.data.forms(tmp_path)
    assert len(forms) >= 2
    for k, (args, kwargs) in enumerate(forms):
        model = case.new(**settings).fit(*args, **kwargs)
        actual = outputs(model, case.data.inputs)
        np.testing.assert_allclose(actual, expected, atol=1e-5, err_msg=f"form {k}")


# scikit-learn cannot split the nodes and edges of one graph; GraphRegressor stands for
# both estimators of whole graphs
@pytest.mark.parametrize("case", [*IMAGES, "GraphRegressor"], indirect=True)
def test_scikit_learn_cross_validates(case):
    x, y = case.data.labelled
    scores = cross_val_score(case.new(), x, np.asarray(y), cv=2)
    assert scores.shape == (2,) and np.isfinite(scores).all()


# --- predict ----------------------------------------------------------------------


def test_predictions_have_a_row_for_each_example(fitted):
    case, model, *_ = fitted
    n = len(case.data.inputs)
    predicted = model.predict(case.data.inputs)
    if case.links:
        assert predicted.shape == (n,) and predicted.dtype == bool
    elif case.classes is None:
        assert predicted.shape == (n,) and predicted.dtype.kind == "f"
        assert np.isfinite(predicted).all() and len(np.unique(predicted)) > 1
    elif case.is_multi_label:
        assert predicted.shape == (n, len(case.classes))
        assert np.isin(predicted, [0, 1]).all()
    else:
        assert predicted.shape == (n,) and predicted.dtype == model.classes_.dtype
        assert set(predicted) <= set(case.classes)


def test_probabilities_are_probabilities(fitted):
    case, model, *_ = fitted
    if is_regressor(model):
        assert not hasattr(model, "predict_proba")
        return
    n = len(case.data.inputs)
    p = model.predict_proba(case.data.inputs)
    assert ((p >= 0) & (p <= 1)).all() and len(np.unique(p.round(6))) > 2
    predicted = model.predict(case.data.inputs)
    if case.links:  # the probability of an edge, [P]
        assert p.shape == (n,)
        assert np.array_equal(predicted, p >= 0.5)
        return
    assert p.shape == (n, len(model.classes_))
    if case.is_multi_label:  # each label on its own
        assert np.array_equal(predicted, p >= 0.5)
        return
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    assert np.array_equal(predicted, model.classes_[p.argmax(axis=1)])


def test_a_prediction_does_not_depend_on_the_other_inputs(fitted):
    case, model, *_ = fitted
    inputs = case.data.inputs
    whole = outputs(model, inputs)
    np.testing.assert_allclose(outputs(model, inputs[3:7]), whole[3:7], atol=1e-5)
    reverse = outputs(model, inputs[::-1])
    np.testing.assert_allclose(reverse, whole[::-1], atol=1e-5)
    assert np.array_equal(outputs(model, inputs), whole)


def test_predict_keeps_the_model(fitted):
    case, model, *_ = fitted
    before = {name for name in vars(model) if not name.startswith("_")}
    outputs(model, case.data.inputs)
    model.transform(case.data.inputs_to_embed)
    after = {name for name in vars(model) if not name.startswith("_")}
    assert after == before and model.get_params() == fitted.before


def test_a_used_model_is_copied_and_pickled(fitted):
    """As joblib does, for example in `cross_validate(n_jobs=2)`."""
    case, model, *_ = fitted
    expected = outputs(model, case.data.inputs)
    if case.estimator.__name__ in IMAGES:
        model.explain(case.data.inputs[:1])
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(outputs(copied, case.data.inputs), expected)
        assert repr(copied) == repr(model)


@pytest.mark.parametrize("fitted", quick_except(LIKE_CLASSIFIERS), indirect=True)
def test_threads_use_a_model_at_the_same_time(fitted):
    case, model, *_ = fitted
    inputs, results = case.data.inputs, []
    expected = outputs(model, inputs)
    explained = None
    if case.estimator.__name__ in IMAGES:
        explained = [model.explain(inputs[k : k + 1]).map for k in range(2)]

    def use(k: int) -> None:
        same = np.array_equal(outputs(model, inputs), expected)
        if explained is not None:
            found = model.explain(inputs[k : k + 1]).map
            same = same and np.allclose(found, explained[k], atol=1e-6)
        results.append(same)

    threads = [threading.Thread(target=use, args=(k % 2,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_transform_gives_a_row_for_each_example(fitted):
    case, model, *_ = fitted
    # LinkPredictor embeds nodes, not pairs
    inputs_to_embed = model.transform(case.data.inputs_to_embed)
    assert inputs_to_embed.ndim == 2 and inputs_to_embed.shape[1] > 0
    assert len(inputs_to_embed) == len(case.data.inputs_to_embed)
    assert inputs_to_embed.dtype == np.float32 and np.isfinite(inputs_to_embed).all()
    few = model.transform(case.data.inputs_to_embed[2:5])
    np.testing.assert_allclose(few, inputs_to_embed[2:5], atol=1e-5)
    assert len(np.unique(inputs_to_embed.round(5), axis=0)) > 1


# --- evaluate ---------------------------------------------------------------------


def test_evaluation_has_intervals_and_baselines(fitted):
    case, model, *_ = fitted
    evaluation = model.evaluate(*case.data.labelled)
    assert isinstance(evaluation, Evaluation)
    assert evaluation.baselines
    for score in (evaluation.score, *evaluation.baselines.values()):
        assert score.metric == evaluation.score.metric
        assert score.n == evaluation.score.n > 0
        # the interval of 10 of 10 ends one rounding error below 1
        assert score.low - 1e-12 <= score.value <= score.high + 1e-12
        assert np.isfinite([score.low, score.value, score.high]).all()
    assert len(evaluation.predictions) == evaluation.score.n
    assert set(evaluation.comparisons) == set(evaluation.baselines)
    assert evaluation.verdict and str(evaluation.score) in str(evaluation)
    metrics = {
        "MoleculeClassifier": "auroc",
        "MoleculeRegressor": "rmse",
        "Classifier": "accuracy",
        "Regressor": "mae",
        "Predictor": "auroc",
    }
    kind = next(k for k in metrics if type(model).__name__.endswith(k))
    metric = "f1_micro" if case.is_multi_label else metrics[kind]
    assert evaluation.score.metric == metric


def test_evaluation_is_json(fitted):
    case, model, *_ = fitted
    values = model.evaluate(*case.data.labelled).to_dict()
    decoded = json.loads(json.dumps(values))
    assert decoded["score"]["n"] == values["score"]["n"]
    keys = {"score", "scores", "baselines", "classes", "confusion", "notes"}
    assert keys <= set(values)


def test_score_agrees_with_evaluate(fitted):
    case, model, *_ = fitted
    evaluation = model.evaluate(*case.data.labelled)
    # LinkPredictor.score accepts data, as scikit-learn requires, and ignores them
    score = model.score(*case.data.labelled)
    assert isinstance(score, float)
    if is_regressor(model):  # R^2, as scikit-learn's regressors
        table = evaluation.predictions
        expected = r2_score(table["label"].astype(float), table["predicted"])
        assert score == pytest.approx(expected)
    else:
        assert score == pytest.approx(evaluation.score.value)


def test_evaluation_agrees_with_predictions(fitted):
    case, model, *_ = fitted
    evaluation = model.evaluate(*case.data.labelled)
    table = evaluation.predictions
    if case.links:
        columns = [k for k in ("source", "relation", "target") if k in table]
        pairs = [tuple(row) for row in table[columns].to_numpy()]
        p = model.predict_proba(pairs)
        np.testing.assert_allclose(table["probability"], p, atol=1e-5)
        return
    scored = case.data.inputs
    if case.estimator.__name__ in NODES:  # scored on the test split
        scored = table["id"].tolist()
        assert 0 < len(scored) < NODE_COUNT
    predicted = model.predict(scored)
    if case.is_multi_label:
        names = [set(label.split("|")) - {"", "-"} for label in table["predicted"]]
        marks = [[name in row for name in model.classes_] for row in names]
        assert np.array_equal(predicted, np.array(marks))
    elif case.classes is None:
        numbers = table["predicted"].astype(float)
        np.testing.assert_allclose(numbers, predicted, rtol=1e-5)
        errors = np.abs(table["label"].astype(float) - predicted)
        error = errors.mean()
        if evaluation.score.metric == "rmse":
            error = np.sqrt((errors**2).mean())
        assert evaluation.score.value == pytest.approx(error)
    else:
        assert table["predicted"].tolist() == predicted.tolist()
        accuracy = np.mean(table["label"].to_numpy() == predicted)
        if evaluation.score.metric == "auroc":
            evaluation = replace(evaluation, score=evaluation.scores[-1])
        assert evaluation.score.value == accuracy


# LinkPredictor.evaluate takes no data
@pytest.mark.parametrize(
    "fitted",
    quick_except(SIMILAR, (k for k in CASES if "Link" not in k)),
    indirect=True,
)
def test_evaluate_takes_labelled_data(fitted):
    case, model, *_ = fitted
    labelled: tuple[Any, ...] = case.data.fit
    n = len(case.data.inputs)
    if case.estimator.__name__ in NODES:
        labelled = (vicinal.read_graph(*case.data.fit, **case.data.fit_kwargs),)
    evaluation = model.evaluate(*labelled)
    assert evaluation.score.n == n == len(evaluation.predictions)


# --- explain ----------------------------------------------------------------------


def test_explain_returns_an_explanation(fitted):
    case, model, *_ = fitted
    if is_link_network(case):
        # the logit of a network is not a sum over features of the pair
        with pytest.raises(SettingError, match="explain needs the linear baseline"):
            model.explain(*case.data.explain)
        return
    explanation = model.explain(*case.data.explain)
    assert np.isfinite(explanation.score) and isinstance(explanation.verdict, str)
    assert repr(explanation) and hasattr(explanation, "_repr_html_")
    if case.classes is not None:
        assert explanation.target in case.classes


def is_link_network(case: Case) -> bool:
    return case.links and "decoder" in case.settings


def test_explained_score_is_the_prediction(fitted):
    case, model, *_ = fitted
    if is_link_network(case):
        pytest.skip("link networks have no explanation")
    explanation = model.explain(*case.data.explain)
    expected = outputs(model, explained_input(case))[0]
    if case.classes is not None:
        expected = expected[case.classes.index(explanation.target)]
    assert explanation.score == pytest.approx(expected, rel=1e-3, abs=1e-4)


def explained_input(case: Case) -> Any:
    """Return the explained example as an input of `predict`."""
    args = case.data.explain
    if case.links:
        pair = (args[0], args[2], args[1]) if len(args) == 3 else args
        return [pair]
    return args[0] if case.estimator.__name__ in IMAGES else [args[0]]


def test_explain_takes_a_target(fitted):
    case, model, *_ = fitted
    if case.classes is None:
        pytest.skip("there are no classes")
    name = case.classes[-1]
    assert model.explain(*case.data.explain, target=name).target == name
    with pytest.raises((SettingError, DataError), match="no such class"):
        model.explain(*case.data.explain, target="no such class")


# --- save and load ----------------------------------------------------------------


def test_loaded_model_predicts_identically(fitted, tmp_path):
    case, model, *_ = fitted
    data = case.data
    assert model.save(tmp_path / "deep" / "model") == tmp_path / "deep" / "model"
    for path in (tmp_path / "deep" / "model", str(tmp_path / "deep" / "model")):
        loaded = vicinal.load(path)
        assert type(loaded) is case.estimator
        assert np.array_equal(outputs(loaded, data.inputs), outputs(model, data.inputs))
    assert np.array_equal(loaded.predict(data.inputs), model.predict(data.inputs))
    assert np.array_equal(
        loaded.transform(data.inputs_to_embed), model.transform(data.inputs_to_embed)
    )


def test_loaded_model_has_the_same_parameters(fitted, tmp_path):
    case, model, *_ = fitted
    loaded = vicinal.load(model.save(tmp_path))
    assert loaded.get_params() == model.get_params()
    assert loaded.history_ == model.history_
    if case.classes is not None:
        assert loaded.classes_.tolist() == model.classes_.tolist()
        assert loaded.classes_.dtype == model.classes_.dtype


def test_loaded_model_has_the_same_score(fitted, tmp_path):
    case, model, *_ = fitted
    loaded = vicinal.load(model.save(tmp_path))
    actual = loaded.evaluate(*case.data.labelled)
    expected = model.evaluate(*case.data.labelled)
    assert actual.score == expected.score
    assert actual.baselines == expected.baselines


# the fit of image estimators holds out no test split
WITH_TEST_SPLIT = [name for name in CASES if "Image" not in name]


@pytest.mark.parametrize(
    "fitted", quick_except(SIMILAR, WITH_TEST_SPLIT), indirect=True
)
def test_test_split_has_the_same_score_after_load(fitted, tmp_path):
    _, model, *_ = fitted
    expected = model.evaluate()
    loaded = vicinal.load(model.save(tmp_path))
    assert loaded.evaluate().score == expected.score


def test_loaded_model_gives_the_same_explanation(fitted, tmp_path):
    case, model, *_ = fitted
    if is_link_network(case):
        pytest.skip("link networks have no explanation")
    loaded = vicinal.load(model.save(tmp_path))
    actual = loaded.explain(*case.data.explain)
    expected = model.explain(*case.data.explain)
    assert (actual.score, actual.target) == (expected.score, expected.target)
    assert actual.verdict == expected.verdict


def test_loaded_model_can_be_saved_again(fitted, tmp_path):
    _, model, *_ = fitted
    loaded = vicinal.load(model.save(tmp_path / "first"))
    loaded.save(tmp_path / "second")
    names = [sorted(p.name for p in (tmp_path / k).iterdir()) for k in FOLDERS]
    assert names[0] == names[1]
    inputs = fitted.case.data.inputs
    again = vicinal.load(tmp_path / "second")
    assert np.array_equal(outputs(again, inputs), outputs(model, inputs))


FOLDERS = ("first", "second")


@pytest.mark.parametrize("fitted", quick_except(SLOW_TO_FIT), indirect=True)
def test_loaded_model_can_be_fitted_again(fitted, tmp_path):
    case, model, *_ = fitted
    loaded = vicinal.load(model.save(tmp_path))
    assert case.fit(loaded) is loaded
    inputs = case.data.inputs
    assert np.array_equal(outputs(loaded, inputs), outputs(model, inputs))


def test_a_saved_model_is_safetensors_and_json(fitted, tmp_path):
    case, model, *_ = fitted
    model.save(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    for path in files:
        if path.suffix == ".json":  # NaN is not JSON
            values = json.loads(path.read_text(), parse_constant=pytest.fail)
            assert values["estimator"] == case.estimator.__name__


def test_nothing_is_pickled(fitted, tmp_path, monkeypatch):
    import torch

    case, model, *_ = fitted
    expected = outputs(model, case.data.inputs)

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("pickle is used")

    for name in ("load", "loads", "dump", "dumps", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    for name in ("load", "save"):
        monkeypatch.setattr(torch, name, refuse)
    loaded = vicinal.load(model.save(tmp_path))
    assert np.array_equal(outputs(loaded, case.data.inputs), expected)


def test_save_does_not_overwrite(fitted, tmp_path):
    _, model, *_ = fitted
    model.save(tmp_path)
    with pytest.raises(VicinalError, match=str(tmp_path)):
        model.save(tmp_path)


def test_save_to_an_unwritable_path_raises(fitted, tmp_path):
    _, model, *_ = fitted
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        model.save(tmp_path / "file" / "model")


def test_damaged_model_is_refused(fitted, tmp_path):
    _, model, *_ = fitted
    model.save(tmp_path)
    (path,) = tmp_path.glob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=path.name):
        vicinal.load(tmp_path)
    path.unlink()
    with pytest.raises(ModelFileError, match=path.name):
        vicinal.load(tmp_path)


def test_load_without_a_model_raises(tmp_path):
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(ModelFileError, match="no model"):
            vicinal.load(path)


def test_calibration_is_saved(fitted, tmp_path):
    case, model, *_ = fitted
    if is_regressor(model):
        pytest.skip("regressors have no temperature")
    calibrated = copy.copy(model)
    if case.estimator.__name__ in MOLECULES:
        wider = [scale._replace(factor=scale.factor / 3) for scale in model.scaling_]
        calibrated.update(scaling=tuple(wider), networks=None, network_weight=0.0)
    else:
        calibrated.update(temperature=3 * model.temperature_)  # not 1
    expected = calibrated.predict_proba(case.data.inputs)
    assert not np.allclose(expected, model.predict_proba(case.data.inputs), atol=1e-4)
    loaded = vicinal.load(calibrated.save(tmp_path))
    assert np.array_equal(loaded.predict_proba(case.data.inputs), expected)
