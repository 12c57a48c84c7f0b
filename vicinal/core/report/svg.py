"""Figures in SVG, reduced to what draws: a report from elsewhere may hold scripts.

The text is parsed as XML and written anew from a list of elements and attributes, so
that no comment, CDATA section, entity or script of the original is left.
"""

import re
from xml.etree import ElementTree as ET

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"

ELEMENTS = frozenset(
    "svg g defs path use clipPath rect circle ellipse line polyline polygon text tspan "
    "image pattern linearGradient radialGradient stop style title".split()
)
ATTRIBUTES = frozenset(
    "id version viewBox width height x y x1 x2 y1 y2 dx dy cx cy r rx ry fx fy d "
    "points transform preserveAspectRatio offset clipPathUnits patternUnits "
    "patternTransform patternContentUnits gradientUnits gradientTransform "
    "spreadMethod".split()
)
PROPERTIES = frozenset(
    "clip-path clip-rule fill fill-opacity fill-rule font font-family font-size "
    "font-stretch font-style font-variant font-weight image-rendering opacity "
    "stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap "
    "stroke-linejoin stroke-miterlimit stroke-opacity stroke-width text-anchor "
    "white-space".split()
)
"""of CSS, in `style` or as attributes"""

STYLE_SHEET = "*{stroke-linejoin: round; stroke-linecap: butt}"
"""of matplotlib; another one could change the page around the figure"""

LINK = re.compile(r"#[\w.-]+|data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]+")
UNSAFE_VALUE = re.compile(r"[\\@<>]|url\((?!#[\w.-]+\))|expression|script:", re.I)

LEFT_OUT = "<p>(This figure is damaged and left out.)</p>"


def clean_svg(text: str) -> str:
    """Return an SVG with the elements and attributes that draw, and nothing else."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return LEFT_OUT
    try:
        root = ET.fromstring(text)
        if root.tag not in ("svg", f"{{{SVG}}}svg"):
            return LEFT_OUT
        clean = _clean(root)
        clean.set("xmlns", SVG)
        clean.set("xmlns:xlink", XLINK[1:-5])
        return ET.tostring(clean, encoding="unicode")
    except (ET.ParseError, RecursionError, ValueError):
        return LEFT_OUT


def _clean(element: ET.Element) -> ET.Element:
    """Return an element with what is allowed of its attributes and children."""
    clean = ET.Element(element.tag.removeprefix(f"{{{SVG}}}"))
    clean.text = element.text
    for name, value in element.attrib.items():
        if name in (XLINK, "href"):
            if LINK.fullmatch(value):
                clean.set("xlink:href", value)
        elif name == "style":
            clean.set("style", _clean_style(value))
        elif name in ATTRIBUTES | PROPERTIES and not UNSAFE_VALUE.search(value):
            clean.set(name, value)
    for child in element:
        if child.tag.removeprefix(f"{{{SVG}}}") not in ELEMENTS:
            continue
        if child.tag.endswith("style") and (child.text or "").strip() != STYLE_SHEET:
            continue
        inner = _clean(child)
        inner.tail = child.tail
        clean.append(inner)
    return clean


def _clean_style(style: str) -> str:
    """Return the declarations of a style that only change how something is drawn."""
    parts = [part.partition(":") for part in style.split(";")]
    return "; ".join(
        f"{name.strip()}: {value.strip()}"
        for name, _, value in parts
        if name.strip() in PROPERTIES and not UNSAFE_VALUE.search(value)
    )
