"""Notebook representations: escaped HTML without anything to load."""

import base64
import re

from matplotlib.figure import Figure

from vicinal.core.report.notebook import html_figure, html_paragraph, html_table

MARKUP = "<script>alert('x')</script>"


def test_text_is_escaped():
    assert html_paragraph("a < b") == "<p>a &lt; b</p>"
    table = html_table(MARKUP, {MARKUP: MARKUP, "n": 3})
    assert "<script" not in table and table.count("&lt;script&gt;") == 3


def test_a_table_has_a_row_for_each_value():
    table = html_table("Model", {"classes": 3, "size": "96 px"})
    rows = re.findall(r"<tr><th[^>]*>(.*?)</th><td[^>]*>(.*?)</td></tr>", table)
    assert rows == [("classes", "3"), ("size", "96 px")]
    assert table.startswith("<p><b>Model</b></p><table>")


def test_a_figure_is_an_inline_png():
    figure = Figure(figsize=(1, 1))
    html = html_figure(figure, 'a "plot"')
    found = re.search(r'src="data:image/png;base64,([^"]*)"', html)
    assert found and base64.b64decode(found[1]).startswith(b"\x89PNG")
    assert 'alt="a &#34;plot&#34;"' in html
