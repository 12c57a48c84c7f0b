"""Examples run, pages show these files, and every command in the pages parses."""

import re
import runpy
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from vicinal.cli.app import COMMANDS, ON_DATA
from vicinal.cli.parsing import parse
from vicinal.commands.options import (
    DataArgument,
    DemoArgument,
    DemoOptions,
    JsonOption,
    RunArgument,
)
from vicinal.core.domain import Domain
from vicinal.domains import DOMAINS

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [
    ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
] + sorted((ROOT / "docs").glob("*.md"))
DOMAINS_OF_PAGE = {
    "images.md": ("images",),
    "looking-inside.md": ("images",),
    "sorting-the-recycling.md": ("images",),
    "nodes.md": ("nodes",),
    "what-is-this-paper-about.md": ("nodes",),
    "links.md": ("links",),
    "graphs.md": ("graphs",),
    "molecules.md": ("molecules",),
    "which-compounds-dissolve.md": ("molecules",),
    "new-molecules.md": ("generation",),
    "interactions.md": ("interactions",),
    "three-prescriptions.md": ("interactions",),
    "knowledge-graphs.md": ("triples", "importance"),
    "missing-facts.md": ("triples",),
    "recommendation.md": ("recommendation",),
}
"""domains whose options a page's commands may use; other pages: any domain"""

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    (\S.*)$", re.MULTILINE)
COMMAND = re.compile(r"^(?:\$ )?(?:torchrun .* -m )?vicinal (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
SPAN = re.compile(r"`(?:torchrun [^`]* -m )?vicinal ([^`]*)`")


class Use(NamedTuple):
    """A command in a page."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)


def commands_in(page: Path) -> list[Use]:
    """Return the commands of code blocks and of spans in the text."""
    text = page.read_text(encoding="utf-8")
    prose = FENCE.sub("", text)
    code = [block for _, block in FENCE.findall(text)] + INDENTED.findall(prose)
    found = COMMAND.findall("\n".join(code))
    found += [" ".join(span.split()) for span in SPAN.findall(prose)]
    return [Use(page.name, text) for text in dict.fromkeys(found)]


USES = list(dict.fromkeys(use for page in PAGES for use in commands_in(page)))


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """One cache for all examples: what one has measured, the next remembers."""
    return tmp_path_factory.mktemp("examples-cache")


@pytest.mark.usefixtures("without_openvino")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path, cache, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VICINAL_CACHE", str(cache))
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()


def test_python_blocks_are_examples():
    bodies = {path.name: body_of(path) for path in EXAMPLES}
    for page in PAGES:
        for language, code in FENCE.findall(page.read_text(encoding="utf-8")):
            if language == "python":
                assert code.strip() in bodies.values(), (page.name, code)


def test_the_readme_has_the_first_example():
    body = body_of(ROOT / "examples" / "first_model.py")
    assert body in (ROOT / "README.md").read_text(encoding="utf-8")


def body_of(path: Path) -> str:
    """Return an example without its docstring."""
    return path.read_text(encoding="utf-8").split('"""', 2)[2].strip()


@pytest.mark.parametrize("name", sorted({use.page for use in USES}))
def test_commands_in_pages_parse(name, capsys):
    domains = [
        domain
        for domain in DOMAINS
        if domain.name in DOMAINS_OF_PAGE.get(name, (domain.name,))
    ]
    broken = [
        use.text
        for use in USES
        if use.page == name and not any(parses(use.words, d) for d in domains)
    ]
    assert not broken, f"{broken}\n{capsys.readouterr().err}"


def test_pages_name_every_command():
    used = {use.words[0] for use in USES if use.words}
    assert used >= set(COMMANDS)


def test_links_between_pages_lead_to_files():
    for page in PAGES:
        prose = INDENTED.sub("", FENCE.sub("", page.read_text("utf-8")))
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
            assert (page.parent / target).exists(), (page.name, target)


def parses(words: list[str], domain: Domain) -> bool:
    """Return whether a command's words are understood in a domain."""
    command, *rest = words or [""]
    if command in ("--help", "--version", "COMMAND"):
        return True
    if command not in COMMANDS:
        return False
    rest = [word for word in rest if word != "--help"]
    if len(rest) < len(words) - 1 or not any(not w.startswith("-") for w in rest):
        return all_flags_exist(rest, command, domain)
    try:
        parse(groups_of(command, domain), rest, "vicinal", "")
    except SystemExit:
        return False
    return True


def all_flags_exist(words: list[str], command: str, domain: Domain) -> bool:
    """Return whether the flags of a command without its arguments exist."""
    names = {
        f"--{name.replace('_', '-')}"
        for kind in groups_of(command, domain).values()
        for name in kind.__dataclass_fields__
    }
    return all(word in names for word in words if word.startswith("--"))


def groups_of(command: str, domain: Domain) -> dict[str, type]:
    """Return the dataclasses of a command's arguments and flags."""
    if command == "info":
        return {"common": JsonOption}
    if command == "demo":
        return {"demo": DemoArgument, "common": DemoOptions}
    if command in ON_DATA:
        groups = {"data": DataArgument, "domain": domain.data}
        if command == "check":
            groups["domain"] = domain.commands["check"].arguments
        else:
            groups["training"] = domain.settings
        return {**groups, "common": ON_DATA[command]}
    groups = {"run": RunArgument}
    if command in domain.commands:
        groups["domain"] = domain.commands[command].arguments
    return {**groups, "common": JsonOption}
