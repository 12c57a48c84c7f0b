"""SVG from elsewhere: what draws is kept, and nothing of it can run or load."""

import pytest
from matplotlib.figure import Figure as Plot

from vicinal.core.report.plots import to_svg
from vicinal.core.report.report import Figure, Report, Section
from vicinal.core.report.svg import LEFT_OUT, STYLE_SHEET, clean_svg

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
)


def draw() -> str:
    figure = Plot()
    axes = figure.subplots()
    axes.plot([1, 2], [2, 1], "--", label="a < b & c")
    axes.imshow([[0.1, 0.9], [0.5, 0.2]])
    axes.legend()
    return to_svg(figure)


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<g onload="alert(1)" onclick="alert(1)"/>',
        '<a href="javascript:alert(1)"><text>x</text></a>',
        '<use xlink:href="http://x.test/a.svg#alert"/>',
        '<image xlink:href="data:image/svg+xml;base64,alert"/>',
        '<image href="http://x.test/alert.png"/>',
        "<foreignObject><iframe src='alert'/></foreignObject>",
        "<style>@import url(http://x.test/alert)</style>",
        '<path style="fill: url(http://x.test/alert); position: fixed"/>',
        '<path style="f\\69ll: alert"/>',
        '<path fill="url(javascript:alert)"/>',
        '<animate attributeName="href" values="javascript:alert(1)"/>',
        '<set attributeName="onmouseover" to="alert(1)"/>',
        "<text><![CDATA[<img src=x onerror=alert(1)>]]></text>",
        "<!--><img src=x onerror=alert(1)>-->",
        '<g xmlns="http://www.w3.org/1999/xhtml"><img src="alert"/></g>',
        "<title><![CDATA[</title><script>alert(1)</script>]]></title>",
    ],
)
def test_nothing_runs_or_loads(inside):
    found = clean_svg(f"{SVG}>{inside}</svg>")
    assert found != LEFT_OUT
    for text in ("<script", "onload", "onclick", "onerror=alert(1)>", "javascript"):
        assert text not in found.replace("&lt;", "").replace("&gt;", "")
    for text in ("http://x.test", "alert.png", "position", "foreignObject", "<a "):
        assert text not in found
    assert "alert" not in found or "&lt;" in found


@pytest.mark.parametrize(
    "text",
    [
        f"{SVG} onload='x'></svg><script>alert(1)</script>",
        "<script>alert(1)</script>",
        '<!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>',
        "<svg><g></svg>",
        "plain text",
        "",
        "<svg>" + "<g>" * 5000 + "</g>" * 5000 + "</svg>",
    ],
)
def test_what_is_no_figure_is_left_out(text):
    assert clean_svg(text) == LEFT_OUT


def test_a_plot_keeps_what_it_draws():
    plot, found = draw(), clean_svg(draw())
    for element in ("<path", "<text", "<use", "<image", "<clipPath", "<rect"):
        assert found.count(element) == plot.count(element) > 0
    for attribute in (' d="', "clip-path=", "xlink:href=", "viewBox=", "transform="):
        assert found.count(attribute) == plot.count(attribute) > 0
    assert STYLE_SHEET in found and "a &lt; b &amp; c" in found
    assert "stroke-dasharray" in found and "font-size" in found
    assert clean_svg(found) == found


def test_a_report_shows_clean_figures():
    figures: list = [Figure(f"{SVG}><script>1</script><path d='M 0 0'/></svg>")]
    page = Report("t", "s", [Section("plots", figures)]).html()
    assert '<path d="M 0 0"' in page and "<script" not in page


def test_only_paths_can_be_used():
    """Groups of uses of groups would draw 10^9 elements."""
    path = '<path id="p" d="M 0 0 L 1 1"/>'
    groups = [
        f'<g id="g{k}">'
        + f'<use href="#{"p" if not k else f"g{k - 1}"}"/>' * 10
        + "</g>"
        for k in range(9)
    ]
    found = clean_svg(f"{SVG}>{path}{''.join(groups)}</svg>")
    assert found.count('href="#p"') == 10 == found.count("href=")
    assert found.count("id=") == 1  # what has none cannot be used
    assert "href=" not in clean_svg(f'{SVG}><use href="#p"/><g id="p"/></svg>')
    assert "href=" not in clean_svg(f'{SVG}><image href="#p"/>{path}</svg>')


def test_patterns_and_clips_do_not_refer_to_others():
    inside = '<rect width="1" height="1" fill="url(#b)" clip-path="url(#c)"/>'
    for tag in ("pattern", "clipPath"):
        found = clean_svg(f'{SVG}><{tag} id="a">{inside}</{tag}></svg>')
        assert "<rect" in found and "url(" not in found
    assert "url(#b)" in clean_svg(f"{SVG}>{inside}</svg>")


def test_a_title_holds_text_alone():
    found = clean_svg(f"{SVG}><title>a<title><g/></title></title></svg>")
    assert found.count("<title>") == 1 and "<g" not in found
