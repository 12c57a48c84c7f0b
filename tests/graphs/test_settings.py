"""Every option of a graph task is read, checked, and survives JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

import vicinal
from vicinal.core.settings import field_docstrings
from vicinal.errors import SettingError
from vicinal.graphs.graph_level import networks as graph_networks
from vicinal.graphs.links import networks as link_networks
from vicinal.graphs.nodes import networks as node_networks
from vicinal.graphs.settings import (
    MAX_LAYERS,
    CollectionColumns,
    GraphLevelSettings,
    LinkSettings,
    NodeSettings,
    TableColumns,
)

PACKAGE = Path(vicinal.__file__).parent
SHARED = "core/training/*.py", "core/estimators/*.py"
FILES = {
    NodeSettings: ("graphs/node_*.py", "graphs/nodes/*.py"),
    LinkSettings: ("graphs/link_predictor.py", "graphs/links/*.py"),
    GraphLevelSettings: ("graphs/graph_estimators.py", "graphs/graph_level/*.py"),
}
ALL = pytest.mark.parametrize("settings", FILES)


@ALL
def test_every_option_is_read_by_its_domain(settings):
    patterns = (*FILES[settings], *SHARED)
    files = [path for pattern in patterns for path in PACKAGE.glob(pattern)]
    code = "\n".join(path.read_text() for path in files)
    together = {*TableColumns.names(), *CollectionColumns.names()}
    together = together if "settings.table_columns()" in code else set()
    unread = [
        name
        for name in settings.names()
        if name not in together
        and f"settings.{name}" not in code
        and f"settings_.{name}" not in code
    ]
    assert not unread


@ALL
def test_every_option_is_documented(settings):
    assert field_docstrings(settings).keys() >= {*settings.names()}


@ALL
def test_options_survive_json(settings):
    values = {"epochs": 3, "lr": 0.01, "minutes": None}
    if settings is NodeSettings:
        values["num_neighbors"] = (5, 3)
    made = settings(**values)
    assert settings.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@ALL
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("lr", 0),
        ("weight_decay", -1),
        ("patience", 1.5),
        ("minutes", 0),
        ("checkpoint_seconds", -1),
        ("deterministic", 1),
        ("hidden", 0),
        ("layers", 0),
        ("layers", MAX_LAYERS + 1),
        ("dropout", 1),
        ("val_fraction", 0.9),
        ("keep", "networks"),
    ],
)
def test_values_out_of_range_are_refused(settings, name, value):
    with pytest.raises(SettingError, match=name):
        settings(**{name: value})


def test_options_without_effect_are_not_offered():
    links, graphs = set(LinkSettings.names()), set(GraphLevelSettings.names())
    assert not {"batch_size", "class_weight", "precision", "label_smoothing"} & links
    assert not {"class_weight", "precision"} & graphs


def test_a_network_can_only_be_kept_if_there_is_one():
    with pytest.raises(SettingError, match="keep must be auto where decoder is none"):
        LinkSettings(keep="network")
    with pytest.raises(SettingError, match="time_column must be None if group_column"):
        NodeSettings(group_column="a", time_column="b")


@pytest.mark.parametrize("value", ["age", ["age", 3], 3])
def test_columns_to_drop_are_names(value):
    with pytest.raises(SettingError, match="drop_columns must be names of columns"):
        NodeSettings(drop_columns=value)
    assert NodeSettings.from_dict({"drop_columns": ["age"]}).drop_columns == ("age",)


@ALL
def test_a_network_of_the_most_layers_can_be_loaded(settings):
    assert settings(layers=MAX_LAYERS).layers == MAX_LAYERS
    layers: Any = {
        NodeSettings: node_networks.CONFIG["layers"],
        LinkSettings: link_networks.CONFIG.required["layers"],
        GraphLevelSettings: graph_networks.CONFIG.required["layers"],
    }[settings]
    layers.check(MAX_LAYERS)
    with pytest.raises(SettingError, match="layers must be at most 1,000"):
        settings(layers=MAX_LAYERS + 1)
