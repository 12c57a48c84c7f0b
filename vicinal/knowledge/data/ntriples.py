"""N-Triples (W3C, 2014): one triple a line, of IRIs, blank nodes and literals."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vicinal.core.data.names import problem_of_name
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.knowledge.data.lines import line_blocks
from vicinal.knowledge.data.sources import MOST_SHOWN, BadRow, Block

IRI = r'<([^<>"{}|^`\x00-\x20]+)>'
BLANK_NODE = r'(_:[^\s<>"]*[^\s<>".])'
LITERAL = r'"((?:[^"\\]|\\.)*)"(\^\^<[^<>\s]+>|@[A-Za-z0-9-]+)?'
TRIPLE = re.compile(
    rf"\s*(?:{IRI}|{BLANK_NODE})\s*{IRI}\s*(?:{IRI}|{BLANK_NODE}|{LITERAL})"
    r"\s*\.\s*(?:#.*)?"
)
"""groups: IRI or blank node of the subject, predicate, IRI, blank node or literal of
the object, and the literal's type or language"""

ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.?))")
CHARACTERS = dict(zip("tbnrf\"'\\", "\t\b\n\r\f\"'\\", strict=True))

BLANK_PREFIX = "_:"


class _Row(NamedTuple):
    line: int
    head: str
    relation: str
    tail: str


def _block(rows: Sequence[_Row], bad_rows: Sequence[BadRow] = ()) -> Block:
    return Block(
        [row.head for row in rows],
        [row.relation for row in rows],
        [row.tail for row in rows],
        [row.line for row in rows],
        bad_rows,
    )


def are_ntriples(lines: Sequence[str]) -> bool:
    """Return True if most of the lines that are no comments are N-Triples."""
    rows = [k for k in lines if k.strip() and not k.lstrip().startswith("#")]
    return 2 * sum(TRIPLE.fullmatch(k) is not None for k in rows) > len(rows)


class NTriples:
    """A file of N-Triples. Names of IRIs are without their brackets."""

    unit = "line"

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        self._blank_nodes = set[str]()
        self._num_comments = self._num_literals = self._num_typed = 0

    def blocks(self) -> Iterator[Block]:
        for first, lines in line_blocks(self.path):
            yield from self._blocks(lines, first)

    def _blocks(self, lines: list[str], first: int) -> Iterator[Block]:
        triples, literals = list[_Row](), list[_Row]()
        bad_rows = list[BadRow]()
        for line, text in enumerate(lines, first):
            if (match := TRIPLE.fullmatch(text)) is not None:
                self._add(line, match, triples, literals, bad_rows)
            elif text.lstrip().startswith("#"):
                self._num_comments += 1
            elif text.strip():
                shown = text.strip()[:MOST_SHOWN]
                bad_rows.append(BadRow(line, "", f"no triple of N-Triples: {shown!r}"))
        if triples or bad_rows:
            yield _block(triples, bad_rows)
        if literals:
            yield _block(literals)._replace(are_literals=True)

    def _add(
        self,
        line: int,
        match: re.Match[str],
        triples: list[_Row],
        literals: list[_Row],
        bad_rows: list[BadRow],
    ) -> None:
        """Add the triple of a line to one of the lists."""
        iri, blank, relation, tail_iri, tail_blank, literal, kind = match.groups()
        head, tail = iri or blank, tail_iri or tail_blank
        self._blank_nodes.update(k for k in (blank, tail_blank) if k is not None)
        texts = [head, relation, literal if tail is None else tail]
        problem = None
        if "\\" in match[0]:
            try:
                texts = [*map(unescape, texts)]
            except DataError as error:
                problem = str(error)
        if tail is None and problem is None:
            problem = problem_of_name(texts[2])
        if problem is not None:
            bad_rows.append(BadRow(line, relation, problem))
        elif tail is None:
            self._num_literals += 1
            self._num_typed += kind is not None
            literals.append(_Row(line, *texts))
        else:
            triples.append(_Row(line, *texts))

    def notes(self) -> list[str]:
        notes = []
        if self._blank_nodes:
            count = pluralize(len(self._blank_nodes), "blank node")
            notes.append(f"{count} of {self.name} kept as entities, such as _:b1")
        if self._num_literals:
            typed = f"{self._num_typed:,} with a type or language that is not used"
            count = pluralize(self._num_literals, "literal")
            notes.append(f"{count} of {self.name}, {typed}; they are no triples")
        if self._num_comments:
            count = pluralize(self._num_comments, "line")
            notes.append(f"{count} of {self.name} read as comments (#)")
        return notes


def unescape(text: str) -> str:
    """Return a text with its escapes replaced; DataError for those of other formats."""
    return ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    code, other = match[1] or match[2], match[3]
    if code is not None and int(code, 16) <= 0x10FFFF:
        return chr(int(code, 16))
    if other in CHARACTERS:
        return CHARACTERS[other]
    raise DataError(f"the escape {match[0]} is none of N-Triples")
