"""Times of examples, and splits by time: the latest examples are tested."""

import numpy as np

from vicinal.core.data.labels import parse_number
from vicinal.core.data.splits import TEST, TRAIN, VAL


def parse_time(cell: object) -> float | None:
    """Return a number, or a date as a number that increases with time; None if neither.

    Dates as of pandas (2015-04-13): nanoseconds since 1970.
    """
    import pandas as pd

    value = parse_number(cell)
    if value is not None:
        return value
    date = pd.to_datetime(str(cell), errors="coerce")
    return None if date is pd.NaT else float(date.value)


def split_by_time(times: np.ndarray, val: float, test: float) -> np.ndarray:
    """Return the splits of times [N]: the latest are test, those before validation.

    Equal times are in the same split.
    """
    splits = np.full(len(times), TRAIN, dtype="U5")
    test_start = np.quantile(times, 1 - test) if test else np.inf
    splits[times > test_start] = TEST
    earlier = times[splits == TRAIN]
    if val and len(earlier):
        val_start = np.quantile(earlier, 1 - val / (1 - test))
        splits[(splits == TRAIN) & (times > val_start)] = VAL
    return splits
