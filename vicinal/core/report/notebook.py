"""HTML representations for notebooks: a paragraph, a table, a figure."""

import base64
import io
from collections.abc import Mapping
from typing import Any

from vicinal.core.report.figure_text import drawable_texts
from vicinal.core.report.report import template_macros


def html_paragraph(text: str) -> str:
    """Return text as an escaped HTML paragraph."""
    return _macros().paragraph(text)


def html_table(title: str, values: Mapping[str, Any]) -> str:
    """Return a title and a table of names and values, escaped."""
    return _macros().table(title, {name: str(v) for name, v in values.items()}).strip()


def html_figure(figure: Any, alt: str) -> str:
    """Return a matplotlib figure as an inline PNG."""
    out = io.BytesIO()
    with drawable_texts(figure, spell=True):
        figure.savefig(out, format="png", dpi=110)
    return _macros().figure(base64.b64encode(out.getvalue()).decode(), alt)


def _macros() -> Any:
    return template_macros("notebook.html.j2")
