"""`vicinal demo`: see it work on data that need no download."""

from vicinal.core.domain import Outcome, import_object
from vicinal.core.report.console import Console
from vicinal.domains import DOMAINS
from vicinal.errors import SettingError, suggest_names


def demo(name: str, seeds: int, console: Console) -> Outcome:
    """Run the demonstration of a domain; SettingError for seeds below 1."""
    if seeds < 1:
        raise SettingError(f"seeds must be 1 or more. Got {seeds} instead.")
    demos = {d.demo_name or d.name: d.demo for d in DOMAINS if d.demo is not None}
    if name not in demos:
        hint = suggest_names(name, demos)
        raise SettingError(f"There is no demonstration of {name!r}. {hint}")
    return import_object(demos[name])(console, seeds=seeds)
