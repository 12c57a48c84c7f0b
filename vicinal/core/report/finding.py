"""A result of `explain` or `inspect`: printed, as JSON, and drawn on request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vicinal.core.report.plots import save_figure
from vicinal.core.storage.files import check_writable, write_text
from vicinal.errors import SettingError

PAGE = ".html"
PLOTS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Finding:
    """Text, JSON and plots of one result."""

    text: Sequence[str]
    """lines for the console"""

    data: dict[str, Any]
    """the same as JSON"""

    draw: Callable[[], Any] | None = None
    """make a matplotlib figure; None: there is no plot"""

    html: Callable[[], str] | None = None
    """make a page; None: there is none"""

    svg: Callable[[], str] | None = None
    """make a drawing as SVG; None: it is the plot"""

    png: Callable[[], bytes] | None = None
    """make a drawing as PNG; None: it is the plot"""

    plot_name: str = ""
    """file name of the plot that is written without --output; "": none is"""

    writers: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)
    """what writes other files, by their suffix"""

    def save_plot(self, path: Path) -> None:
        """Write a plot, a page or another file; SettingError where there is none."""
        if path.suffix.lower() in self.writers:
            self.writers[path.suffix.lower()](path)
        elif path.suffix.lower() == PAGE and self.html is not None:
            write_text(path, self.html())
        elif path.suffix.lower() == ".svg" and self.svg is not None:
            write_text(path, self.svg())
        elif path.suffix.lower() == ".png" and self.png is not None:
            path.write_bytes(self.png())
        elif path.suffix.lower() in PLOTS and self.draw is not None:
            save_figure(self.draw(), path)
        else:
            raise SettingError(f"There is no plot of this kind for {path}.")


def check_plot_path(output: str, suffixes: Sequence[str]) -> Path:
    """Return the path of a plot, before any work.

    Raises SettingError for another suffix, RunError where it cannot be written.
    """
    path = Path(output)
    if path.suffix.lower() not in suffixes:
        raise SettingError(
            f"--output must end in {', '.join(suffixes)}. Got {output!r} instead."
        )
    check_writable(path)
    return path
