"""Packages that only some domains need, which are installed as extras."""

from importlib import import_module
from types import ModuleType

from vicinal.errors import MissingExtraError

EXTRAS = {"rdkit": "chem"}
"""package -> the extra that installs it"""


def import_with_extras(module: str) -> ModuleType:
    """Import a module of vicinal; MissingExtraError where it needs a missing extra."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise MissingExtraError(
            f"This needs the package {package}. Install it: pip install "
            f"'vicinal[{EXTRAS[package]}]'."
        ) from error
