"""Imports run strictly downward, without a cycle, and the base domains stay apart."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import vicinal
from vicinal.domains import DOMAINS

ROOT = Path(vicinal.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# The layers, the highest first. A module belongs to the longest prefix that fits, and
# may import from its own layer and from those below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__", "cli"),
    ("commands", "domains"),
    ("interactions", "knowledge"),
    ("molecules",),
    ("images.commands", "graphs.commands"),
    ("images.domain", "graphs.domains"),
    ("images.demo", "graphs.demo"),
    ("images.run", "images.predict", "graphs.runs"),
    ("images.report", "graphs.inspection"),
    ("images.classifier", "images.regressor", "images.pretrained_classifier"),
    ("images.estimator",),
    ("graphs.node_estimators", "graphs.link_predictor", "graphs.graph_estimators"),
    ("images.inspect",),
    ("images.explain", "graphs.explain"),
    ("images.tracing", "graphs.inspect"),
    ("images.model", "graphs.node_model"),
    ("images.training", "graphs.nodes", "graphs.links", "graphs.graph_level"),
    ("images.weights", "images.inference", "images.splits"),
    ("images.data", "graphs.layers", "graphs.data"),
    ("images.networks", "graphs.sparse"),
    ("images.settings", "graphs.settings", "images", "graphs"),
    ("core.estimators",),
    ("core.report",),
    ("core.evaluation",),
    ("core.training", "core.export"),
    ("core.compute", "core.data", "core.objective"),
    ("core.storage", "core.metrics", "core.settings", "core.text", "core"),
    ("ops",),
    ("errors",),
)
HEIGHT = {
    f"vicinal.{prefix}": len(LAYERS) - k
    for k, layer in enumerate(LAYERS)
    for prefix in layer
}
BUILT_ON_GRAPHS = {"vicinal.molecules", "vicinal.interactions", "vicinal.knowledge"}
"""packages of domains that may import `vicinal.graphs`"""

BASE_DOMAINS = {
    ".".join(d.settings.__module__.split(".")[:2]) for d in DOMAINS
} - BUILT_ON_GRAPHS
"""the packages that hold the other domains"""


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def release_trees() -> Iterator[None]:
    """Free the memory of all syntax trees after the last test."""
    yield
    parse.cache_clear()


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def layer_of(module: str) -> str:
    """Return the longest prefix of the table that a module belongs to."""
    fitting = [p for p in HEIGHT if module == p or module.startswith(p + ".")]
    assert fitting, f"{module} is in no layer of the table"
    return max(fitting, key=len)


def imported_modules(path: Path) -> set[str]:
    """Return the modules of vicinal that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                names.add(submodule if submodule in MODULES else node.module or "")
    return {name for name in names if name.split(".")[0] == "vicinal"}


@cache
def find_imports() -> dict[str, set[str]]:
    """Return the modules of vicinal that each of its modules imports."""
    return {
        name: imported_modules(path)
        for name, path in MODULES.items()
        if name != "vicinal"
    }


def test_imports_run_downward():
    upward = [
        f"{module} imports {name}"
        for module, names in find_imports().items()
        for name in names - {"vicinal"}
        if HEIGHT[layer_of(name)] > HEIGHT[layer_of(module)]
    ]
    assert not upward


def test_base_domains_do_not_import_each_other():
    assert len(BASE_DOMAINS) > 1 and set(MODULES) >= BASE_DOMAINS
    mixed = [
        f"{module} imports {name}"
        for module, names in find_imports().items()
        for name in names
        for domain in BASE_DOMAINS
        for other in BASE_DOMAINS
        if domain != other and module.startswith(domain) and name.startswith(other)
    ]
    assert not mixed


def test_there_is_no_import_cycle_between_modules():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"a cycle: {' -> '.join([*path, module])}"
        if module not in done:
            for name in find_imports().get(module, set()) - {"vicinal"}:
                visit(name, (*path, module))
            done.add(module)

    for module in find_imports():
        visit(module, ())


def test_slow_libraries_are_imported_where_they_are_used():
    slow = {"sklearn", "joblib", "rich", "jinja2", "networkx", "timm", "openvino"}
    early = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        for node in parse(path).body
        for name in _top_packages(node)
        if name in slow and module not in LATE
    ]
    assert not early


LATE = {
    "vicinal.core.compute.openvino_gradients",
    "vicinal.graphs.explain.graph_plot",
}
"""modules that are themselves imported only where they are used"""


def _top_packages(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]}
    return set()


def test_ops_imports_torch_alone():
    allowed = {"torch", "vicinal", "collections", "typing", "math", "itertools"}
    for path in (ROOT / "ops").glob("*.py"):
        for node in ast.walk(parse(path)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, path


# --- private members ------------------------------------------------------------------

NAMED_TUPLE_MEMBERS = {"_asdict", "_replace", "_fields", "_make"}
LIBRARY_MEMBERS = {
    # private members of libraries that have no public equivalent
    "_exit",  # of os: end a worker process at once
    "_version",  # of a torch tensor: counts the changes in place
    "_conv_forward",  # of torch's convolutions: the product without padding modes
}


def private_members_used(tree: ast.Module) -> set[str]:
    """Return names `x._name` where x is not self, and no `_name` is defined here."""
    defined: set[str] = set()
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Attribute):
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if own and isinstance(node.ctx, ast.Store):
                defined.add(node.attr)
            elif private and not own:
                used.add(node.attr)
    return used - defined - NAMED_TUPLE_MEMBERS - LIBRARY_MEMBERS


def test_no_private_member_of_another_module_is_used():
    found = {
        name: sorted(used)
        for name, path in MODULES.items()
        if (used := private_members_used(parse(path)))
    }
    assert not found


# --- sizes ----------------------------------------------------------------------------

MAX_LINES, MAX_METHODS, MAX_PARAMETERS, MAX_MODULES = 450, 25, 8, 15

# What is larger, and how large it may be. Shrink, then lower or remove the entry.
LARGER_MODULES: dict[str, int] = {}
LARGER_CLASSES: dict[str, int] = {}
LARGER_FUNCTIONS: dict[str, int] = {}
LARGER_DIRECTORIES: dict[str, int] = {}


def check_sizes(sizes: dict[str, int], limit: int, larger: dict[str, int]) -> None:
    """Expect sizes up to a limit, or exactly as large as the table of exceptions says.

    An exception that is no longer needed must be removed from its table.
    """
    too_large = {k: n for k, n in sizes.items() if n > larger.get(k, limit)}
    assert not too_large
    outdated = {k for k in larger if sizes.get(k, 0) <= limit}
    assert not outdated


def test_modules_are_short():
    lines = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in MODULES.items()
    }
    check_sizes(lines, MAX_LINES, LARGER_MODULES)


def nodes_of(kind: type | tuple[type, ...]) -> list[tuple[str, ast.AST]]:
    """Return (module.name, node) of all definitions of a kind."""
    return [
        (f"{module}.{node.name}", node)  # pyright: ignore[reportAttributeAccessIssue]
        for module, path in MODULES.items()
        for node in ast.walk(parse(path))
        if isinstance(node, kind)
    ]


def test_classes_are_small():
    counts = {
        name: sum(isinstance(child, ast.FunctionDef) for child in node.body)  # pyright: ignore[reportAttributeAccessIssue]
        for name, node in nodes_of(ast.ClassDef)
    }
    check_sizes(counts, MAX_METHODS, LARGER_CLASSES)


def test_functions_have_few_parameters():
    counts: dict[str, int] = {}
    for name, node in nodes_of((ast.FunctionDef, ast.AsyncFunctionDef)):
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        own = [a for a in arguments if a.arg not in ("self", "cls")]
        counts[name] = max(len(own), counts.get(name, 0))
    check_sizes(counts, MAX_PARAMETERS, LARGER_FUNCTIONS)


def test_directories_hold_few_modules():
    counts: dict[str, int] = {}
    for path in FILES:
        if path.name != "__init__.py":
            name = path.parent.relative_to(ROOT.parent).as_posix()
            counts[name] = counts.get(name, 0) + 1
    check_sizes(counts, MAX_MODULES, LARGER_DIRECTORIES)
