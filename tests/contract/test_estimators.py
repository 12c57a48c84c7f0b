"""Check the contract: the laws that all seven estimators keep.

Each test is one law and runs on every case of `CASES` that it makes sense for; several
cases of one estimator differ in the kind of labels or in what answers, the first
answer or a network. Only the public interface is used (`vicinal.X`, `vicinal.load`,
`vicinal.errors`), so that the tests outlive any move of modules.

What an estimator does differently by design is said in a comment where it is tested.
What it does wrong today is listed in `VIOLATIONS`: such a test must fail, and turns red
as soon as the library keeps the law, so that the entry can be removed.
"""

import copy
import inspect
import itertools
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
    LinkPredictor,
    NodeClassifier,
    NodeRegressor,
)
from vicinal.errors import (
    DataError,
    ModelFileError,
    NotFittedError,
    RunError,
    SettingError,
    VicinalError,
)

ESTIMATORS: list[type[Any]] = [
    ImageClassifier,
    ImageRegressor,
    NodeClassifier,
    NodeRegressor,
    LinkPredictor,
    GraphClassifier,
    GraphRegressor,
]
IMAGES = ("ImageClassifier", "ImageRegressor")
NODES = ("NodeClassifier", "NodeRegressor")
LINKS = ("LinkPredictor",)
GRAPHS = ("GraphClassifier", "GraphRegressor")

clone: Any = base.clone  # whose type hints know only what is in scikit-learn


# --- known violations -------------------------------------------------------------


class Violation(NamedTuple):
    """A law that some estimators break today, and how the test fails."""

    test: str
    estimators: tuple[str, ...]
    reason: str
    raises: Any = AssertionError


NOT_RAISED = pytest.fail.Exception
"""what `pytest.raises` fails with"""

VIOLATIONS = [
    Violation(
        "test_save_does_not_overwrite",
        (*IMAGES, *NODES, *LINKS, *GRAPHS),
        "save replaces a model that is there already, without a word",
        NOT_RAISED,
    ),
    Violation(
        "test_predict_before_fit_raises",
        ("GraphClassifier",),
        "predict looks at `objective_` before it looks whether there is one",
        AttributeError,
    ),
    Violation(
        "test_learned_attributes_end_in_underscore",
        NODES,
        "fit sets `samples` and `network_name`",
    ),
    Violation(
        "test_unknown_device_raises",
        (*NODES, *LINKS, *GRAPHS),
        "`device` is a parameter, is not checked and is not used",
        NOT_RAISED,
    ),
    Violation(
        "test_unknown_resize_raises",
        IMAGES,
        "choices of `resize` are not checked: an unknown one is taken",
        NOT_RAISED,
    ),
    Violation(
        "test_explained_score_is_the_prediction",
        ("ImageRegressor",),
        "the score explained is in spreads of the target, not in its unit",
    ),
    Violation(
        "test_text_parameter_of_wrong_type_raises",
        IMAGES,
        "a number for `freeze` or `weights` is an AttributeError",
        AttributeError,
    ),
    Violation(
        "test_number_parameter_of_wrong_type_raises",
        IMAGES,
        "a text for `max_pixels` is a TypeError",
        TypeError,
    ),
    Violation(
        "test_held_out_part_is_scored_alike_after_load",
        GRAPHS,
        "a saved model keeps no held-out graphs: evaluate() raises NoDataError",
        DataError,
    ),
]


@pytest.fixture(autouse=True)
def expect_known_violations(request) -> None:
    """Mark a test as one that must fail where `VIOLATIONS` has its estimator."""
    parameters = getattr(request.node, "callspec", None)
    if parameters is None:
        return
    asked = parameters.params
    name = asked["fitted"] if "fitted" in asked else asked.get("case")
    estimator = CASES[name].estimator if name else asked.get("estimator")
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
    """Data to fit an estimator on, and the questions to put to it."""

    fit: tuple[Any, ...]
    """what `fit` takes"""

    fit_by_name: dict[str, Any] = field(default_factory=dict)
    """what it takes by name"""

    other: tuple[Any, ...]
    """other data for `fit`, of other classes where there are classes"""

    unlabelled: tuple[Any, ...]
    """data for `fit` without a single label"""

    ask: Any
    """what `predict` takes: a list or an array"""

    embed: Any = None
    """what `transform` takes; None: the same"""

    labelled: tuple[Any, ...] = ()
    """what `evaluate` and `score` take; nothing: the part that was held out"""

    explain: tuple[Any, ...]
    """what `explain` takes"""

    forms: Callable[[Path], list[tuple[tuple[Any, ...], dict[str, Any]]]]
    """the same data in other forms, to fit on: files are written to a folder"""

    @property
    def embedded(self) -> Any:
        return self.ask if self.embed is None else self.embed


N, SIDE = 24, 8
NODE_COUNT, GRAPH_COUNT = 70, 24


def images(n: int = N) -> np.ndarray:
    """Make images [n, SIDE, SIDE] of uint8, each brighter than the one before."""
    rng = np.random.default_rng(0)
    light = np.linspace(30, 220, n)[:, None, None]
    x = light + rng.normal(0, 4, (n, SIDE, SIDE))
    return np.rint(x.clip(0, 255)).astype(np.uint8)


def image_files(folder: Path) -> list[Path]:
    """Write the images as files, in the order of their names."""
    (folder / "images").mkdir()
    paths = [folder / "images" / f"{k:02}.png" for k in range(N)]
    for path, pixels in zip(paths, images(), strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def image_data(y: Any, other: Any) -> Data:
    """Give every image a label of y."""

    def forms(folder: Path) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        paths = image_files(folder)
        texts = [str(path) for path in paths]
        frame = pd.DataFrame({"path": texts, "label": list(y)})
        frame.to_csv(folder / "table.csv", index=False)
        given: list[tuple[Any, ...]] = [
            (paths, y),
            (pd.Series(texts), pd.Series(y)),
            ((paths, y),),
            (frame,),
            (folder / "table.csv",),
            (vicinal.read_images(paths, y),),
        ]
        if isinstance(y, np.ndarray):  # amounts: read_images would take them as names
            given.pop()
        return [(form, {}) for form in given]

    return Data(
        fit=(images(), y),
        other=(images()[::2], other),
        unlabelled=(images(), [None] * N),
        ask=images(),
        labelled=(images(), y),
        explain=(images()[3:4],),
        forms=forms,
    )


NAMES = ["dark"] * (N // 2) + ["light"] * (N // 2)
MARKS = ["dark" if k < N / 2 else ["light", "light|even"][k % 2] for k in range(N)]


def node_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make nodes and edges of two blocks; features tell a little of the block."""
    rng = np.random.default_rng(0)
    block = np.arange(NODE_COUNT) % 2
    features = rng.normal(size=(NODE_COUNT, 3))
    features[np.arange(NODE_COUNT), block] += 3
    p = np.where(block[:, None] == block[None], 0.09, 0.05)
    joined = np.triu(rng.random((NODE_COUNT, NODE_COUNT)) < p, 1)
    nodes = pd.DataFrame(features, columns=list("abc"))
    nodes.insert(0, "id", [f"n{k}" for k in range(NODE_COUNT)])
    source, target = (nodes["id"].to_numpy()[ends] for ends in np.nonzero(joined))
    return nodes, pd.DataFrame({"source": source, "target": target})


def node_data(y: list[Any], other: list[Any]) -> Data:
    """Give every node a label of y."""
    nodes, edges = node_tables()
    labelled = nodes.assign(label=y)

    def forms(folder: Path) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        labelled.to_csv(folder / "nodes.csv", index=False)
        edges.to_csv(folder / "edges.csv", index=False)
        by_name = dict(zip(nodes["id"], y, strict=True))
        return [
            ((str(folder),), {}),
            ((folder / "nodes.csv",), {"edges": folder / "edges.csv"}),
            ((nodes, np.array(y)), {"edges": edges}),
            ((nodes, pd.Series(y)), {"edges": edges}),
            ((nodes, by_name), {"edges": edges}),
            ((nodes.assign(kind=y),), {"edges": edges, "target": "kind"}),
            ((vicinal.read_graph(labelled, edges=edges),), {}),
        ]

    return Data(
        fit=(labelled,),
        fit_by_name={"edges": edges},
        other=(nodes.assign(label=other),),
        unlabelled=(nodes.assign(label=None),),
        ask=nodes["id"].tolist(),
        explain=("n3",),
        forms=forms,
    )


BLOCKS = [f"k{k % 2}" for k in range(NODE_COUNT)]
ROLES = [f"k{k % 2}" + ("|hub" if k % 3 == 0 else "") for k in range(NODE_COUNT)]


def amounts_of_nodes() -> list[float]:
    nodes, _ = node_tables()
    return (nodes["a"] + 0.1 * np.arange(NODE_COUNT) % 3).tolist()


def link_data(features: bool = False, relations: bool = False) -> Data:
    """Learn the edges of the two blocks, without labels."""
    nodes, edges = node_tables()
    ids = nodes["id"].tolist()
    pairs: list[tuple[str, ...]] = [*itertools.pairwise(ids)]
    explain = ("n3", "n5")
    if relations:
        edges = edges[:60]
        ids = vicinal.read_graph(edges).ids.tolist()
        kinds = [("likes", "knows")[k % 2] for k in range(len(edges))]
        edges = edges.assign(how=kinds)
        pairs = [(a, "likes", b) for a, b in itertools.pairwise(ids)]
        explain = (ids[3], ids[5], "likes")
    wholly = {"edges": edges} if features else {}

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
        found: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
            ((folder / "edges.csv",), {}),
            ((str(folder / "edges.csv"),), {}),
        ]
        if not relations:  # of other objects edges come in another order
            found.append(((vicinal.read_graph(edges),), {}))
        return found

    return Data(
        fit=(nodes,) if features else (edges,),
        fit_by_name=wholly,
        other=(nodes.assign(a=1.0),) if features else (edges[::2],),
        # edges are the labels: none means a graph of nodes alone
        unlabelled=(nx.empty_graph(10),),
        ask=pairs,
        embed=ids[:20],
        explain=explain,
        forms=forms,
    )


def graph_data(y: list[Any], other: list[Any]) -> Data:
    """Give every graph, a ring or a star of 5 to 9 nodes, a label of y."""
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
        ask=graphs,
        labelled=(graphs, y),
        explain=(graphs[0],),
        forms=forms,
    )


# a sixth of the labels are wrong: probabilities are to be calibrated
SHAPES = [("star", "ring")[(k + (k % 6 == 0)) % 2] for k in range(GRAPH_COUNT)]
SIZES = [5 + k // 2 % 5 + 0.1 * (k % 3) for k in range(GRAPH_COUNT)]
TRAITS = [
    shape + ("|big" if size > 7 else "")
    for shape, size in zip(SHAPES, SIZES, strict=True)
]


def renamed(y: list[str]) -> list[str]:
    """Turn every label into another."""
    return ["|".join(f"other {name}" for name in label.split("|")) for label in y]


# --- cases ------------------------------------------------------------------------


class Case(NamedTuple):
    """An estimator, its parameters, and what it learns from."""

    estimator: type[Any]
    settings: dict[str, Any]
    make: Callable[[], Data]
    classes: list[str] | None = None
    several: bool = False
    """whether an example has several labels"""

    @property
    def data(self) -> Data:
        return made(self.make)

    @property
    def links(self) -> bool:
        return self.estimator is LinkPredictor

    def new(self, **changes: Any) -> Any:
        """Make an estimator that has not learned."""
        return self.estimator(**{**self.settings, **changes})

    def fit(self, model: Any) -> Any:
        """Fit a model to the data of the case, and return what `fit` returns."""
        return model.fit(*self.data.fit, **self.data.fit_by_name)


@cache
def made(make: Callable[[], Data]) -> Data:
    return make()


IMAGE_QUICK: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 8,
    "augment": "none",
    "exact": True,
    "cache": False,
}
FIRST: dict[str, Any] = {"network": "none"}
WIDTH: dict[str, Any] = {"hidden": 8, "layers": 2}
NETWORK: dict[str, Any] = {
    **WIDTH, "epochs": 5, "minutes": None, "deliver": "networks", "exact": True
}  # fmt: skip
NODE_NETWORK: dict[str, Any] = {**NETWORK, "network": "gcn", "members": 2}
LINK_NETWORK: dict[str, Any] = {**NETWORK, "decoder": "dot"}
AMOUNTS = np.linspace(-1, 9, N) ** 2

CASES = {
    "ImageClassifier": Case(
        ImageClassifier,
        IMAGE_QUICK,
        lambda: image_data(NAMES, renamed(NAMES[::2])),
        ["dark", "light"],
    ),
    "ImageClassifier, several labels": Case(
        ImageClassifier,
        IMAGE_QUICK,
        lambda: image_data(MARKS, NAMES[::2]),
        ["dark", "even", "light"],
        True,
    ),
    "ImageRegressor": Case(
        ImageRegressor, IMAGE_QUICK, lambda: image_data(AMOUNTS, 100 + AMOUNTS[::2])
    ),
    "NodeClassifier": Case(
        NodeClassifier,
        FIRST,
        lambda: node_data(BLOCKS, renamed(BLOCKS)),
        ["k0", "k1"],
    ),
    "NodeClassifier, network": Case(
        NodeClassifier,
        NODE_NETWORK,
        lambda: node_data(BLOCKS, renamed(BLOCKS)),
        ["k0", "k1"],
    ),
    "NodeClassifier, several labels": Case(
        NodeClassifier,
        FIRST,
        lambda: node_data(ROLES, BLOCKS),
        ["hub", "k0", "k1"],
        True,
    ),
    "NodeRegressor": Case(
        NodeRegressor,
        FIRST,
        lambda: node_data(amounts_of_nodes(), amounts_of_nodes()[::-1]),
    ),
    "NodeRegressor, network": Case(
        NodeRegressor,
        NODE_NETWORK,
        lambda: node_data(amounts_of_nodes(), amounts_of_nodes()[::-1]),
    ),
    "LinkPredictor": Case(LinkPredictor, {}, link_data),
    "LinkPredictor, relations": Case(
        LinkPredictor, {"relation_column": "how"}, lambda: link_data(relations=True)
    ),
    "LinkPredictor, network": Case(
        LinkPredictor, LINK_NETWORK, lambda: link_data(features=True)
    ),
    "GraphClassifier": Case(
        GraphClassifier,
        FIRST,
        lambda: graph_data(SHAPES, renamed(SHAPES)),
        ["ring", "star"],
    ),
    "GraphClassifier, network": Case(
        GraphClassifier,
        NETWORK,
        lambda: graph_data(SHAPES, renamed(SHAPES)),
        ["ring", "star"],
    ),
    "GraphClassifier, several labels": Case(
        GraphClassifier,
        FIRST,
        lambda: graph_data(TRAITS, SHAPES),
        ["big", "ring", "star"],
        True,
    ),
    "GraphRegressor": Case(
        GraphRegressor, FIRST, lambda: graph_data(SIZES, SIZES[::-1])
    ),
}
ONE_OF_EACH = [estimator.__name__ for estimator in ESTIMATORS]
"""cases of which each is the first of its estimator"""


REFITTED = [*ONE_OF_EACH, *(name for name in CASES if name.endswith("network"))]
"""cases for what takes a fit of its own"""


class Fitted(NamedTuple):
    """A model, fitted once for all tests that only ask it."""

    case: Case
    model: Any
    returned: Any
    """what `fit` returned"""

    before: dict[str, Any]
    """its parameters before"""

    given: tuple[tuple[Any, ...], dict[str, Any]]
    """a copy of the data, made before"""


@pytest.fixture(scope="module", params=CASES)
def fitted(request, tmp_path_factory) -> Iterator[Fitted]:
    """Fit the model of each case once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VICINAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        case = CASES[request.param]
        model = case.new()
        before = model.get_params()
        given = copy.deepcopy((case.data.fit, case.data.fit_by_name))
        yield Fitted(case, model, case.fit(model), before, given)


@pytest.fixture(params=CASES)
def case(request) -> Case:
    return CASES[request.param]


each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


def answers(model: Any, asked: Any) -> np.ndarray:
    """Ask for probabilities, or for numbers from a model that has none."""
    return getattr(model, "predict_proba", model.predict)(asked)


def test_every_estimator_has_a_case():
    public = [getattr(vicinal, name) for name in vicinal.__all__]
    found = {one for one in public if hasattr(one, "fit")}
    assert found == set(ESTIMATORS)
    assert {case.estimator for case in CASES.values()} == found
    assert set(ONE_OF_EACH) <= set(CASES)


# --- parameters -------------------------------------------------------------------


@each_estimator
def test_init_only_stores(estimator):
    odd = {"epochs": -3, "lr": object(), "random_state": "x", "device": None}
    model = estimator(**odd)
    assert all(getattr(model, name) is value for name, value in odd.items())
    assert set(vars(model)) == set(model.get_params())


@each_estimator
def test_signature_names_the_parameters(estimator):
    named = inspect.signature(estimator).parameters
    assert set(named) == set(estimator().get_params())
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in named.values())


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


BAD_VALUES = [
    ("epochs", -3, "whole number, 1 or more"),
    ("epochs", 2.5, "whole number, 1 or more"),
    ("epochs", True, "whole number, 1 or more"),
    ("lr", 0, "above 0"),
    ("lr", "fast", "above 0"),
    ("lr", float("nan"), "above 0"),
    ("batch_size", 1, "whole number >= 2"),
    ("weight_decay", -1, "0 or more"),
    ("label_smoothing", 1.0, "from 0 to below 1"),
    ("patience", -1, "whole number, 0 or more"),
    ("minutes", 0, "above 0"),
    ("precision", "float8", "auto, float32, bfloat16"),
    ("class_weight", "heavy", "none, balanced"),
    ("exact", "yes", "True or False"),
    ("test_fraction", 1.5, "from 0 to"),
    ("random_state", -1, "whole number, 0 or more"),
    ("random_state", "x", "whole number, 0 or more"),
]


@pytest.mark.parametrize(("name", "value", "expected"), BAD_VALUES)
@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_value_out_of_range_raises(case, name, value, expected):
    check_refused(case, name, value, expected)


OWN_BAD_VALUES = [
    ("ImageClassifier", "augment", "wild", "auto, none, light, photo"),
    ("ImageClassifier", "backbone", "oracle", "resnet18"),
    ("ImageClassifier", "image_size", 4, "from 8 to 2048"),
    ("ImageRegressor", "backbone", "oracle", "resnet18"),
    ("ImageRegressor", "group_pattern", "(", "regular expression"),
    ("NodeClassifier", "network", "oracle", "gcn, sage, gin"),
    ("NodeClassifier", "members", 0, "whole number, 1 or more"),
    ("NodeRegressor", "network", "oracle", "gcn, sage, gin"),
    ("NodeRegressor", "dropout", 1, "from 0 to below 1"),
    ("LinkPredictor", "decoder", "oracle", "none, dot, bilinear, mlp"),
    ("LinkPredictor", "embeddings", "oracle", "layers, free"),
    ("LinkPredictor", "hidden", 0, "whole number, 1 or more"),
    ("GraphClassifier", "network", "oracle", "auto, none, gin"),
    ("GraphClassifier", "layers", 0, "whole number, 1 or more"),
    ("GraphRegressor", "network", "oracle", "auto, none, gin"),
    ("GraphRegressor", "edges_per_batch", 0, "whole number, 1 or more"),
]


@pytest.mark.parametrize(
    ("case", "name", "value", "expected"), OWN_BAD_VALUES, indirect=["case"]
)
def test_value_out_of_own_range_raises(case, name, value, expected):
    check_refused(case, name, value, expected)


def check_refused(case: Case, name: str, value: Any, expected: str) -> None:
    """Expect an error that names the parameter, what is expected, and what it got."""
    model = case.new(**{name: value})  # which only stores it
    with pytest.raises(SettingError) as caught:
        case.fit(model)
    told = str(caught.value)
    assert name in told and expected in told and repr(value) in told
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_unknown_device_raises(case):
    check_refused(case, "device", "mars", "cpu")


@pytest.mark.parametrize("case", IMAGES, indirect=True)  # whose parameter it is
def test_unknown_resize_raises(case):
    check_refused(case, "resize", "fold", "crop, squish, pad")


@pytest.mark.parametrize("name", ["freeze", "weights"])
@pytest.mark.parametrize("case", IMAGES, indirect=True)  # others have no such texts
def test_text_parameter_of_wrong_type_raises(case, name):
    check_refused(case, name, 3, "")


@pytest.mark.parametrize("case", IMAGES, indirect=True)  # whose parameter it is
def test_number_parameter_of_wrong_type_raises(case):
    check_refused(case, "max_pixels", "many", "above 0")


# --- before fit -------------------------------------------------------------------


@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_predict_before_fit_raises(case):
    model, told = case.new(), not_fitted(case)
    with pytest.raises(NotFittedError, match=told):
        model.predict(case.data.ask)


@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_any_question_before_fit_raises(case, tmp_path):
    model, data = case.new(), case.data
    asks: dict[str, tuple[Any, ...]] = {
        "predict_proba": (data.ask,),
        "transform": (data.embedded,),
        "evaluate": data.labelled,
        "score": data.labelled,
        "explain": data.explain,
        "save": (tmp_path / "model",),
    }
    if is_regressor(model):
        del asks["predict_proba"]
    for method, arguments in asks.items():
        with pytest.raises(NotFittedError, match=not_fitted(case)):
            getattr(model, method)(*arguments)
    assert list(tmp_path.iterdir()) == []
    assert set(vars(model)) == set(model.get_params())


def not_fitted(case: Case) -> str:
    """A pattern for the message: who is asked, and what to do."""
    return f"{case.estimator.__name__} .*fit first.*vicinal.load"


def test_clone_is_not_fitted(fitted):
    case, model, *_ = fitted
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copied.transform(case.data.embedded)


@each_estimator
def test_scikit_learn_knows_the_kind(estimator):
    # LinkPredictor is neither: it is given edges and no y
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
    if case.classes is None:  # numbers, and links, whose answer is yes or no
        assert not hasattr(model, "classes_")
    else:
        assert model.classes_.tolist() == case.classes


def test_clean_data_leave_nothing_set_aside(fitted):
    assert fitted.model.quarantine_ == []


def test_fit_does_not_change_its_data(fitted):
    data, (given, by_name) = fitted.case.data, fitted.given
    before = [*given, *by_name.values()]
    after = [*data.fit, *data.fit_by_name.values()]
    assert all(map(is_same, after, before))


def is_same(now: Any, then: Any) -> bool:
    """Whether data are what they were: arrays, tables, or lists, also of graphs."""
    if isinstance(now, pd.DataFrame):
        return now.equals(then)
    if isinstance(now, np.ndarray):
        return np.array_equal(now, then)
    if isinstance(now, list) and isinstance(now[0], nx.Graph):
        return all(map(nx.utils.graphs_equal, now, then))
    return now == then


@pytest.mark.parametrize("fitted", REFITTED, indirect=True)
def test_same_random_state_gives_identical_predictions(fitted):
    case, model, *_ = fitted
    again = case.new()
    case.fit(again)
    ask, embed = case.data.ask, case.data.embedded
    assert np.array_equal(answers(again, ask), answers(model, ask))
    assert np.array_equal(again.transform(embed), model.transform(embed))


@pytest.mark.parametrize("fitted", ONE_OF_EACH, indirect=True)
def test_other_random_state_gives_other_predictions(fitted):
    case, model, *_ = fitted
    other = case.new(random_state=1)
    case.fit(other)
    ask = case.data.ask
    assert not np.array_equal(answers(other, ask), answers(model, ask))


@pytest.mark.parametrize("fitted", ONE_OF_EACH, indirect=True)
def test_second_fit_forgets_the_first(fitted):
    case, model, *_ = fitted
    data = case.data
    again = case.new().fit(*data.other, **data.fit_by_name)
    if case.classes is not None:
        assert again.classes_.tolist() != case.classes
    case.fit(again)
    assert np.array_equal(answers(again, data.ask), answers(model, data.ask))
    if case.classes is not None:
        assert again.classes_.tolist() == case.classes


def test_without_any_label_fit_raises(case):
    data, model = case.data, case.new()
    by_name = {} if case.links else data.fit_by_name
    if "relation_column" in case.settings:
        pytest.skip("a graph of NetworkX has no column of relations")
    # edges are what a LinkPredictor learns from: without one it has no labels
    wanted = "edge" if case.links else "label"
    with pytest.raises(DataError, match=wanted):
        model.fit(*data.unlabelled, **by_name)
    with pytest.raises(NotFittedError):
        model.transform(data.embedded)


@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_every_form_of_data_gives_the_same_model(case, tmp_path):
    settings = {}
    if case.estimator.__name__ in IMAGES:
        # files and arrays are split by different digests: all are for training
        settings = {"val_fraction": 0.0}
    reference = case.new(**settings)
    case.fit(reference)
    wanted = answers(reference, case.data.ask)
    forms = case.data.forms(tmp_path)
    assert len(forms) >= 2
    for k, (given, by_name) in enumerate(forms):
        model = case.new(**settings).fit(*given, **by_name)
        found = answers(model, case.data.ask)
        np.testing.assert_allclose(found, wanted, atol=1e-5, err_msg=f"form {k}")


# nodes of one graph, and its edges, are no rows that scikit-learn could divide; of the
# two estimators of graphs the quicker one stands for both
@pytest.mark.parametrize("case", [*IMAGES, "GraphRegressor"], indirect=True)
def test_scikit_learn_cross_validates(case):
    x, y = case.data.labelled
    scores = cross_val_score(case.new(), x, np.asarray(y), cv=2)
    assert scores.shape == (2,) and np.isfinite(scores).all()


# --- predict ----------------------------------------------------------------------


def test_predictions_have_a_row_for_each_example(fitted):
    case, model, *_ = fitted
    n = len(case.data.ask)
    found = model.predict(case.data.ask)
    if case.links:
        assert found.shape == (n,) and found.dtype == bool
    elif case.classes is None:
        assert found.shape == (n,) and found.dtype.kind == "f"
        assert np.isfinite(found).all() and len(np.unique(found)) > 1
    elif case.several:
        assert found.shape == (n, len(case.classes))
        assert np.isin(found, [0, 1]).all()
    else:
        assert found.shape == (n,) and found.dtype == model.classes_.dtype
        assert set(found) <= set(case.classes)


def test_probabilities_are_probabilities(fitted):
    case, model, *_ = fitted
    if is_regressor(model):
        assert not hasattr(model, "predict_proba")
        return
    n = len(case.data.ask)
    p = model.predict_proba(case.data.ask)
    assert ((p >= 0) & (p <= 1)).all() and len(np.unique(p.round(6))) > 2
    said = model.predict(case.data.ask)
    if case.links:  # the chance of an edge alone, [P]: the other is what is left
        assert p.shape == (n,)
        assert np.array_equal(said, p >= 0.5)
        return
    assert p.shape == (n, len(model.classes_))
    if case.several:  # each label by itself
        assert np.array_equal(said, p >= 0.5)
        return
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    assert np.array_equal(said, model.classes_[p.argmax(axis=1)])


def test_prediction_does_not_depend_on_the_others_asked_for(fitted):
    case, model, *_ = fitted
    ask = case.data.ask
    whole = answers(model, ask)
    np.testing.assert_allclose(answers(model, ask[3:7]), whole[3:7], atol=1e-5)
    turned = answers(model, ask[::-1])
    np.testing.assert_allclose(turned, whole[::-1], atol=1e-5)
    assert np.array_equal(answers(model, ask), whole)


def test_predict_keeps_the_model(fitted):
    case, model, *_ = fitted
    before = {name for name in vars(model) if not name.startswith("_")}
    answers(model, case.data.ask)
    model.transform(case.data.embedded)
    after = {name for name in vars(model) if not name.startswith("_")}
    assert after == before and model.get_params() == fitted.before


def test_transform_gives_a_row_for_each_example(fitted):
    case, model, *_ = fitted
    # of a LinkPredictor they are nodes, which its pairs are made of
    embedded = model.transform(case.data.embedded)
    assert embedded.ndim == 2 and embedded.shape[1] > 0
    assert len(embedded) == len(case.data.embedded)
    assert embedded.dtype == np.float32 and np.isfinite(embedded).all()
    few = model.transform(case.data.embedded[2:5])
    np.testing.assert_allclose(few, embedded[2:5], atol=1e-5)
    assert len(np.unique(embedded.round(5), axis=0)) > 1


# --- evaluate ---------------------------------------------------------------------


def test_evaluation_has_intervals_and_baselines(fitted):
    case, model, *_ = fitted
    found = model.evaluate(*case.data.labelled)
    assert isinstance(found, Evaluation)
    assert found.baselines
    for score in (found.score, *found.baselines.values()):
        assert score.metric == found.score.metric and score.n == found.score.n > 0
        # of 10 right of 10 the interval ends one rounding error below 1
        assert score.low - 1e-12 <= score.value <= score.high + 1e-12
        assert np.isfinite([score.low, score.value, score.high]).all()
    assert len(found.predictions) == found.score.n
    assert set(found.against) == set(found.baselines)
    assert found.verdict and str(found.score) in str(found)
    wanted = {"Classifier": "accuracy", "Regressor": "mae", "Predictor": "auroc"}
    kind = next(k for k in wanted if type(model).__name__.endswith(k))
    assert found.score.metric == ("f1_micro" if case.several else wanted[kind])


def test_evaluation_is_json(fitted):
    case, model, *_ = fitted
    told = model.evaluate(*case.data.labelled).to_dict()
    again = json.loads(json.dumps(told))
    assert again["score"]["n"] == told["score"]["n"]
    wanted = {"score", "scores", "baselines", "classes", "confusion", "notes"}
    assert wanted <= set(told)


def test_score_agrees_with_evaluate(fitted):
    case, model, *_ = fitted
    found = model.evaluate(*case.data.labelled)
    # `score` of a LinkPredictor takes data, as scikit-learn does, and ignores them
    score = model.score(*case.data.labelled)
    assert isinstance(score, float)
    if is_regressor(model):  # R^2, as scikit-learn's regressors
        told = found.predictions
        wanted = r2_score(told["label"].astype(float), told["predicted"])
        assert score == pytest.approx(wanted)
    else:
        assert score == pytest.approx(found.score.value)


def test_evaluation_agrees_with_predictions(fitted):
    case, model, *_ = fitted
    found = model.evaluate(*case.data.labelled)
    told = found.predictions
    if case.links:
        pairs = told[["source", "relation", "target"]] if "relation" in told else None
        pairs = told[["source", "target"]] if pairs is None else pairs
        said = model.predict_proba([tuple(row) for row in pairs.to_numpy()])
        np.testing.assert_allclose(told["chance"], said, atol=1e-5)
        return
    own = case.data.ask
    if case.estimator.__name__ in NODES:  # scored on those that were held out
        own = told["id"].tolist()
        assert 0 < len(own) < NODE_COUNT
    said = model.predict(own)
    if case.several:
        names = [set(label.split("|")) - {"", "-"} for label in told["predicted"]]
        marks = [[name in row for name in model.classes_] for row in names]
        assert np.array_equal(said, np.array(marks))
    elif case.classes is None:
        np.testing.assert_allclose(told["predicted"].astype(float), said, rtol=1e-5)
        error = np.abs(told["label"].astype(float) - said).mean()
        assert found.score.value == pytest.approx(error)
    else:
        assert told["predicted"].tolist() == said.tolist()
        assert found.score.value == np.mean(told["label"].to_numpy() == said)


# edges have no labels that could be given: LinkPredictor.evaluate takes nothing
@pytest.mark.parametrize("fitted", [k for k in CASES if "Link" not in k], indirect=True)
def test_evaluate_takes_labelled_data(fitted):
    case, model, *_ = fitted
    given: tuple[Any, ...] = case.data.fit
    n = len(case.data.ask)
    if case.estimator.__name__ in NODES:
        given = (vicinal.read_graph(*case.data.fit, **case.data.fit_by_name),)
    found = model.evaluate(*given)
    assert found.score.n == n == len(found.predictions)


# --- explain ----------------------------------------------------------------------


def test_explain_says_what_an_answer_rests_on(fitted):
    case, model, *_ = fitted
    if is_link_network(case):
        # embeddings of a network are no sum of parts: it refuses, and says why
        with pytest.raises(SettingError, match="no sum of parts"):
            model.explain(*case.data.explain)
        return
    found = model.explain(*case.data.explain)
    assert np.isfinite(found.score) and isinstance(found.verdict, str)
    assert repr(found) and hasattr(found, "_repr_html_")
    if case.classes is not None:
        assert found.target in case.classes


def is_link_network(case: Case) -> bool:
    return case.links and "decoder" in case.settings


def test_explained_score_is_the_prediction(fitted):
    case, model, *_ = fitted
    if is_link_network(case):
        pytest.skip("a network of links has no explanation")
    found = model.explain(*case.data.explain)
    wanted = answers(model, asked_of(case))[0]
    if case.classes is not None:
        wanted = wanted[case.classes.index(found.target)]
    assert found.score == pytest.approx(wanted, rel=1e-3, abs=1e-4)


def asked_of(case: Case) -> Any:
    """Ask for the one example that is explained."""
    given = case.data.explain
    if case.links:
        pair = (given[0], given[2], given[1]) if len(given) == 3 else given
        return [pair]
    return given[0] if case.estimator.__name__ in IMAGES else [given[0]]


def test_explain_takes_a_target(fitted):
    case, model, *_ = fitted
    if case.classes is None:
        pytest.skip("there are no classes to be named")
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
        assert np.array_equal(answers(loaded, data.ask), answers(model, data.ask))
    assert np.array_equal(loaded.predict(data.ask), model.predict(data.ask))
    assert np.array_equal(
        loaded.transform(data.embedded), model.transform(data.embedded)
    )


def test_loaded_model_has_the_same_parameters(fitted, tmp_path):
    case, model, *_ = fitted
    loaded = vicinal.load(model.save(tmp_path))
    assert loaded.get_params() == model.get_params()
    assert loaded.history_ == model.history_
    if case.classes is not None:
        assert loaded.classes_.tolist() == model.classes_.tolist()
        assert loaded.classes_.dtype == model.classes_.dtype


def test_loaded_model_is_scored_alike(fitted, tmp_path):
    case, model, *_ = fitted
    loaded = vicinal.load(model.save(tmp_path))
    found = loaded.evaluate(*case.data.labelled)
    wanted = model.evaluate(*case.data.labelled)
    assert found.score == wanted.score
    assert found.baselines == wanted.baselines


# an image estimator holds nothing out to score on: it is given labelled images
HOLD_OUT = [name for name in CASES if "Image" not in name]


@pytest.mark.parametrize("fitted", HOLD_OUT, indirect=True)
def test_held_out_part_is_scored_alike_after_load(fitted, tmp_path):
    _, model, *_ = fitted
    wanted = model.evaluate()
    loaded = vicinal.load(model.save(tmp_path))
    assert loaded.evaluate().score == wanted.score


def test_loaded_model_explains_alike(fitted, tmp_path):
    case, model, *_ = fitted
    if is_link_network(case):
        pytest.skip("a network of links has no explanation")
    loaded = vicinal.load(model.save(tmp_path))
    found = loaded.explain(*case.data.explain)
    wanted = model.explain(*case.data.explain)
    assert (found.score, found.target) == (wanted.score, wanted.target)
    assert found.verdict == wanted.verdict


def test_loaded_model_can_be_saved_again(fitted, tmp_path):
    _, model, *_ = fitted
    loaded = vicinal.load(model.save(tmp_path / "first"))
    loaded.save(tmp_path / "second")
    names = [sorted(p.name for p in (tmp_path / k).iterdir()) for k in FOLDERS]
    assert names[0] == names[1]
    ask = fitted.case.data.ask
    again = vicinal.load(tmp_path / "second")
    assert np.array_equal(answers(again, ask), answers(model, ask))


FOLDERS = ("first", "second")


@pytest.mark.parametrize("fitted", ONE_OF_EACH, indirect=True)
def test_loaded_model_can_be_fitted_again(fitted, tmp_path):
    case, model, *_ = fitted
    loaded = vicinal.load(model.save(tmp_path))
    assert case.fit(loaded) is loaded
    ask = case.data.ask
    assert np.array_equal(answers(loaded, ask), answers(model, ask))


def test_saved_folder_holds_safetensors_and_json_alone(fitted, tmp_path):
    case, model, *_ = fitted
    model.save(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    for path in files:
        if path.suffix == ".json":  # strictly: NaN is not JSON
            told = json.loads(path.read_text(), parse_constant=pytest.fail)
            assert told["estimator"] == case.estimator.__name__


def test_nothing_is_pickled(fitted, tmp_path, monkeypatch):
    import torch

    case, model, *_ = fitted
    wanted = answers(model, case.data.ask)

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("a model file is pickled or unpickled")

    for name in ("load", "loads", "dump", "dumps", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    for name in ("load", "save"):
        monkeypatch.setattr(torch, name, refuse)
    loaded = vicinal.load(model.save(tmp_path))
    assert np.array_equal(answers(loaded, case.data.ask), wanted)


def test_save_does_not_overwrite(fitted, tmp_path):
    _, model, *_ = fitted
    model.save(tmp_path)
    with pytest.raises(VicinalError, match=str(tmp_path)):
        model.save(tmp_path)


def test_save_where_nothing_can_be_written_raises(fitted, tmp_path):
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
        pytest.skip("numbers have no temperature")
    cooler = copy.copy(model)
    cooler.temperature_ = 3 * model.temperature_  # so that it is not 1
    wanted = cooler.predict_proba(case.data.ask)
    assert not np.allclose(wanted, model.predict_proba(case.data.ask), atol=1e-4)
    loaded = vicinal.load(cooler.save(tmp_path))
    assert np.array_equal(loaded.predict_proba(case.data.ask), wanted)
