"""From words to values: flags and help grow from dataclasses and their docstrings.

Each field of a dataclass is a flag, or a positional argument where its metadata say so;
the docstring below it is its help. tyro does the parsing.
"""

import contextlib
import inspect
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, field, fields, make_dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from vicinal.core.settings import field_docstrings

METAVARS = {int: "N", float: "X", str: "TEXT"}


def parse(
    groups: Mapping[str, type], words: Sequence[str], prog: str, description: str
) -> dict[str, Any]:
    """Parse words into one instance of each dataclass; its key names its help group.

    Raises SettingError for a value out of its range, SystemExit after printing help or
    the parser's own message.
    """
    parts = [(name, OmitArgPrefixes[_flags_of(kind)]) for name, kind in groups.items()]
    parser = make_dataclass("parser", parts)
    message = io.StringIO()
    try:
        with contextlib.redirect_stderr(message):
            parsed: Any = tyro.cli(
                parser,
                prog=prog,
                description=description,
                args=["--help"] if wants_help(words) else list(words),
                config=(FlagCreatePairsOff,),
            )
    except SystemExit:
        sys.stderr.write(message.getvalue())
        raise
    return {name: kind(**vars(getattr(parsed, name))) for name, kind in groups.items()}


def value_flags(kinds: Sequence[type]) -> dict[str, int]:
    """Return the flags of dataclasses that take a value, and how many words of it."""
    return {
        name: _num_words(hint)
        for kind in kinds
        for each in fields(kind)
        if (hint := get_type_hints(kind)[each.name]) is not bool
        for name in _names_of_flag(each)
    }


def _names_of_flag(each: Field[Any]) -> list[str]:
    """Return how a flag is written."""
    short = each.metadata.get("short")
    return [f"--{each.name.replace('_', '-')}", *([short] if short else [])]


def _num_words(hint: Any) -> int:
    """Return how many words a value has: those of a tuple of fixed length, else 1."""
    tuples = (get_args(k) for k in (hint, *get_args(hint)) if get_origin(k) is tuple)
    return next((len(types) for types in tuples if Ellipsis not in types), 1)


def positional_words(words: Sequence[str], with_value: Mapping[str, int]) -> list[str]:
    """Return the words that are neither flags nor the values of flags."""
    found, skip = [], 0
    for word in words:
        if skip:
            skip -= 1
        elif word.startswith("-") and len(word) > 1:
            skip = with_value.get(word, 0)
        else:
            found.append(word)
    return found


def wants_help(words: Sequence[str]) -> bool:
    """Return whether help is asked for."""
    return not {"-h", "--help"}.isdisjoint(words)


def explicit_flags(words: Sequence[str]) -> frozenset[str]:
    """Return the names of the flags that were typed, as fields are called."""
    flags = (word[2:].split("=")[0] for word in words if word.startswith("--"))
    return frozenset(flag.removeprefix("no-").replace("-", "_") for flag in flags)


@cache
def _flags_of(kind: type) -> type:
    """Return a copy of a dataclass whose annotations say what tyro shows."""
    hints, documented = get_type_hints(kind), field_docstrings(kind)
    required, optional = [], []
    for each in fields(kind):
        hint = hints[each.name]
        text = documented.get(each.name, "")
        if hint is bool and each.default is True:
            text = f"turn this off: {text}"
        unset = (
            each.default is None or hint is bool
        )  # the docstring says what that means
        hint_text = "" if unset else None
        short = each.metadata.get("short")
        shown = arg(
            help=text,
            metavar=_metavar(each, hint),
            help_behavior_hint=hint_text,
            aliases=[short] if short else None,
        )
        if each.metadata.get("positional"):
            annotation: Any = Annotated[Positional[hint], shown]
        else:
            annotation = Annotated[hint, shown]
        if each.default is not MISSING:
            optional.append((each.name, annotation, field(default=each.default)))
        elif each.default_factory is not MISSING:
            factory = each.default_factory
            optional.append((each.name, annotation, field(default_factory=factory)))
        else:
            required.append((each.name, annotation))
    copy = make_dataclass(kind.__name__, [*required, *optional], kw_only=True)
    copy.__doc__ = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
    return copy


def _metavar(each: Field[Any], hint: Any) -> str | None:
    """Return what a value is called in help; None: as tyro calls it."""
    if "metavar" in each.metadata:
        return each.metadata["metavar"]
    if hint is bool:
        return None
    kinds = [k for k in (get_args(hint) or (hint,)) if k is not type(None)]
    if get_origin(hint) is Literal:
        return "|".join(map(str, get_args(hint)))
    if each.name.endswith("_column"):
        return "COLUMN"
    if get_origin(kinds[0]) is Literal:
        return "|".join(map(str, get_args(kinds[0])))
    if kinds[0] == tuple[float, float]:
        return "LOW HIGH"
    if get_origin(kinds[0]) is tuple:
        return f"{METAVARS.get(get_args(kinds[0])[0], 'VALUE')} ..."
    return METAVARS.get(kinds[0])
