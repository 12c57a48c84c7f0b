"""Every setting that a user can give is read by its domain: no flag without effect."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import vicinal
from vicinal.core.settings import Settings, TrainingSettings, field_docstrings
from vicinal.domains import DOMAINS
from vicinal.graphs.settings import GraphLevelSettings, LinkSettings, NodeSettings
from vicinal.images.settings import ImageSettings
from vicinal.interactions.settings import InteractionSettings
from vicinal.knowledge.completion.settings import CompletionSettings
from vicinal.knowledge.importance.settings import ImportanceSettings
from vicinal.knowledge.recommendation.settings import RecommendationSettings
from vicinal.molecules.generation.settings import GeneratorSettings
from vicinal.molecules.settings import MoleculeSettings

PACKAGE = Path(vicinal.__file__).parent

SHARED = ("core/estimators", "core/training")
GRAPHS = (*SHARED, "graphs/data", "graphs/settings.py")

SOURCES: dict[type[Settings], tuple[str, ...]] = {
    ImageSettings: (*SHARED, "images"),
    NodeSettings: (
        *GRAPHS,
        "graphs/node_estimators.py",
        "graphs/node_model.py",
        "graphs/nodes",
        "graphs/runs/nodes.py",
        "graphs/commands/nodes.py",
    ),
    LinkSettings: (
        *GRAPHS,
        "graphs/link_predictor.py",
        "graphs/links",
        "graphs/runs/links.py",
        "graphs/commands/links.py",
    ),
    GraphLevelSettings: (
        *GRAPHS,
        "graphs/graph_estimators.py",
        "graphs/graph_level",
        "graphs/runs/graphs.py",
        "graphs/commands/graphs.py",
    ),
    MoleculeSettings: (*SHARED, "molecules"),
    InteractionSettings: (*SHARED, "interactions"),
    CompletionSettings: (*SHARED, "knowledge/completion", "knowledge/data"),
    RecommendationSettings: (*SHARED, "knowledge/recommendation"),
    ImportanceSettings: (*SHARED, "knowledge/importance", "knowledge/data"),
    GeneratorSettings: (*SHARED, "molecules/generation"),
}
"""settings, and the modules and packages that may read them"""

NAMES_OF_SETTINGS = (
    *("settings", "settings_", "_settings", "asked", "self", "columns"),
    *("given", "named"),
)
"""names of variables and attributes that hold settings"""


def modules(sources: tuple[str, ...]) -> Iterator[Path]:
    for source in sources:
        path = PACKAGE / source
        yield from [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))


@cache
def names_read(path: Path) -> frozenset[str]:
    """Return the names read in a module as `settings.name` or `["name"]`.

    `self.name` counts in classes of settings and of estimators, except where settings
    are only validated.
    """
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in _walk_without_checks(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            if _last_name(node.value) in NAMES_OF_SETTINGS:
                names.add(node.attr)
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            names.add(str(node.slice.value))
        elif isinstance(node, ast.Call) and _last_name(node.func) == "get":
            first = node.args[:1]
            names |= {str(a.value) for a in first if isinstance(a, ast.Constant)}
    return frozenset(names)


def _walk_without_checks(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a module, except the validation in classes named `...Settings`."""
    is_settings = isinstance(tree, ast.ClassDef) and tree.name.endswith("Settings")
    for node in ast.iter_child_nodes(tree):
        is_function = isinstance(node, ast.FunctionDef)
        is_check = is_function and node.name.startswith(("__post_init__", "_check"))
        if not (is_settings and is_check):
            yield node
            yield from _walk_without_checks(node)


def _last_name(node: ast.AST) -> str:
    """Return `c` for the expressions `c` and `a.b.c`."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def unread(settings: type[Settings]) -> set[str]:
    read = frozenset().union(*map(names_read, modules(SOURCES[settings])))
    return set(settings.names()) - read


@pytest.mark.parametrize("settings", SOURCES, ids=lambda settings: settings.__name__)
def test_every_setting_is_read(settings):
    assert unread(settings) == set()


@pytest.mark.parametrize(
    "settings", [TrainingSettings, *SOURCES], ids=lambda settings: settings.__name__
)
def test_help_names_no_flag_of_another_domain(settings):
    for name, text in field_docstrings(settings).items():
        for flag in re.findall(r"--([a-z][a-z-]*)", text):
            assert flag.replace("-", "_") in settings.names(), name


def test_every_domain_is_listed():
    assert {domain.settings for domain in DOMAINS} == set(SOURCES)


def test_every_source_exists():
    for sources in SOURCES.values():
        assert all((PACKAGE / source).exists() for source in sources)


def test_an_unread_setting_is_found(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        "def fit(settings, model, parameters):\n"
        "    settings.lr, model.settings_.epochs, parameters['minutes']\n"
        "    other.patience\n"
        "class ImageSettings:\n"
        "    def __post_init__(self):\n"
        "        self.ema\n"
    )
    names = names_read(module)
    assert {"lr", "epochs", "minutes"} <= names
    assert not names & {"patience", "ema"}
