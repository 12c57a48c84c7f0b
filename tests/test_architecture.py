"""Imports run strictly downward, without a cycle, and the base domains stay apart."""

import ast
from pathlib import Path

import vicinal

ROOT = Path(vicinal.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# The layers, the highest first. A module belongs to the longest prefix that fits, and
# may import from its own layer and from those below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__", "cli", "graphs.commands.common"),
    ("commands", "domains"),
    ("images.commands", "graphs.commands"),
    ("images.domain", "graphs.domains"),
    ("images.demo", "graphs.demo"),
    ("images.run", "images.predict", "graphs.runs"),
    ("images.report",),
    ("images.classifier", "images.regressor", "images.pretrained_classifier"),
    ("images.estimator", "images.shown_model"),
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
BASE_DOMAINS = ("vicinal.images", "vicinal.graphs")


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
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                names.add(submodule if submodule in MODULES else node.module or "")
    return {name for name in names if name.split(".")[0] == "vicinal"}


IMPORTS = {
    name: imported_modules(path) for name, path in MODULES.items() if name != "vicinal"
}


def test_imports_run_downward():
    upward = [
        f"{module} imports {name}"
        for module, names in IMPORTS.items()
        for name in names - {"vicinal"}
        if HEIGHT[layer_of(name)] > HEIGHT[layer_of(module)]
    ]
    assert not upward


def test_base_domains_do_not_import_each_other():
    mixed = [
        f"{module} imports {name}"
        for module, names in IMPORTS.items()
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
            for name in IMPORTS.get(module, set()) - {"vicinal"}:
                visit(name, (*path, module))
            done.add(module)

    for module in IMPORTS:
        visit(module, ())


def test_ops_imports_torch_alone():
    allowed = {"torch", "vicinal", "collections", "typing", "math", "itertools"}
    for path in (ROOT / "ops").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, path
