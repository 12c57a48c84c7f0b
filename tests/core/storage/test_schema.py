"""Schemas: each rejects what is out of its type, range or length, and says where."""

from dataclasses import dataclass
from typing import Literal

import pytest

from vicinal.core.storage import files
from vicinal.core.storage.files import read_json
from vicinal.core.storage.schema import (
    MAX_DEPTH,
    Anything,
    Flag,
    Integer,
    ListOf,
    MapOf,
    Nullable,
    Number,
    Object,
    OneOf,
    Pattern,
    Scalar,
    SchemaError,
    Text,
    schema_of_dataclass,
)

PERSON = Object({"name": Text(), "ages": ListOf(Integer(0, 150), 1, 2)}, {"ok": Flag()})
SHAPE = OneOf("kind", {"dot": Object(), "line": Object({"length": Number(above=0)})})


def nested(depth: int) -> list:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (Number(), -1.5),
        (Number(0, 1), 1),
        (Integer(1), 10**9),
        (Text(("a", "b")), "b"),
        (Pattern("all|[0-9]+", "all or a number"), "12"),
        (Nullable(Flag()), None),
        (ListOf(Text(), unique=True), ["a", "b"]),
        (MapOf(Scalar()), {"a": 1, "b": None, "c": "x"}),
        (PERSON, {"name": "x", "ages": [3], "ok": True}),
        (Object({"a": Flag()}, more=True), {"a": False, "b": [1, {}]}),
        (SHAPE, {"kind": "line", "length": 2}),
        (Anything(), nested(MAX_DEPTH)),
    ],
)
def test_what_a_schema_allows(schema, value):
    schema.check(value)


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (Number(), float("nan"), "a finite number"),
        (Pattern("all|[0-9]+", "all or a number"), "x1", "all or a number. Got 'x1'"),
        (Pattern("all|[0-9]+", "all or a number"), 1, "all or a number. Got 1"),
        (Number(), float("inf"), "a finite number"),
        (Number(), 10**400, "a finite number"),
        (Number(), True, "a finite number"),
        (Number(0, 1), 1.01, "a number from 0 to 1. Got 1.01"),
        (Number(above=0), 0, "a number above 0. Got 0"),
        (Integer(1, 9), 10, "a whole number from 1 to 9"),
        (Integer(), 1.0, "a whole number"),
        (Integer(), False, "a whole number"),
        (Text(), 3, "a text"),
        (Text(("a", "b")), "c", "one of a, b"),
        (Flag(), 1, "true or false"),
        (Nullable(Text()), 1, "a text"),
        (ListOf(Text()), "ab", "a list"),
        (ListOf(Text(), 2, 2), ["a"], "a list of length 2. Got list of 1"),
        (ListOf(Text(), unique=True), ["a", "a"], "without duplicates"),
        (MapOf(Text()), {"a": 1}, "a must be a text"),
        (Scalar(), [1], "a text or a number"),
        (PERSON, [], "an object"),
        (PERSON, {"name": "x"}, "with the key 'ages'"),
        (PERSON, {"name": "x", "ages": [1, 200]}, "ages.1 must be a whole number"),
        (PERSON, {"name": "x", "ages": [1], "no": 1}, "without the key 'no'"),
        (SHAPE, {"kind": "blob"}, "one of dot, line"),
        (SHAPE, {"kind": ["line"]}, "a text"),
        (SHAPE, {"kind": "line", "length": -1}, "length must be a number above 0"),
        (Anything(), nested(MAX_DEPTH + 1), "deep"),
        (Anything(), [{"a": float("inf")}], "finite"),
    ],
)
def test_what_a_schema_refuses(schema, value, message):
    with pytest.raises(SchemaError) as caught:
        schema.check(value)
    assert message in str(caught.value)


def test_the_schema_of_a_dataclass():
    @dataclass
    class Options:
        name: str | None
        order: Literal["up", "down"]
        sizes: tuple[int, ...] = ()
        limits: tuple[float, float] | None = None
        ratio: float = 0.5

    schema = schema_of_dataclass(Options)
    schema.check({"name": None, "order": "up", "sizes": [1, 2], "ratio": 1})
    schema.check({"limits": [0, 1.5]})
    schema.check({"limits": None, "sizes": []})
    for wrong in (
        {"name": 1}, {"order": "left"}, {"sizes": ["x"]}, {"other": 1},
        {"limits": [1]}, {"limits": [1, 2, 3]}, {"limits": ["a", "b"]},
    ):  # fmt: skip
        with pytest.raises(SchemaError):
            schema.check(wrong)


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "[Infinity]", "[1e999]", "[" * 100_000, '{"a": 1', "\ud800"],
)
def test_damaged_json_is_a_value_error(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(ValueError):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError, match="not a regular file"):
        read_json(tmp_path)


def test_json_above_the_limit_is_refused(tmp_path, monkeypatch):
    """32 MB of empty lists are a gigabyte of objects."""
    assert files.MAX_JSON_BYTES == 2**25
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 10)
    (tmp_path / "a.json").write_text("[1, 2, 3]")
    assert read_json(tmp_path / "a.json") == [1, 2, 3]
    (tmp_path / "a.json").write_text("[1, 2, 3, 4]")
    with pytest.raises(ValueError, match="larger than 10 bytes"):
        read_json(tmp_path / "a.json")
