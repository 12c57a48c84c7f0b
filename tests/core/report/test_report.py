"""The report as HTML, text and JSON: self-contained, escaped, reproducible."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vicinal.core.metrics import Score
from vicinal.core.report.plots import jpeg_base64, plot_curves, plot_intervals
from vicinal.core.report.report import (
    BLOCKS,
    Figure,
    Gallery,
    Matrix,
    Report,
    Section,
    Table,
    Text,
    Thumbnail,
    format_cell,
)
from vicinal.core.storage.files import to_json

EVIL = "<script>alert('x')</script> & \"quoted\""
PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)


def curves() -> str:
    return plot_curves(
        [1, 2, 3], {"train": [3.0, 2.0, 1.0], "val": [3.0, 2.5, 2.6]}, "l", 2
    )


@pytest.fixture
def report() -> Report:
    """Return a report with every kind of block and names that look like markup."""
    blocks = [
        Text(EVIL, "lead"),
        Text("a warning", "warning"),
        Table(
            ["name", EVIL, "n"],
            [[EVIL, 0.25, 1234567], ["x", None, 3]],
            EVIL,
            [["total", None, 1234570]],
        ),
        Figure(curves(), EVIL),
        Gallery([Thumbnail(jpeg_base64(PIXELS), [EVIL, "second"])], EVIL),
        Matrix([EVIL, "b"], [[3, 1], [0, 0]], EVIL),
    ]
    sections = [Section(EVIL, blocks), Section("Empty")]
    return Report(EVIL, EVIL, sections)


class Page(HTMLParser):
    """A parsed page: its tags, their attributes and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_self_contained(report):
    html = report.html()
    for tag, name, value in Page(html).attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
            assert value is not None and value.startswith(("#", "data:")), (tag, value)
        assert not name.startswith("on")
    assert "@import" not in html and "url(http" not in html.replace('"', "")
    assert not {"script", "link", "iframe", "object", "embed"} & set(Page(html).tags)


def test_names_are_escaped(report):
    page = Page(report.html())
    assert page.open == []  # every tag is closed, in its order
    assert "script" not in page.tags
    shown = re.sub(r"\s+", " ", page.text)
    # title, h1, subtitle, nav, h2, text, column, cell, 4 captions, line, class twice
    assert shown.count(EVIL) == 15
    assert ("img", "alt", f"{EVIL}, second") in page.attributes


def test_the_page_has_styles_for_phones_and_print(report):
    html = report.html()
    assert '<meta name="viewport" content="width=device-width' in html
    assert "@media print" in html and "@media (max-width" in html
    assert html.startswith("<!doctype html>") and '<html lang="en">' in html
    scrolled = html.count('<div class="scroll"><table')
    assert scrolled == html.count("<table") == 2  # a wide table scrolls in its box


def test_the_navigation_links_sections_in_order(report):
    page = Page(report.html())
    ids = [v for tag, name, v in page.attributes if (tag, name) == ("section", "id")]
    html = report.html()
    nav = re.findall(
        r'href="([^"]*)"', html[html.index("<nav>") : html.index("</nav>")]
    )
    assert nav == [f"#{value}" for value in ids] == ["#s1", "#s2"]


def test_figures_and_thumbnails_enlarge_without_scripts(report):
    """A link to a figure makes it the target, which the style shows at full size."""
    page = Page(report.html())
    figures = [v for tag, name, v in page.attributes if (tag, name) == ("figure", "id")]
    assert figures == ["s1-4", "s1-5-1"] and len(set(figures)) == len(figures)
    links = [v for tag, name, v in page.attributes if (tag, name) == ("a", "href")]
    assert all(f"#{name}" in links for name in figures)
    assert report.html().count('class="close" href="#s1"') == 2
    assert "figure:target" in report.html()


def test_json_round_trip(report):
    text = json.dumps(report.to_dict())
    again = Report.from_dict(json.loads(text))
    assert again == report
    assert again.html() == report.html() and again.text() == report.text()
    kinds = [block["kind"] for block in report.to_dict()["sections"][0]["blocks"]]
    assert set(kinds) == set(BLOCKS)


def test_text_contains_all_but_the_plots(report):
    lines = report.text().splitlines()
    assert lines[:3] == [EVIL, "=" * len(EVIL), EVIL]
    assert "! a warning" in lines and "<svg" not in report.text()
    assert f"({EVIL})" in lines and f"{EVIL} | second" in lines
    table = next(k for k, line in enumerate(lines) if line.startswith("name "))
    rows = [re.split(r"  +", line.strip()) for line in lines[table : table + 4]]
    assert rows == [
        ["name", EVIL, "n"],
        [EVIL, "0.25", "1,234,567"],
        ["x", "-", "3"],
        ["total", "-", "1,234,570"],
    ]
    assert len({len(line) for line in lines[table : table + 4]}) == 1
    matrix = [
        line.split() for line in lines if re.fullmatch(r"(b|total)( +\d+)+ *", line)
    ]
    assert matrix == [["b", "0", "0", "0"], ["total", "3", "1", "4"]]
    assert lines[-3:] == ["", "Empty", "-----"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1234567, "1,234,567"),
        (-5, "-5"),
        (0.123456, "0.1235"),
        (1e-9, "1e-09"),
        (12345.6, "1.235e+04"),
        (2.0, "2"),
        ("12", "12"),
    ],
)
def test_numbers_in_cells(value, shown):
    assert format_cell(value) == shown


def test_numbers_are_right_aligned():
    table = Table(["name", "n"], [["a", 1], ["b", 2.5]])
    html = Report("t", "s", [Section("x", [table])]).html()
    assert html.count('<td class="number">') == 2
    assert '<th>name</th><th class="number">n</th>' in html
    assert (
        Report("t", "s", [Section("x", [Table(["n"], [])])]).html().count("<th>") == 1
    )


def test_nan_looks_the_same_after_json():
    rows = [["a", float("nan"), 1.5], ["b", 2.5, float("nan")]]
    report = Report("t", "s", [Section("x", [Table(["name", "p", "q"], rows)])])
    again = Report.from_dict(json.loads(to_json(report.to_dict())))
    html = report.html()
    assert again.html() == html and again.text() == report.text()
    assert html.count('<td class="number">-</td>') == 2 and "nan" not in html
    assert html.count('<th class="number">') == 2


def test_a_matrix_shows_percentages_of_rows_and_totals():
    matrix = Matrix(["a", "b"], [[3, 1], [0, 0]])
    assert [matrix.share(0, 0), matrix.share(0, 1)] == [0.75, 0.25]
    assert [matrix.share(1, 0), matrix.share(1, 1)] == [0, 0]
    html = Report("t", "s", [Section("x", [matrix])]).html()
    pattern = r'<td class="([^"]*)"[^>]*>(\d*)(?:<small>(\d+)&nbsp;%</small>)?</td>'
    cells = [(set(c.split()), n, p) for c, n, p in re.findall(pattern, html)]
    assert cells == [
        ({"strong", "correct"}, "3", "75"),
        (set(), "1", "25"),
        ({"total"}, "4", "100"),
        (set(), "", ""),
        ({"correct"}, "", ""),
        ({"total"}, "0", "0"),
        ({"total"}, "3", "75"),
        ({"total"}, "1", "25"),
        ({"total"}, "4", ""),
    ]
    assert matrix.row_totals == [4, 0] and matrix.column_totals == [3, 1]


# --- plots ---------------------------------------------------------------------------


def test_plots_are_reproducible():
    assert curves() == curves()
    assert curves().startswith("<svg") and curves().rstrip().endswith("</svg>")


def test_curves_are_labelled():
    svg = curves()
    assert all(f">{word}<" in svg for word in ("train", "val", "epoch", "l"))
    one = plot_curves([1], {"loss": [0.5]}, "loss", 1)  # one epoch, one line: no legend
    assert ">loss<" in one and one.count(">loss<") == 1


@pytest.mark.parametrize(("metric", "side"), [("accuracy", "right"), ("mae", "left")])
def test_the_interval_plot_says_which_side_is_better(metric, side):
    scores = {
        "this model": Score(metric, 0.9, 0.8, 0.95, 100),
        "most frequent class": Score(metric, 0.5, 0.4, 0.6, 100),
    }
    svg = plot_intervals(scores)
    assert f"further {side} is better" in svg
    assert ("(%)" in svg) == (metric == "accuracy")
    assert all(f">{name}<" in svg for name in scores)
    assert svg.index(">this model<") < svg.index(">most frequent class<")


def decode(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((8, 8, 1), (160, 160)),
        ((24, 24, 3), (144, 144)),
        ((150, 150, 3), (150, 150)),
        ((640, 320, 3), (80, 160)),
        ((1, 1, 3), (160, 160)),
    ],
)
def test_thumbnails(shape, size):
    rng: Any = np.random.default_rng(0)
    image = decode(jpeg_base64(rng.integers(0, 256, shape).astype(np.uint8)))
    assert (image.size, image.mode, image.format) == (size, "RGB", "JPEG")


def test_a_small_image_is_enlarged_pixel_by_pixel():
    pixels = np.array([[0, 255], [255, 0]], dtype=np.uint8)[..., None]
    grey = np.asarray(decode(jpeg_base64(pixels)).convert("L")).astype(int)
    assert abs(grey[::80, ::80] - pixels[..., 0]).max() < 8
    assert abs(grey[79::80, 79::80] - pixels[..., 0]).max() < 8


def test_lines_break_between_a_value_and_its_interval_only():
    table = Table(["recall"], [["62.5 % [54, 71]"]])
    page = Report("A run", "", [Section("Errors", [table])]).html()
    assert "62.5\N{NO-BREAK SPACE}% [54,\N{NO-BREAK SPACE}71]" in page
