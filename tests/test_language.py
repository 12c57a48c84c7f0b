"""The field's terms: identifiers and texts hold no private vocabulary."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("vicinal", "benchmarks", "examples", "docs", "tests")

# word -> what to write instead
BANNED_NAMES = {
    "told": "describe, text, message",
    "said": "predicted, text",
    "picture": "image",
    "pictures": "images",
    "slope": "gradient",
    "slopes": "gradients",
    "newcomer": "new_node",
    "newcomers": "new_nodes",
    "wing": "domain",
    "evened": "smoothed",
    "sureness": "confidence",
    "judged": "evaluated",
    "begun": "started",
    "voice": "console",
    "aside": "quarantined",
    "heat": "temperature",
    "alike": "near_duplicates",
    "pulse": "check_interrupt",
}
BANNED_TEXT = {
    r"\bset(s)? aside\b": "quarantined",
    r"\bpictures?\b": "image",
    r"\bslopes?\b": "gradient",
    r"\bnewcomers?\b": "new nodes",
    r"\brests on\b": "attribution",
    r"\bas it came\b": "pretrained",
    r"\bnearer the truth\b": "significantly lower loss",
    r"\bchance explains\b": "significance",
    r"\bsureness\b": "confidence",
    r"\btaken apart\b": "broken down",
    r"\bfrom nothing\b": "from scratch",
    r"\bfirst answers?\b": "linear probe, linear baseline",
    r"\btold\b": "describe, print",
    r"\bevened out\b": "smoothed",
}
ANY_BANNED_TEXT = re.compile("|".join(BANNED_TEXT), re.IGNORECASE)
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
SELF = Path(__file__).name


def python_files() -> list[Path]:
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in files if path.name != SELF)


def documents() -> list[Path]:
    pages = [ROOT / name for name in DOCUMENTS]
    for folder in FOLDERS:
        for suffix in ("*.md", "*.jinja", "*.j2"):
            pages += (ROOT / folder).rglob(suffix)
    return sorted(pages)


def banned_names(path: Path) -> Iterator[str]:
    """Yield the identifiers of a file that hold a banned word."""
    source = path.read_text(encoding="utf-8")
    if not any(word in source.lower() for word in BANNED_NAMES):
        return  # most files: tokens take long
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            for word in token.string.lower().split("_"):
                if word in BANNED_NAMES:
                    where = f"{path.relative_to(ROOT)}:{token.start[0]}"
                    yield f"{where}: {token.string} (write {BANNED_NAMES[word]})"


def banned_texts(path: Path) -> Iterator[str]:
    """Yield the banned expressions in strings and comments of code, or in a page."""
    text = path.read_text(encoding="utf-8")
    if not ANY_BANNED_TEXT.search(" ".join(text.split())):
        return  # most files: tokens take long
    if path.suffix == ".py":
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        kinds = (tokenize.STRING, tokenize.COMMENT)
        parts = [(t.start[0], t.string) for t in tokens if t.type in kinds]
    else:
        parts = [*enumerate(text.splitlines(), 1)]
    for line, part in parts:
        for pattern, instead in BANNED_TEXT.items():
            found = re.search(pattern, " ".join(part.split()), re.IGNORECASE)
            if found:
                where = f"{path.relative_to(ROOT)}:{line}"
                yield f"{where}: {found.group(0)} (write {instead})"


def test_identifiers_are_the_fields_terms():
    assert not [name for path in python_files() for name in banned_names(path)]


@pytest.mark.parametrize("kind", ["code", "pages"])
def test_texts_are_the_fields_terms(kind):
    paths = python_files() if kind == "code" else documents()
    assert not [text for path in paths for text in banned_texts(path)]
