"""What values show of themselves in a notebook: a sentence, a table, a drawing."""

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import Any


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def facts(title: str, told: Mapping[str, Any]) -> str:
    """A title, and a table of what is known by name."""
    style = 'style="text-align: left; vertical-align: top"'
    rows = "".join(
        f"<tr><th {style}>{escape(name)}</th><td {style}>{escape(str(value))}</td></tr>"
        for name, value in told.items()
    )
    return f"<p><b>{escape(title)}</b></p><table>{rows}</table>"


def drawing(figure: Any, alt: str) -> str:
    """A figure of matplotlib as a picture inside the page."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    data = base64.b64encode(out.getvalue()).decode()
    return (
        f'<img alt="{escape(alt)}" style="max-width: 100%" '
        f'src="data:image/png;base64,{data}">'
    )
