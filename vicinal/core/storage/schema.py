"""Schemas of JSON: the type, range and length of each value, declared in one place.

>>> EPOCHS = Object({"epochs": Integer(1, 1000), "unit": Text()})
>>> EPOCHS.check({"epochs": 0, "unit": "s"})
SchemaError: epochs must be a whole number from 1 to 1,000. Got 0 instead
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, Literal, Protocol, Union, get_args, get_origin, get_type_hints

LARGEST = 1.7e308
"""bound of a finite float64"""

MAX_DEPTH = 40
"""levels of nested lists and objects"""

MAX_SHOWN = 60
"""characters of a wrong value that a message shows"""


class SchemaError(ValueError):
    """A value that its schema does not allow."""

    def __init__(self, expected: str, value: Any, place: str = "") -> None:
        super().__init__(expected, value, place)
        self.expected, self.value, self.place = expected, value, place

    def inside(self, place: str) -> "SchemaError":
        """Return the same error of a value inside a list or an object."""
        path = f"{place}.{self.place}" if self.place else place
        return SchemaError(self.expected, self.value, path)

    def __str__(self) -> str:
        if isinstance(self.value, (dict, list)):
            got = f"{type(self.value).__name__} of {len(self.value):,}"
        else:
            got = repr(self.value)[:MAX_SHOWN]
        name = self.place or "the file"
        return f"{name} must be {self.expected}. Got {got} instead"


class Schema(Protocol):
    """What a value may be."""

    def check(self, value: Any) -> None:
        """Raise SchemaError for a value that is not allowed."""
        ...


@dataclass(frozen=True)
class Anything:
    """Any value that JSON can hold: finite numbers, nested MAX_DEPTH deep at most."""

    def check(self, value: Any) -> None:
        level, depth = [value], 0
        while level:
            if depth > MAX_DEPTH:
                raise SchemaError(f"nested at most {MAX_DEPTH} deep", level[0])
            containers = []
            for each in level:
                if isinstance(each, (list, dict)):
                    containers.append(each)
                elif isinstance(each, float) and not -LARGEST <= each <= LARGEST:
                    raise SchemaError("finite numbers", each)
            level = [
                inner
                for each in containers
                for inner in (each.values() if isinstance(each, dict) else each)
            ]
            depth += 1


@dataclass(frozen=True)
class Number:
    """A finite number from `low` to `high`, and greater than `above`."""

    low: float = -LARGEST
    high: float = LARGEST
    above: float | None = None

    def check(self, value: Any) -> None:
        is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_real or not self.low <= value <= self.high:  # NaN is in no range
            raise SchemaError(self._expected(), value)
        if self.above is not None and value <= self.above:
            raise SchemaError(self._expected(), value)

    def _expected(self) -> str:
        if self.above is not None:
            return f"a number above {self.above:g}" + (
                f", at most {self.high:g}" if self.high < LARGEST else ""
            )
        if self.low == -LARGEST and self.high == LARGEST:
            return "a finite number"
        if self.high == LARGEST:
            return f"a number, {self.low:g} or more"
        return f"a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Integer:
    """A whole number from `low` to `high`."""

    low: int = 0
    high: int = 2**53

    def check(self, value: Any) -> None:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not self.low <= value <= self.high:
            expected = f"a whole number from {self.low:,} to {self.high:,}"
            raise SchemaError(expected, value)


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def check(self, value: Any) -> None:
        if not isinstance(value, bool):
            raise SchemaError("true or false", value)


@dataclass(frozen=True)
class Text:
    """A text, one of `choices` if there are any."""

    choices: tuple[str, ...] = ()

    def check(self, value: Any) -> None:
        if not isinstance(value, str):
            raise SchemaError("a text", value)
        if self.choices and value not in self.choices:
            raise SchemaError(f"one of {', '.join(self.choices)}", value)


@dataclass(frozen=True)
class Pattern:
    """A text that a regular expression matches; `expected` describes it."""

    regex: str
    expected: str

    def check(self, value: Any) -> None:
        if not isinstance(value, str) or re.fullmatch(self.regex, value) is None:
            raise SchemaError(self.expected, value)


@dataclass(frozen=True)
class Scalar:
    """Null, a truth value, a text or a finite number."""

    def check(self, value: Any) -> None:
        if isinstance(value, (dict, list)):
            raise SchemaError("a text or a number", value)
        Anything().check(value)


@dataclass(frozen=True)
class Nullable:
    """Null, or what another schema allows."""

    schema: Schema

    def check(self, value: Any) -> None:
        if value is not None:
            self.schema.check(value)


@dataclass(frozen=True)
class ListOf:
    """A list of `low` to `high` items, all different if `unique`."""

    item: Schema
    low: int = 0
    high: int = 2**53
    unique: bool = False

    def check(self, value: Any) -> None:
        if not isinstance(value, (list, tuple)):
            raise SchemaError("a list", value)
        if not self.low <= len(value) <= self.high:
            raise SchemaError(_length(self.low, self.high), value)
        index = 0
        try:
            for index, each in enumerate(value):  # noqa: B007 - for the message
                self.item.check(each)
        except SchemaError as error:
            raise error.inside(str(index)) from None
        if self.unique and len(set(value)) < len(value):
            raise SchemaError("a list without duplicates", value)


@dataclass(frozen=True)
class MapOf:
    """An object with any keys, whose values are all of one schema."""

    value: Schema

    def check(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise SchemaError("an object, {...}", value)
        for key, each in value.items():
            _check_inside(self.value, each, key)


@dataclass(frozen=True)
class Object:
    """An object with required and optional keys."""

    required: Mapping[str, Schema] = field(default_factory=dict)
    optional: Mapping[str, Schema] = field(default_factory=dict)
    more: bool = False
    """whether other keys, of any value, are allowed"""

    def check(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise SchemaError("an object, {...}", value)
        for key, schema in self.required.items():
            if key not in value:
                raise SchemaError(f"an object with the key {key!r}", value)
            _check_inside(schema, value[key], key)
        for key in value.keys() - self.required.keys():
            if key not in self.optional and not self.more:
                expected = f"an object without the key {key[:MAX_SHOWN]!r}"
                raise SchemaError(expected, value)
            _check_inside(self.optional.get(key, Anything()), value[key], key)


@dataclass(frozen=True)
class OneOf:
    """One of several objects, which the text under a key tells apart."""

    key: str
    schemas: Mapping[str, Object]

    def check(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise SchemaError("an object, {...}", value)
        kind: Any = value.get(self.key)
        Text(tuple(self.schemas)).check(kind)
        rest = {key: each for key, each in value.items() if key != self.key}
        self.schemas[kind].check(rest)


def schema_of_dataclass(kind: type) -> Object:
    """Return the schema of the fields of a dataclass as JSON; none is required."""
    hints = get_type_hints(kind)
    return Object({}, {f.name: schema_of_type(hints[f.name]) for f in fields(kind)})


def schema_of_type(hint: Any) -> Schema:
    """Return the schema of a type of a dataclass field; Anything for other types."""
    if get_origin(hint) is Literal:
        return Text(tuple(map(str, get_args(hint))))
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not NoneType]
        inner = schema_of_type(parts[0]) if len(parts) == 1 else Anything()
        return Nullable(inner) if NoneType in get_args(hint) else inner
    if get_origin(hint) in (list, tuple, Sequence):
        items = get_args(hint)
        item, count = schema_of_type(items[0]), len(items)
        fixed = get_origin(hint) is tuple and items[-1] is not Ellipsis
        return ListOf(item, count, count) if fixed else ListOf(item)
    simple = {str: Text(), bool: Flag(), int: Integer(-(2**53)), float: Number()}
    return simple.get(hint, Anything())


def _check_inside(schema: Schema, value: Any, key: str) -> None:
    try:
        schema.check(value)
    except SchemaError as error:
        raise error.inside(key[:MAX_SHOWN]) from None


def _length(low: int, high: int) -> str:
    if low == high:
        return f"a list of length {low:,}"
    return (
        f"a list of length {low:,} or more"
        if high >= 2**53
        else (f"a list of length {low:,} to {high:,}")
    )
