"""The exceptions and warnings of vicinal.

::

    VicinalError                  the message says what was expected, got, and to do
    |-- DataError (ValueError)    the data cannot be used
    |   |-- NoDataError           no data, or none left after quarantine
    |   |-- ImageError            one image cannot be read (the audit quarantines it)
    |   `-- ClassError            class names that the model does not have
    |-- SettingError (ValueError) a setting outside its range, or an unknown name
    |-- NotFittedError            a method that needs a fitted model
    |-- Interruption              interrupted by the user; says how to resume
    |-- TrainingError             training failed (a loss that is not finite)
    |-- RunError (OSError)        a run directory cannot be created, written or resumed
    |   |-- ResumeError           other data or settings than those of the run
    |   |-- LostProcessError      a process of a distributed training ended
    |   `-- ModelFileError        a model file is missing, damaged or of another type
    `-- MissingExtraError (ImportError)  an optional library is not installed

QuarantineWarning (UserWarning): some of the data were quarantined. IgnoredDataWarning:
a part of a graph object is not used. CacheWarning: a cache cannot be written, so the
next run computes it again. IntensityWarning: images have values outside the range that
a model was trained with.

The command line prints the message of an error and exits with code 2; any other
exception is a bug and shows its traceback.
"""

import difflib
from collections.abc import Iterable


class VicinalError(Exception):
    """Base class of the errors of vicinal."""


class DataError(VicinalError, ValueError):
    """The data cannot be used."""


class NoDataError(DataError):
    """There are no data to train on."""


class ImageError(DataError):
    """One image cannot be read; the message is the reason in quarantine.csv."""


class ClassError(DataError):
    """Class names that the model does not have."""


class SettingError(VicinalError, ValueError):
    """A setting is outside its range, or an unknown name."""


class NotFittedError(VicinalError):
    """The estimator has not been fitted yet."""


class Interruption(VicinalError):
    """Interrupted by the user; the message says how to resume."""


class TrainingError(VicinalError):
    """Training failed, for example because the loss is not finite."""


class RunError(VicinalError, OSError):
    """A run directory cannot be created, written or resumed."""


class ResumeError(RunError):
    """A run cannot be resumed with other data or settings."""


class LostProcessError(RunError):
    """A process of a distributed training ended."""


class ModelFileError(RunError):
    """A model file is missing, damaged or of another type."""


class MissingExtraError(VicinalError, ImportError):
    """An optional library is not installed."""


class QuarantineWarning(UserWarning):
    """Some of the data cannot be used and were quarantined."""


class IgnoredDataWarning(UserWarning):
    """A part of a graph object, such as edge features, is not used."""


class NoteWarning(UserWarning):
    """Base of the warnings that the command line prints as notes."""


class CacheWarning(NoteWarning):
    """A cache cannot be written; the next run computes it again."""


class IntensityWarning(NoteWarning):
    """Images have values outside the intensity range that a model was trained with."""


MAX_NAMES = 100
"""names that a message lists"""


def suggest_names(name: str, known: Iterable[str], limit: int = MAX_NAMES) -> str:
    """Return a hint with similar names, and a list of the known ones."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    rest = f" and {len(known) - limit:,} more" if len(known) > limit else ""
    return f"{hint}Known: {', '.join(known[:limit])}{rest}."
