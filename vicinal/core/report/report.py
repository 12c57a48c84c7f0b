"""One page that answers in a fixed order, as HTML, JSON and text.

A report is sections of blocks. Both wings say what is in them; this room knows how
they look: one file with everything inside, legible on a phone and on paper.
"""

import base64
import io
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from vicinal.core.evaluation.calibration import Bin
from vicinal.core.metrics import SHARES, Score, better, wilson
from vicinal.core.text import percent


@dataclass(frozen=True)
class Text:
    """A paragraph; `tone` is plain, good, warning or lead (the answer itself)."""

    text: str
    tone: str = "plain"
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Table:
    """Rows under column names; numbers stand to the right."""

    columns: list[str]
    rows: list[list[Any]]
    caption: str = ""
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG, and what to see in it."""

    svg: str
    caption: str = ""
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Picture:
    """One thumbnail: a JPEG in base64, and the lines under it."""

    jpeg: str
    lines: list[str]


@dataclass(frozen=True)
class Gallery:
    """Thumbnails side by side."""

    pictures: list[Picture]
    caption: str = ""
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Matrix:
    """Counts [K, K] under class names: the row is true, the column predicted."""

    classes: list[str]
    counts: list[list[int]]
    caption: str = ""
    kind: ClassVar[str] = "matrix"

    def share(self, i: int, j: int) -> float:
        """Share of row i that lies in column j, 0 to 1."""
        total = sum(self.counts[i])
        return self.counts[i][j] / total if total else 0.0


Block = Text | Table | Figure | Gallery | Matrix
BLOCKS: dict[str, type] = {b.kind: b for b in (Text, Table, Figure, Gallery, Matrix)}


@dataclass(frozen=True)
class Section:
    """A question's answer."""

    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """Sections in their order."""

    title: str
    subtitle: str
    sections: list[Section]

    def with_section(self, section: Section) -> "Report":
        """The report with a section more, before the last; in place of its like."""
        others = [s for s in self.sections if s.title != section.title]
        return replace(self, sections=[*others[:-1], section, *others[-1:]])

    def html(self) -> str:
        """The page, with everything inside it."""
        from jinja2 import Environment, FileSystemLoader

        rooms = FileSystemLoader(Path(__file__).parent)
        environment = Environment(
            loader=rooms, autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters["number"] = number
        environment.tests["amount"] = _is_amount
        return environment.get_template("report.html.j2").render(report=self)

    def text(self) -> str:
        """The page as plain text: all but the drawings."""
        lines = [self.title, "=" * len(self.title), self.subtitle]
        for section in self.sections:
            lines += ["", section.title, "-" * len(section.title)]
            for block in section.blocks:
                lines += _as_text(block)
        return "\n".join(lines) + "\n"

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
        rest["pictures"] = [Picture(**p) for p in rest["pictures"]]
    return kind(**rest)


def number(value: Any) -> str:
    """A cell as text: whole numbers with separators, others to four digits."""
    if value is None or value != value:  # NaN, which JSON has as null
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def share_cell(score: Score) -> str:
    """A score that is a share, with its interval, in percent: 91.3 % [88, 94]."""
    return f"{percent(score.value)} [{100 * score.low:.0f}, {100 * score.high:.0f}]"


SHARE = re.compile(r"[\d.]+ %( \[\d+, \d+\])?")


def _is_amount(value: Any) -> bool:
    """Whether a cell stands to the right: a number, a share in percent, or a dash."""
    share = isinstance(value, str) and SHARE.fullmatch(value) is not None
    return value is None or share or isinstance(value, (int, float))


def _as_text(block: Block) -> list[str]:
    if isinstance(block, Text):
        mark = "! " if block.tone == "warning" else ""
        return [mark + block.text]
    if isinstance(block, Table):
        return _columns([block.columns, *block.rows]) + _caption(block.caption)
    if isinstance(block, Matrix):
        head = ["", *block.classes]
        rows = zip(block.classes, block.counts, strict=True)
        return _columns([head, *([k, *c] for k, c in rows)]) + _caption(block.caption)
    if isinstance(block, Gallery):
        return [" | ".join(p.lines) for p in block.pictures] + _caption(block.caption)
    return _caption(block.caption)


def _columns(rows: list[list[Any]]) -> list[str]:
    cells = [[number(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in cells
    ]


def _caption(caption: str) -> list[str]:
    return [f"({caption})"] if caption else []


# --- drawings --------------------------------------------------------------------

BLUE, GREY, ORANGE = "#2563a8", "#8a8f98", "#c2571a"  # told apart by the colour-blind


def to_svg(figure: Any) -> str:
    """A figure of matplotlib as SVG without a date, to stand in the page."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "vicinal"}):
        figure.savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    text = out.getvalue()
    return text[text.index("<svg") :]


def _axes(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure as Sheet

    sheet = Sheet(figsize=(width, height), layout="constrained")
    axes = sheet.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=9)
    return sheet, axes


def curves(x: list[int], lines: dict[str, list[float]], title: str, best: int) -> str:
    """Lines over epochs as SVG; a vertical line marks the epoch that was kept."""
    sheet, axes = _axes(4.2, 2.6)
    styles = zip(
        lines.items(), ((GREY, "--"), (BLUE, "-"), (ORANGE, ":")), strict=False
    )
    for (name, values), (colour, dash) in styles:
        axes.plot(x, values, dash, color=colour, label=name, linewidth=1.8)
    axes.axvline(best, color=GREY, linewidth=0.8)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(lines) > 1:
        axes.legend(frameon=False, fontsize=9)
    return to_svg(sheet)


def intervals(scores: dict[str, Score]) -> str:
    """Scores with their intervals as SVG, the first one (ours) in blue."""
    sheet, axes = _axes(5.6, 0.7 + 0.36 * len(scores))
    first = next(iter(scores.values()))
    factor = 100 if first.metric in SHARES else 1
    for row, (_, score) in enumerate(scores.items()):
        colour = BLUE if row == 0 else GREY
        low, value, high = (factor * v for v in (score.low, score.value, score.high))
        axes.plot([low, high], [row, row], color=colour, linewidth=5, alpha=0.35)
        axes.plot(value, row, "o", color=colour, markersize=7)
    axes.set_yticks(range(len(scores)), list(scores))
    axes.invert_yaxis()
    axes.margins(y=0.25)
    unit = ", percent" if factor == 100 else ""
    side = "right" if better(first.metric, 1, 0) else "left"
    axes.set_xlabel(f"{first.metric}{unit}; further {side} is better", fontsize=9)
    return to_svg(sheet)


def plot_reliability(bins: list[Bin]) -> str:
    """How often it is right against how sure it says it is, as SVG.

    A dot for each bin, as large as many answers are in it, with the interval of its
    share; on the diagonal a model is as often right as it says.
    """
    sheet, axes = _axes(3.6, 3.2)
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
    total = sum(b.n for b in bins)
    for b in bins:
        low, high = wilson(b.accuracy * b.n, b.n)
        x = 100 * b.confidence
        axes.plot([x, x], [100 * low, 100 * high], color=BLUE, linewidth=2, alpha=0.35)
        size = 20 + 180 * b.n / total
        axes.scatter([x], [100 * b.accuracy], s=size, color=BLUE, alpha=0.8)
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 102)
    axes.set_xlabel("how sure it says it is, percent", fontsize=9)
    axes.set_ylabel("how often it is right, percent", fontsize=9)
    return to_svg(sheet)


def jpeg_base64(pixels: Any, side: int = 160) -> str:
    """Pixels [H, W, C] of uint8 as a JPEG in base64, at most `side` pixels large."""
    from PIL import Image

    plain = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    image = Image.fromarray(plain)
    if max(image.size) < side:  # small pictures are shown pixel by pixel
        factor = side // max(image.size)
        size = (image.width * factor, image.height * factor)
        image = image.resize(size, Image.Resampling.NEAREST)
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=82)
    return base64.b64encode(out.getvalue()).decode()
