"""Draw texts in any script: choose fonts that have the characters, or spell them."""

import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

NO_FONTS = ("Last Resort", "LastResort")
"""beginnings of the names of fonts that draw a box for any character"""


@contextmanager
def drawable_texts(figure: Any, *, spell: bool) -> Iterator[None]:
    """Give the texts of a matplotlib figure fonts that have their characters.

    spell: replace characters that no installed font has by their names, such as
    `[red apple]`, or their codes, such as `\\u82f9`; else they are left to the viewer's
    fonts, as in SVG. The figure is as before when the context ends, and matplotlib does
    not warn of missing glyphs.
    """
    from matplotlib.text import Text

    before = []
    for text in figure.findobj(Text):
        missing = _missing_characters(text)
        if not missing:
            continue
        before.append((text, text.get_text(), text.get_fontfamily()))
        fonts = find_fonts("".join(sorted(missing)))
        if fonts:
            text.set_fontfamily([*text.get_fontfamily(), *fonts])
        if spell:
            unknown = _missing_characters(text) if fonts else missing
            text.set_text(_spell(text.get_text(), unknown))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            yield
    finally:
        for text, content, family in before:
            text.set_text(content)
            text.set_fontfamily(family)


@cache
def find_fonts(characters: str) -> tuple[str, ...]:
    """Return the names of installed fonts that have the characters, as few as found."""
    from matplotlib.font_manager import fontManager

    missing, names = set(characters), []
    for entry in fontManager.ttflist:
        if not missing:
            break
        if entry.name.startswith(NO_FONTS) or entry.name in names:
            continue
        if found := missing & _characters_of(entry.fname):
            names.append(entry.name)
            missing -= found
    return tuple(names)


def _missing_characters(text: Any) -> set[str]:
    """Return the characters of a text that none of its fonts has."""
    wanted = {c for c in text.get_text() if ord(c) > 126}
    if not wanted:
        return wanted
    from matplotlib.font_manager import findfont

    properties = text.get_fontproperties().copy()
    for family in text.get_fontfamily():
        properties.set_family(family)
        wanted -= _characters_of(str(findfont(properties)))
    return wanted


@cache
def _characters_of(path: str) -> frozenset[str]:
    """Return the characters of a font file; none if it cannot be read."""
    from matplotlib.font_manager import get_font

    try:
        return frozenset(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError):  # such as a font of colour bitmaps
        return frozenset()


def _spell(text: str, unknown: set[str]) -> str:
    return "".join(_spell_character(c) if c in unknown else c for c in text)


def _spell_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cf", "Mn"):  # joins or changes the character before
        return ""
    name = unicodedata.name(character, "")
    if category == "So" and name:
        return f"[{name.lower()}]"
    return character.encode("unicode_escape").decode()
