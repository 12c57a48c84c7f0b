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

NAMED = ATTRIBUTES | PROPERTIES
REFERENCED = frozenset("path clipPath pattern linearGradient radialGradient".split())
"""elements that keep their id: nothing can use a group, which might hold other uses"""

DEFINITIONS = frozenset("clipPath pattern".split())
"""elements whose content refers to no other definition: each would be drawn again"""

TEXT_ONLY = frozenset("style title".split())
IMAGE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]+")
REFERENCE = re.compile(r"#[\w.-]+")
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
        paths = {f"#{each.get('id')}" for each in root.iter() if _tag(each) == "path"}
        clean = _clean(root, paths)
        clean.set("xmlns", SVG)
        clean.set("xmlns:xlink", XLINK[1:-5])
        return ET.tostring(clean, encoding="unicode")
    except (ET.ParseError, RecursionError, ValueError):
        return LEFT_OUT


def _tag(element: ET.Element) -> str:
    return element.tag.removeprefix(f"{{{SVG}}}")


def _clean(
    element: ET.Element, paths: set[str], in_definition: bool = False
) -> ET.Element:
    """Return an element with what is allowed of its attributes and children.

    paths: references to the paths of the figure, the only ones that can be used.
    """
    tag = _tag(element)
    clean = ET.Element(tag)
    clean.text = element.text
    for name, value in element.attrib.items():
        if in_definition and "url(" in value.lower():
            continue
        if name in (XLINK, "href"):
            if _is_link(tag, value, paths):
                clean.set("xlink:href", value)
        elif name == "style":
            clean.set("style", _clean_style(value))
        elif name == "id" and tag not in REFERENCED:
            continue
        elif name in NAMED and not UNSAFE_VALUE.search(value):
            clean.set(name, value)
    in_definition = in_definition or tag in DEFINITIONS
    for child in element if tag not in TEXT_ONLY else ():
        if _is_kept(child):
            inner = _clean(child, paths, in_definition)
            inner.tail = child.tail
            clean.append(inner)
    return clean


def _is_link(tag: str, value: str, paths: set[str]) -> bool:
    """Return whether an element may refer to this: an image to its data alone."""
    if tag == "image":
        return IMAGE.fullmatch(value) is not None
    if tag == "use":
        return value in paths
    return REFERENCE.fullmatch(value) is not None


def _is_kept(element: ET.Element) -> bool:
    """Return whether an element draws, or is the style sheet of matplotlib."""
    tag, text = _tag(element), (element.text or "").strip()
    return tag in ELEMENTS and (tag != "style" or text == STYLE_SHEET)


def _clean_style(style: str) -> str:
    """Return the declarations of a style that only change how something is drawn."""
    parts = [part.partition(":") for part in style.split(";")]
    return "; ".join(
        f"{name.strip()}: {value.strip()}"
        for name, _, value in parts
        if name.strip() in PROPERTIES and not UNSAFE_VALUE.search(value)
    )
