"""Texts in any script are drawn without boxes and without warnings."""

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from vicinal.core.report import figure_text
from vicinal.core.report.figure_text import drawable_texts, find_fonts
from vicinal.core.report.plots import save_figure, to_svg

TITLE = "苹果 🍎 cat café"
SPELLED = r"\u82f9\u679c [red apple] cat café"


@pytest.fixture
def only_dejavu(monkeypatch):
    """Let no other font than matplotlib's own be installed."""
    fonts = [f for f in font_manager.fontManager.ttflist if "DejaVu" in f.name]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts)
    find_fonts.cache_clear()
    yield
    find_fonts.cache_clear()


def titled(title: str) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.suptitle(title)
    return figure


def title_of(figure: Figure) -> str:
    assert figure._suptitle is not None  # pyright: ignore[reportAttributeAccessIssue]
    return figure._suptitle.get_text()  # pyright: ignore[reportAttributeAccessIssue]


def test_characters_that_no_font_has_are_spelled(only_dejavu):
    figure = titled(TITLE)
    with drawable_texts(figure, spell=True):
        assert title_of(figure) == SPELLED
    assert title_of(figure) == TITLE


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_files_are_written_without_a_warning(only_dejavu, tmp_path, suffix):
    save_figure(titled(TITLE), tmp_path / f"plot.{suffix}")
    assert (tmp_path / f"plot.{suffix}").stat().st_size > 500
    if suffix == "svg":
        assert TITLE in (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert TITLE in to_svg(titled(TITLE))


def test_a_font_that_has_the_characters_is_taken(monkeypatch):
    title = "x \N{ANGLE}"  # in DejaVu Sans, not in Computer Modern
    monkeypatch.setattr(figure_text, "_missing_characters", missing_in_roman)
    find_fonts.cache_clear()
    figure = titled(title)
    with drawable_texts(figure, spell=True):
        (text,) = [t for t in figure.texts if t.get_text() == title]
        family = text.get_fontfamily()
        assert len(family) == 2 and find_fonts("\N{ANGLE}") == (family[1],)
    assert text.get_fontfamily() != family
    assert not find_fonts("\N{RED APPLE}\N{ANGLE}")[0].startswith("Last Resort")


def missing_in_roman(text) -> set[str]:
    return set("\N{ANGLE}") if len(text.get_fontfamily()) == 1 else set()
