"""Damaged and hostile model files: they load as they are, or one message says why not.

A tiny model of every domain is saved once; then its model.json is changed in every
place, and its tensors in every way that a loader could trust. What loads also predicts
finite numbers, or one message says why not.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import vicinal
from vicinal.core.estimators import fitted_estimator
from vicinal.core.estimators.estimator import read_model, read_weights
from vicinal.core.storage.checkpoint import Tensors
from vicinal.errors import DataError, ModelFileError, VicinalError

Use = Callable[[Any], None]

WRONG = (
    None,
    True,
    "x",
    -1,
    0,
    10**30,
    -0.5,
    1e308,
    1e-320,
    [],
    [[[]]],
    ["x", "x"],
    {},
    {"x": 1},
)
"""values that are put in place of each value of model.json"""

SHARED = "estimator parameters objective integer_classes constant_baseline temperature"
REQUIRED = {
    "images": f"{SHARED} history network preprocessing runtime outlier_detector",
    "nodes": f"{SHARED} history feature_encoder directed network ensemble_size linear",
    "links": f"{SHARED} history linear network relations",
    "graphs": f"{SHARED} history feature_encoder linear_candidates linear network",
    "molecules": f"{SHARED} history target_names target_classes descriptors baseline "
    "scaling outside networks num_networks network_weight",
}


pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
"""numpy warns of overflow where the message says that outputs are infinite"""

DOMAIN_OF = {
    "ImageClassifier": "images",
    "NodeClassifier": "nodes",
    "LinkPredictor": "links",
    "GraphClassifier": "graphs",
    "MoleculeClassifier": "molecules",
}


@pytest.fixture(
    scope="module",
    params=["images", "nodes", "links", "bipartite", "graphs", "molecules"],
)
def saved(request, tiny_model) -> Path:
    """The directory of a model of each domain; tests do not change it."""
    return tiny_model(request.param)


@pytest.fixture
def directory(saved, tmp_path) -> Path:
    """The directory of a copy."""
    tensors = (saved / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(tensors)
    return tmp_path


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value; of a long list the first and the last item."""
    if path:
        yield path
    keys = list(value) if isinstance(value, dict) else []
    if isinstance(value, list) and value:
        keys = sorted({0, len(value) - 1})
    for key in keys:
        yield from places(value[key], (*path, key))


def changed(description: dict[str, Any], path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy with another value in one place; without it for `...`."""
    found = copy.deepcopy(description)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return found


def load(directory: Path, description: Any, use: Use | None = None) -> str:
    """Load a model and use it; return the message of its refusal, "" if it works."""
    text = json.dumps(description)
    (directory / "model.json").write_text(text)
    try:
        model = vicinal.load(directory)
        if use is not None:
            use(model)
    except VicinalError as error:
        return str(error)
    return ""


ALMOST_ALL = [
    *("images", "nodes", "links", "graphs", "molecules"),
    pytest.param("bipartite", marks=pytest.mark.slow),  # the places of links
]


@pytest.mark.parametrize("saved", ALMOST_ALL, indirect=True)
def test_changes_of_model_json_load_or_are_one_message(directory, saved, use_model):
    description = read_model(saved)
    assert load(directory, description, use_model) == ""
    for k, path in enumerate(places(description)):
        for value in (..., WRONG[k % len(WRONG)]):
            other = changed(description, path, value)
            message = load(directory, other, use_model)
            assert len(message) < 900, (path, value)


@pytest.mark.slow
def test_every_change_of_model_json_loads_or_is_one_message(
    directory, saved, use_model
):
    description = read_model(saved)
    for path in places(description):
        for value in WRONG:
            other = changed(description, path, value)
            message = load(directory, other, use_model)
            assert len(message) < 900, (path, value)


def test_what_a_model_needs_is_refused_where_it_is_missing_or_of_another_type(
    directory, saved
):
    description = read_model(saved)
    for key in REQUIRED[DOMAIN_OF[description["estimator"]]].split():
        for value in (..., "x", -1):
            message = load(directory, changed(description, (key,), value))
            assert key in message, (key, value, message)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("temperature",), 0),
        (("temperature",), 1e-320),
        (("temperature",), 1e9),
        (("objective", "classes"), ["a", "a"]),
        (("objective", "classes"), ["a"]),
        (("objective", "classes"), [1, 2]),
        (("objective", "classes", 0), None),
        (("objective", "label_smoothing"), 1.5),
        (("objective", "weights"), [1.0]),
        (("constant_baseline",), [2]),
        (("constant_baseline",), [0.5]),
        (("constant_baseline",), [0, 0]),
        (("integer_classes",), True),
        (("history", 0, "epoch"), "1"),
        (("history", 0, "lr"), 10**400),
        (("parameters", "random_state"), -1),
        (("parameters", "device"), 3),
        (("sha256",), "0"),
        (("format",), 0),
        (("format",), [2]),
    ],
)
def test_nonsense_that_all_models_share_is_refused(directory, saved, path, value):
    assert load(directory, changed(read_model(saved), path, value))


NONSENSE: dict[str, list[tuple[tuple[Any, ...], Any]]] = {
    "images": [
        (("preprocessing", "std"), [0.0]),
        (("preprocessing", "std"), [-1]),
        (("preprocessing", "std"), [1e-50]),
        (("preprocessing", "mean"), [1e308]),
        (("preprocessing", "mean"), [0.1, 0.2]),
        (("preprocessing", "intensity_range"), [255, 0]),
        (("preprocessing", "intensity_range"), [5, 5]),
        (("preprocessing", "intensity_range"), [1]),
        (("preprocessing", "intensity_range"), [-1e308, 1e308]),
        (("preprocessing", "image_size"), 7),
        (("preprocessing", "store_size"), 4096),
        (("preprocessing", "image_size"), 10**9),
        (("preprocessing", "store_size"), 10**9),
        (("preprocessing", "store_size"), 4),
        (("preprocessing", "channels"), 3),
        (("preprocessing", "channels"), 2),
        (("preprocessing", "resize"), "stretch"),
        (("runtime", "threads"), 1_000_000),
        (("runtime", "precision"), "int8"),
        (("network", "backbone"), "timm:hf-hub:someone/resnet18"),
        (("network", "backbone"), "timm:../weights"),
        (("network", "backbone"), "resnet18"),
    ],
    "nodes": [
        (("network", "layers"), 10**9),
        (("network", "hidden"), 2**40),
        (("network", "outputs"), 3),
        (("network", "features"), 2),
        (("network", "name"), "gat"),
        (("ensemble_size",), 10**9),
        (("network",), None),
        (("feature_encoder", "columns", 0, "std"), 0),
        (("feature_encoder", "columns"), []),
        (("feature_encoder", "columns", 0, "std"), 1e-320),
        (("feature_encoder", "columns", 0, "mean"), 1e308),
        (("linear", "feature_set"), "sign"),
        (("features_only", "feature_set"), "sgc"),
        (("features_only", "smoothing"), 0.5),
        (("linear_with_features", "feature_set"), "label_propagation"),
        (("mixture_temperatures",), [1e-320, 1]),
        (("constant_baseline",), []),
    ],
    "links": [
        (("network", "num_nodes"), 10**12),
        (("network", "decoder"), "bilinear"),
        (("linear", "products"), None),
        (("relations",), ["likes"]),
        (("end_columns",), ["user"]),
        (("end_columns",), [1, 2]),
        (("end_columns",), 5),
        (("constant_baseline",), [0]),
    ],
    "graphs": [
        (("network", "layers"), 10**9),
        (("linear",), 9),
        (("constant_baseline",), []),
        (("linear_candidates",), []),
        (("feature_encoder", "kind"), "unknown"),
    ],
    "molecules": [
        (("networks", "hidden"), 2**40),
        (("networks", "steps"), 10**9),
        (("networks", "outputs"), 3),
        (("num_networks",), 10**9),
        (("num_networks",), 1),
        (("networks",), None),
        (("network_weight",), 2),
        (("baseline", "width"), 0),
        (("baseline", "processes"), []),
        (("baseline", "num_support"), 10**9),
        (("scaling",), []),
        (("scaling", 0), [1.0]),
        (("target_classes",), []),
        (("target_classes",), [["x", "z"]]),
        (("target_names",), ["a", "b"]),
        (("descriptors",), "all"),
        (("constant_baseline",), [0]),
    ],
}


def test_nonsense_of_one_domain_is_refused(directory, saved):
    description = read_model(saved)
    for path, value in NONSENSE[DOMAIN_OF[description["estimator"]]]:
        assert load(directory, changed(description, path, value)), (path, value)


def other_tensors(tensors: Tensors) -> Iterator[tuple[str, str, torch.Tensor | None]]:
    """Yield (what was changed, name, another tensor) for each tensor of a model."""
    for name, t in tensors.items():
        if name != "graph.sides":  # other graphs have none
            yield "missing", name, None
        yield "another shape", name, torch.stack([t, t])
        yield "another type", name, t.to(torch.complex64)
        if t.dtype == torch.int64 and t.numel() and "num_batches" not in name:
            yield "a large number", name, t + 2**40
            yield "a negative number", name, t - 2**40


def test_tensors_that_are_not_those_of_the_model_are_refused(saved, monkeypatch):
    description = read_model(saved)
    tensors = read_weights(saved, description)
    names = dict.fromkeys(re.sub(r"\d+", "0", name) for name in tensors)
    some = {name: tensors[name] for name in names if name in tensors}
    for change, name, other in other_tensors(some):
        found = {k: t for k, t in tensors.items() if k != name}
        if other is not None:
            found[name] = other
        monkeypatch.setattr(fitted_estimator, "read_weights", lambda *_, t=found: t)
        try:
            vicinal.load(saved)
        except ModelFileError as error:
            assert "model" in str(error)
        else:
            raise AssertionError(f"{change}: {name}")


@pytest.mark.parametrize(
    "place",
    [("temperature",), ("preprocessing", "std", 0), ("preprocessing", "mean", 0)],
)
@pytest.mark.parametrize("value", [1e-30, 0.01, 100, 1e30])
def test_extreme_numbers_predict_or_are_one_message(
    tmp_path, tiny_model, use_model, place, value
):
    description = read_model(tiny_model("images"))
    tensors = (tiny_model("images") / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(tensors)
    message = load(tmp_path, changed(description, place, value), use_model)
    assert not message or "NaN or infinite" in message or place[:2][-1] in message


def test_a_head_of_huge_weights_is_no_prediction_of_the_first_class(
    saved, use_model, monkeypatch
):
    tensors = read_weights(saved, read_model(saved))
    huge = {
        name: torch.full_like(t, 3e38) if t.dtype == torch.float32 else t
        for name, t in tensors.items()
        if not name.startswith("graph.")
    }
    monkeypatch.setattr(fitted_estimator, "read_weights", lambda *_: tensors | huge)
    with pytest.raises(DataError, match="outputs of the model are NaN or infinite"):
        use_model(vicinal.load(saved))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda sides: sides[:-1], r"sides must be int8 \[\d+\]"),
        (lambda sides: sides.long(), "sides must be int8"),
        (torch.zeros_like, "sides must differ at the ends of every edge"),
        (lambda sides: sides + 1, "sides must be -1, 0 or 1"),
        (lambda sides: -sides.abs(), "sides must differ"),
    ],
)
def test_sides_that_are_not_those_of_the_edges_are_refused(
    tiny_model, monkeypatch, change, message
):
    saved = tiny_model("bipartite")
    tensors = read_weights(saved, read_model(saved))
    tensors["graph.sides"] = change(tensors["graph.sides"])
    monkeypatch.setattr(fitted_estimator, "read_weights", lambda *_: tensors)
    with pytest.raises(ModelFileError, match=message):
        vicinal.load(saved)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", '"x"', "NaN", '{"format": NaN}', "[" * 100_000,
     '{"format": 2}', '{"format": 2, "estimator": ["ImageClassifier"]}', "\xff\xfe"],
)  # fmt: skip
def test_a_file_that_is_no_description_is_one_message(tmp_path, text):
    (tmp_path / "model.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelFileError, match=r"model\.json"):
        vicinal.load(tmp_path)


def test_a_directory_in_place_of_model_json_is_one_message(tmp_path):
    (tmp_path / "model.json").mkdir()
    with pytest.raises(ModelFileError, match=r"model\.json is damaged: not a regular"):
        vicinal.load(tmp_path)
