"""A report: sections of blocks, rendered as one HTML page, JSON or plain text.

The page is self-contained and legible on a phone and on paper.
"""

import re
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from vicinal.core.metrics import Score
from vicinal.core.report.svg import clean_svg
from vicinal.core.text import format_percent, printable


@dataclass(frozen=True)
class Text:
    """A paragraph; `tone` is plain, good, warning or lead (the headline)."""

    text: str
    tone: str = "plain"
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Table:
    """Rows under column names; numbers are right-aligned."""

    columns: list[str]
    rows: list[list[Any]]
    caption: str = ""
    totals: list[list[Any]] = field(default_factory=list)
    """rows at the foot: sums or averages"""

    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Figure:
    """A plot as SVG, with a caption."""

    svg: str
    caption: str = ""
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Thumbnail:
    """A small image: a JPEG in base64, and the lines of its caption."""

    jpeg: str
    lines: list[str]


@dataclass(frozen=True)
class Gallery:
    """Thumbnails side by side."""

    thumbnails: list[Thumbnail]
    caption: str = ""
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix [K, K]: rows are true classes, columns predicted ones."""

    classes: list[str]
    counts: list[list[int]]
    caption: str = ""
    kind: ClassVar[str] = "matrix"

    @property
    def row_totals(self) -> list[int]:
        """Examples of each true class."""
        return [sum(row) for row in self.counts]

    @property
    def column_totals(self) -> list[int]:
        """Predictions of each class."""
        return [sum(column) for column in zip(*self.counts, strict=True)]

    def share(self, i: int, j: int) -> float:
        """Return the fraction of row i that is in column j, 0 to 1."""
        total = self.row_totals[i]
        return self.counts[i][j] / total if total else 0.0


Block = Text | Table | Figure | Gallery | Matrix
BLOCKS: dict[str, type] = {b.kind: b for b in (Text, Table, Figure, Gallery, Matrix)}


@dataclass(frozen=True)
class Section:
    """A heading and the blocks below it."""

    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """A title and sections, in order."""

    title: str
    subtitle: str
    sections: list[Section]

    def with_section(self, section: Section) -> "Report":
        """Return the report with a section before the last, replacing its namesake."""
        others = [s for s in self.sections if s.title != section.title]
        return replace(self, sections=[*others[:-1], section, *others[-1:]])

    def html(self) -> str:
        """Return a self-contained HTML page."""
        return render_template("report.html.j2", report=self)

    def text(self) -> str:
        """Return the report as plain text, without the plots."""
        lines = [self.title, "=" * len(self.title), self.subtitle]
        for section in self.sections:
            lines += ["", section.title, "-" * len(section.title)]
            for block in section.blocks:
                lines += _text_lines(block)
        return printable("\n".join(lines) + "\n")

    def to_dict(self) -> dict[str, Any]:
        sections = [
            {
                "title": s.title,
                "blocks": [{"kind": b.kind, **asdict(b)} for b in s.blocks],
            }
            for s in self.sections
        ]
        return {"title": self.title, "subtitle": self.subtitle, "sections": sections}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Report":
        sections = [
            Section(s["title"], [_block(b) for b in s["blocks"]])
            for s in values["sections"]
        ]
        return cls(values["title"], values["subtitle"], sections)


def _block(values: dict[str, Any]) -> Block:
    rest = dict(values)
    kind = BLOCKS[rest.pop("kind")]
    if kind is Gallery:
        rest["thumbnails"] = [Thumbnail(**t) for t in rest["thumbnails"]]
    return kind(**rest)


# --- rendering -----------------------------------------------------------------------


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _unbroken_cell
    environment.filters["svg"] = lambda text: Markup(clean_svg(text))
    environment.tests["numeric"] = is_numeric_cell
    return environment


def _unbroken_cell(cell: Any) -> str:
    """Return a cell in which lines break between a value and its interval only."""
    text = format_cell(cell)
    if not is_numeric_cell(cell):
        return text
    value, bracket, interval = text.partition(" [")
    parts = value + bracket.replace(" ", "\0") + interval
    return parts.replace(" ", "\N{NO-BREAK SPACE}").replace("\0", " ")


def render_template(name: str, **values: Any) -> str:
    """Render a jinja2 template of this directory; values are escaped."""
    return _environment().get_template(name).render(**values)


def template_macros(name: str) -> Any:
    """Return the macros of a template of this directory; arguments are escaped."""
    return _environment().get_template(name).module


def format_cell(value: Any) -> str:
    """Return a cell as text: thousands separators, floats with four digits."""
    if value is None or value != value:  # NaN, which JSON stores as null
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def percent_with_interval(score: Score) -> str:
    """Return a proportion with its interval in percent: 91.3 % [88, 94]."""
    interval = f"[{100 * score.low:.0f}, {100 * score.high:.0f}]"
    return f"{format_percent(score.value)} {interval}"


PERCENT = re.compile(r"[\d.]+ %( \[\d+, \d+\])?")


def is_numeric_cell(value: Any) -> bool:
    """Return True for a cell to right-align: a number, a percentage or a dash."""
    percent = isinstance(value, str) and PERCENT.fullmatch(value) is not None
    return value is None or percent or isinstance(value, (int, float))


def _text_lines(block: Block) -> list[str]:
    if isinstance(block, Text):
        mark = "! " if block.tone == "warning" else ""
        return [mark + block.text]
    if isinstance(block, Table):
        rows = [block.columns, *block.rows, *block.totals]
        return _align(rows) + _caption(block.caption)
    if isinstance(block, Matrix):
        rows = zip(block.classes, block.counts, block.row_totals, strict=True)
        table = [
            ["", *block.classes, "total"],
            *([name, *counts, total] for name, counts, total in rows),
            ["total", *block.column_totals, sum(block.row_totals)],
        ]
        return _align(table) + _caption(block.caption)
    if isinstance(block, Gallery):
        lines = [" | ".join(t.lines) for t in block.thumbnails]
        return lines + _caption(block.caption)
    return _caption(block.caption)


def _align(rows: list[list[Any]]) -> list[str]:
    cells = [[format_cell(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in cells
    ]


def _caption(caption: str) -> list[str]:
    return [f"({caption})"] if caption else []
