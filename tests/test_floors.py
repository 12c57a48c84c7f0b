"""Imports run strictly downward, and the two wings never import each other."""

import ast
from pathlib import Path

import pytest

import vicinal

ROOT = Path(vicinal.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# The floors, the highest first: a room may import from its own floor and from below.
FLOORS = {
    "vicinal.__main__": 5,
    "vicinal.cli": 5,
    "vicinal.graph_cli": 5,
    "vicinal.arguments": 5,
    "vicinal.web": 5,
    "vicinal.tasks": 4,
    "vicinal.about": 4,
    "vicinal.images": 3,
    "vicinal.graphs": 3,
    "vicinal.voice": 3,
    "vicinal.core": 2,
    "vicinal.ops": 1,
    "vicinal.errors": 0,
}
WINGS = ("vicinal.images", "vicinal.graphs")
ENTRANCE = "vicinal"


def room(module: str) -> str | None:
    """The longest name in FLOORS that a module lies in."""
    inside = [n for n in FLOORS if module == n or module.startswith(n + ".")]
    return max(inside, key=len, default=None)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Names of the modules of vicinal that a file imports, wherever it does so."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            found.add(node.module or "")
    return {name for name in found if name.split(".")[0] == "vicinal"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_from_its_own_floor_and_below(path):
    module = module_name(path)
    if module == ENTRANCE:
        return  # the table of contents names rooms on every floor
    here = room(module)
    assert here is not None, f"{module} stands on no floor"
    for name in imports(path):
        there = room(name)
        assert there is not None, f"{module} imports {name}, which is on no floor"
        assert FLOORS[there] <= FLOORS[here], f"{module} imports {name}, which is above"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_wings_do_not_import_each_other(path):
    here = room(module_name(path))
    others = [wing for wing in WINGS if wing != here]
    if here in WINGS:
        assert not [n for n in imports(path) if room(n) in others]


def test_there_is_no_import_cycle():
    graph = {module_name(p): imports(p) for p in FILES}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"a cycle: {' -> '.join([*above, module])}"
        if module not in done:
            for name in graph.get(module, set()) - {ENTRANCE}:
                visit(name, (*above, module))
            done.add(module)

    for module in set(graph) - {ENTRANCE}:
        visit(module, ())


def test_ops_needs_torch_alone():
    allowed = {"torch", "vicinal", "collections", "typing", "math", "itertools"}
    for path in (ROOT / "ops").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, path
