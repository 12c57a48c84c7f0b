"""Labels with an index, of pandas or a dict: aligned with the names of the examples."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from vicinal.core.data.csv_tables import restore_integers
from vicinal.core.text import pluralize
from vicinal.errors import DataError, suggest_names


def is_indexed(y: Any) -> bool:
    """Return True for labels by name: a dict, or a Series or DataFrame of pandas."""
    return isinstance(y, Mapping) or is_pandas(y)


def is_pandas(y: Any) -> bool:
    """Return True for a Series or DataFrame."""
    return hasattr(y, "to_numpy") and hasattr(y, "index") and hasattr(y, "iloc")


def align_labels(
    names: list[str],
    y: Any,
    unit: str,
    rows: Any = None,
    dropped: Collection[Any] = (),
) -> tuple[list[Any], list[str]]:
    """Return labels [N] in the order of the examples, None where there is none; notes.

    names: [N], of the examples. y: a dict or Series by name, or a Series whose index is
    0 to N - 1, or holds labels of the rows that the examples were read from. unit:
    singular noun, for messages. rows: [N] labels of those rows; None: there are none.
    dropped: labels of further rows, which are no examples.

    Raises DataError for an index that fits neither, repeats, or fits both differently.
    """
    if isinstance(y, Mapping):
        given = dict(zip(_as_texts(y), y.values(), strict=True))
        _check_known(given, names, unit)
        return [given.get(name) for name in names], []
    series = _one_column(y)
    labels, index = series.tolist(), series.index.tolist()
    by_name = _by_key(names, _as_texts(index), labels)
    positions = list(range(len(names))) if rows is None else rows.tolist()
    complete = rows is not None or len(labels) == len(names)
    by_row = _by_key(positions, index, labels, dropped) if complete else None
    if by_name is None and by_row is None:
        raise _cannot_align(names, _as_texts(index), unit)
    if by_name is None or by_row is None:
        return by_row or by_name or [], []
    if _differ(by_name, by_row):
        if rows is not None:
            raise DataError(
                f"The index of y fits the names of the {unit}s and the rows of the "
                "table, in different orders. Pass a dict of labels by name, or "
                "y.to_numpy() for labels in the order of the rows."
            )
        return by_name, [
            f"the index of y is read as the names of the {unit}s, which are in another "
            "order; pass y.to_numpy() for labels in their order"
        ]
    return by_name, []


def _by_key(
    keys: list[Any], index: list[Any], labels: list[Any], others: Collection[Any] = ()
) -> list[Any] | None:
    """Return the label of each key; None if the index repeats, or is of other keys."""
    try:
        given = dict(zip(index, labels, strict=True))
        fits = len(given) == len(index) and given.keys() <= {*keys, *others}
    except TypeError:  # labels of rows that have no hash
        return None
    return [given.get(key) for key in keys] if fits else None


def _differ(first: list[Any], second: list[Any]) -> bool:
    return any(a is not b and a != b for a, b in zip(first, second, strict=True))


def _as_texts(index: Iterable[Any]) -> list[str]:
    return [str(key) for key in restore_integers(index)]


def _one_column(y: Any) -> Any:
    if not hasattr(y, "columns"):
        return y
    if y.shape[1] != 1:
        names = ", ".join(map(str, y.columns))
        raise DataError(
            f"y must have one column, of labels. Got {names}. Pass that column, with "
            "the names as its index, such as y.set_index('id')['label']."
        )
    return y.iloc[:, 0]


def _check_known(given: Mapping[str, Any], names: list[str], unit: str) -> None:
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise DataError(
            f"y has a label for {unknown[0]!r}, but there is no such {unit}. "
            f"{suggest_names(unknown[0], names, 10)}"
        )


def _cannot_align(names: list[str], index: list[str], unit: str) -> DataError:
    repeated = len(set(index)) < len(index)
    unknown = next((key for key in index if key not in set(names)), None)
    got = f"{unknown!r}, which is none of them"
    if unknown is None or repeated:
        got = "an index that repeats" if repeated else "another index"
    return DataError(
        f"The index of y must hold the names of the {unit}s, or 0 to {len(names) - 1}. "
        f"Got {pluralize(len(index), 'label')} with {got}. Set the index to the names, "
        f"or pass y.to_numpy() if the labels are in the order of the {unit}s."
    )
