"""The report as HTML, text and JSON: self-contained, escaped, the same again."""

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
from vicinal.core.report.report import (
    BLOCKS,
    Figure,
    Gallery,
    Matrix,
    Picture,
    Report,
    Section,
    Table,
    Text,
    curves,
    intervals,
    jpeg_base64,
    number,
)
from vicinal.core.storage.files import to_json

EVIL = "<script>alert('x')</script> & \"quoted\""
PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)


def drawing() -> str:
    return curves([1, 2, 3], {"train": [3.0, 2.0, 1.0], "val": [3.0, 2.5, 2.6]}, "l", 2)


@pytest.fixture
def report() -> Report:
    """A report with every kind of block, and with names that are markup."""
    blocks = [
        Text(EVIL, "lead"),
        Text("a warning", "warning"),
        Table(["name", EVIL, "n"], [[EVIL, 0.25, 1234567], ["x", None, 3]], EVIL),
        Figure(drawing(), EVIL),
        Gallery([Picture(jpeg_base64(PIXELS), [EVIL, "second"])], EVIL),
        Matrix([EVIL, "b"], [[3, 1], [0, 0]], EVIL),
    ]
    sections = [Section(EVIL, blocks), Section("Empty")]
    return Report(EVIL, EVIL, sections)


class Page(HTMLParser):
    """What a browser would see: tags, their attributes, and text."""

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


def test_the_page_loads_nothing(report):
    html = report.html()
    for tag, name, value in Page(html).attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
            assert value is not None and value.startswith(("#", "data:")), (tag, value)
        assert not name.startswith("on")
    assert "@import" not in html and "url(http" not in html.replace('"', "")
    assert not {"script", "link", "iframe", "object", "embed"} & set(Page(html).tags)


def test_names_are_text_and_not_markup(report):
    page = Page(report.html())
    assert page.open == []  # every tag is closed, in its order
    assert "script" not in page.tags
    shown = re.sub(r"\s+", " ", page.text)
    # title, h1, subtitle, nav, h2, text, column, cell, 4 captions, line, class twice
    assert shown.count(EVIL) == 15
    assert ("img", "alt", f"{EVIL}, second") in page.attributes


def test_a_page_is_legible_on_a_phone_and_on_paper(report):
    html = report.html()
    assert '<meta name="viewport" content="width=device-width' in html
    assert "@media print" in html and "@media (max-width" in html
    assert html.startswith("<!doctype html>") and '<html lang="en">' in html
    scrolled = html.count('<div class="scroll"><table')
    assert scrolled == html.count("<table") == 2  # wide tables do not widen the page


def test_sections_are_linked_in_their_order(report):
    page = Page(report.html())
    links = [v for tag, name, v in page.attributes if (tag, name) == ("a", "href")]
    places = [v for tag, name, v in page.attributes if (tag, name) == ("section", "id")]
    assert links == [f"#{place}" for place in places] == ["#s1", "#s2"]


def test_json_brings_the_same_page_back(report):
    text = json.dumps(report.to_dict())
    again = Report.from_dict(json.loads(text))
    assert again == report
    assert again.html() == report.html() and again.text() == report.text()
    kinds = [block["kind"] for block in report.to_dict()["sections"][0]["blocks"]]
    assert set(kinds) == set(BLOCKS)


def test_text_tells_all_but_the_drawings(report):
    lines = report.text().splitlines()
    assert lines[:3] == [EVIL, "=" * len(EVIL), EVIL]
    assert "! a warning" in lines and "<svg" not in report.text()
    assert f"({EVIL})" in lines and f"{EVIL} | second" in lines
    table = next(k for k, line in enumerate(lines) if line.startswith("name "))
    rows = [re.split(r"  +", line.strip()) for line in lines[table : table + 3]]
    assert rows == [["name", EVIL, "n"], [EVIL, "0.25", "1,234,567"], ["x", "-", "3"]]
    assert len({len(line) for line in lines[table : table + 3]}) == 1
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
    assert number(value) == shown


def test_numbers_stand_to_the_right():
    table = Table(["name", "n"], [["a", 1], ["b", 2.5]])
    html = Report("t", "s", [Section("x", [table])]).html()
    assert html.count('<td class="number">') == 2
    assert '<th>name</th><th class="number">n</th>' in html
    assert (
        Report("t", "s", [Section("x", [Table(["n"], [])])]).html().count("<th>") == 1
    )


def test_a_number_that_is_none_looks_as_it_does_from_json():
    rows = [["a", float("nan"), 1.5], ["b", 2.5, float("nan")]]
    report = Report("t", "s", [Section("x", [Table(["name", "p", "q"], rows)])])
    again = Report.from_dict(json.loads(to_json(report.to_dict())))
    html = report.html()
    assert again.html() == html and again.text() == report.text()
    assert html.count('<td class="number">-</td>') == 2 and "nan" not in html
    assert html.count('<th class="number">') == 2


def test_a_matrix_shows_shares_of_its_rows():
    matrix = Matrix(["a", "b"], [[3, 1], [0, 0]])
    assert [matrix.share(0, 0), matrix.share(0, 1)] == [0.75, 0.25]
    assert [matrix.share(1, 0), matrix.share(1, 1)] == [0, 0]
    html = Report("t", "s", [Section("x", [matrix])]).html()
    cells = re.findall(r'<td class="([^"]*)"[^>]*>(\d*)</td>', html)
    told = [(set(kinds.split()), count) for kinds, count in cells]
    assert told == [
        ({"strong", "right"}, "3"),
        (set(), "1"),
        (set(), ""),
        ({"right"}, ""),
    ]


# --- drawings --------------------------------------------------------------------


def test_drawings_are_the_same_again():
    assert drawing() == drawing()
    assert drawing().startswith("<svg") and drawing().rstrip().endswith("</svg>")


def test_curves_name_what_they_show():
    svg = drawing()
    assert all(f">{word}<" in svg for word in ("train", "val", "epoch", "l"))
    one = curves([1], {"loss": [0.5]}, "loss", 1)  # one epoch, one line: no legend
    assert ">loss<" in one and one.count(">loss<") == 1


@pytest.mark.parametrize(("metric", "side"), [("accuracy", "right"), ("mae", "left")])
def test_intervals_say_which_side_is_better(metric, side):
    scores = {
        "this model": Score(metric, 0.9, 0.8, 0.95, 100),
        "most frequent class": Score(metric, 0.5, 0.4, 0.6, 100),
    }
    svg = intervals(scores)
    assert f"further {side} is better" in svg
    assert ("percent" in svg) == (metric == "accuracy")
    assert all(f">{name}<" in svg for name in scores)
    assert svg.index(">this model<") < svg.index(">most frequent class<")


def opened(text: str) -> Image.Image:
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
    image = opened(jpeg_base64(rng.integers(0, 256, shape).astype(np.uint8)))
    assert (image.size, image.mode, image.format) == (size, "RGB", "JPEG")


def test_a_small_thumbnail_shows_every_pixel():
    pixels = np.array([[0, 255], [255, 0]], dtype=np.uint8)[..., None]
    grey = np.asarray(opened(jpeg_base64(pixels)).convert("L")).astype(int)
    assert abs(grey[::80, ::80] - pixels[..., 0]).max() < 8
    assert abs(grey[79::80, 79::80] - pixels[..., 0]).max() < 8
