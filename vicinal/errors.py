"""Everything that vicinal raises on purpose.

::

    VicinalError                  one message: what was wanted, what was got, what to do
    |-- DataError (ValueError)    the data cannot be used as they stand
    |   |-- NoDataError           nothing to learn from, or nothing left after the audit
    |   |-- PictureError          one picture cannot be read (the audit quarantines it)
    |   `-- ClassError            class names that do not match what the model knows
    |-- SettingError (ValueError) a setting outside its range, or a name nobody knows
    |-- NotFittedError            a model is asked before it has learned
    |-- Interruption              the user stopped the work; says how to go on
    |-- TrainingError             training itself failed (a loss that is not a number)
    |-- RunError (OSError)        a run folder cannot be made, written or resumed
    |   |-- ResumeError           a run began with other data or settings than these
    |   |-- LostProcessError      one of several processes that train together ended
    |   `-- ModelFileError        a model file is missing, damaged or of another kind
    `-- MissingExtraError (ImportError)  an optional library is not installed

A QuarantineWarning (UserWarning) says that some of the data were set aside, a
CacheWarning that a cache cannot be written, which costs time only.

The command line prints the message of any of these and exits with code 2; anything
else is a bug and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class VicinalError(Exception):
    """Base of every error raised on purpose."""


class DataError(VicinalError, ValueError):
    """The data cannot be used as they stand."""


class NoDataError(DataError):
    """There is nothing to learn from."""


class ImageError(DataError):
    """One picture cannot be read; its message is the reason in quarantine.csv."""


class ClassError(DataError):
    """Class names that do not match what the model knows."""


class SettingError(VicinalError, ValueError):
    """A setting is outside its range, or names something unknown."""


class NotFittedError(VicinalError):
    """The estimator has not been fitted yet."""


class Interruption(VicinalError):
    """The user stopped the work; the message says how to go on."""


class TrainingError(VicinalError):
    """Training failed for a reason inside the arithmetic."""


class RunError(VicinalError, OSError):
    """A run folder cannot be made, written or resumed."""


class ResumeError(RunError):
    """A run began with other data or settings than it is to go on with."""


class LostProcessError(RunError):
    """One of several processes that train together ended."""


class ModelFileError(RunError):
    """A model file is missing, damaged or of another kind."""


class MissingExtraError(VicinalError, ImportError):
    """An optional library is needed and not installed."""


class QuarantineWarning(UserWarning):
    """Some of the data cannot be used and were set aside; the rest is used."""


class CacheWarning(UserWarning):
    """What was computed cannot be kept on disk; the next run computes it again."""


MOST_NAMES = 100
"""names that a message lists"""


def near_names(name: str, known: Iterable[str], most: int = MOST_NAMES) -> str:
    """A sentence that lists so many of the known names, the nearest first."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    rest = f" and {len(known) - most:,} more" if len(known) > most else ""
    return f"{hint}Known: {', '.join(known[:most])}{rest}."
