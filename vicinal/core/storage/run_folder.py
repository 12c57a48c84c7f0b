"""A run directory: all files of one training run, never overwritten.

::

    settings.json env.json classes.json   data/{index,splits,quarantine}.csv
    model.safetensors model.json          checkpoints/last.safetensors
    metrics.csv metrics.json predictions.csv report.html report.txt
"""

import platform
import shlex
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from vicinal.core.storage.files import (
    TEMPORARY,
    check_regular,
    make_directory,
    read_json,
    refuse_links,
    write_json,
)
from vicinal.core.storage.schema import Nullable, Object, Schema, Text
from vicinal.errors import DataError, RunError

SETTINGS = "settings.json"
MODEL_JSON = "model.json"
CHECKPOINT = "checkpoints/last.safetensors"
PARTIAL_FILES = (f".*.*{TEMPORARY}", ".tmp??????")
"""temporary files that a kill may leave: our own, and those of safetensors"""

SETTINGS_SCHEMA = Object(
    {
        "domain": Text(),
        "data": Text(),
        "options": Object(
            {},
            {name: Nullable(Text()) for name in ("target", "label_corrections")},
            more=True,
        ),
        "parameters": Object({}, {"device": Text()}, more=True),
    },
    {"task": Text(), "estimator": Text()},
    more=True,
)

RESTORE = "Restore the file from a copy, or train again with another --out."
"""what to do about a damaged file of a run"""

SUBDIRECTORIES = ("", "data", "checkpoints")
"""directories of a run that files are written to"""


class Run:
    """A run directory, locked by one process at a time.

    `with Run.create(path) as run:` creates a new directory (`name`, then `name-2`);
    `with Run.resume(path) as run:` opens an existing one. Both raise RunError if it
    cannot be written or another process is using it. Nothing is written through
    symbolic links inside it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(refuse_links(folder, folder / ".lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"Another process is using {folder}. Wait until it has ended, or "
                "choose another directory with --out."
            ) from None
        except OSError as error:
            raise RunError(_describe_os_error(folder, error)) from error

    @property
    def checkpoint(self) -> Path:
        """Return the file that a killed run resumes from."""
        return self.path(CHECKPOINT)

    @classmethod
    def create(cls, folder: str | Path) -> Self:
        folder = Path(folder)
        if folder.name in ("", ".."):
            raise RunError(
                f"{str(folder)!r} is not the name of a new directory. Name one with "
                "--out, such as runs/first."
            )
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            free = _first_free(folder)
        except OSError as error:
            raise RunError(_describe_os_error(folder, error)) from error
        return cls(free)

    @classmethod
    def resume(cls, folder: str | Path) -> Self:
        folder = Path(folder)
        if not folder.is_dir():
            raise RunError(
                f"There is no run to resume at {folder}. Omit --resume to start a new "
                "run, or name the run directory with --out."
            )
        # a run that was killed early has only a lock and temporary files
        visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if visible and not is_run(folder):
            raise RunError(
                f"{folder} is not a run directory: it contains files, but no "
                f"{SETTINGS}. Name the run directory with --out."
            )
        run = cls(folder)
        for name in SUBDIRECTORIES:
            for path in (refuse_links(folder, folder / name)).glob("*"):
                refuse_links(folder, path)
            for pattern in PARTIAL_FILES:
                for path in (folder / name).glob(pattern):
                    path.unlink()
        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def path(self, name: str) -> Path:
        """Return the path of a file of the run; its directory is created."""
        path = refuse_links(self.folder, self.folder / name)
        make_directory(path.parent)
        return path

    def write(self, name: str, value: Any) -> None:
        """Write a JSON file of the run."""
        write_json(self.path(name), value)


def _describe_os_error(folder: Path, error: OSError) -> str:
    return (
        f"The run directory {folder} cannot be used: {error.strerror}. "
        "Choose a directory that you may write to with --out."
    )


def _first_free(folder: Path) -> Path:
    """Create `folder`, or the first of `folder-2`, `folder-3` ... that is free."""
    candidate, number = folder, 1
    while True:
        try:
            candidate.mkdir()
            return candidate
        except FileExistsError:
            number += 1
            candidate = folder.with_name(f"{folder.name}-{number}")


def read(folder: Path, name: str, schema: Schema | None = None) -> Any:
    """Read a JSON file of a run; RunError if it is missing or damaged."""
    path = Path(folder) / name
    try:
        return read_json(path, schema)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(
            f"{folder} has no {name}, so it is not a finished run of vicinal. "
            + (resume_hint(folder) or "Name a directory written by `vicinal train`.")
        ) from None
    except (ValueError, OSError) as error:
        raise RunError(f"{path} is damaged ({error}). {RESTORE}") from None


def read_settings(folder: Path) -> Any:
    """Read settings.json of a run, as `read`."""
    return read(folder, SETTINGS, SETTINGS_SCHEMA)


def read_table(folder: Path, name: str, columns: Sequence[str]) -> Any:
    """Return a table that a run wrote, as texts; RunError if it is missing or damaged.

    columns: those that it must have.
    """
    import pandas as pd

    path = folder / name
    try:
        check_regular(path)
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"{path} cannot be read: {reason}. {RESTORE}") from error
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise RunError(f"{path} lacks the column {missing[0]!r}. {RESTORE}")
    return frame


def is_run(folder: Path) -> bool:
    """Return True for a directory written by `vicinal train`."""
    return (folder / SETTINGS).is_file() and (folder / ".lock").exists()


def resume_hint(folder: Path) -> str:
    """Return the command that resumes a run; empty for other directories."""
    try:
        data = read_json(folder / SETTINGS, SETTINGS_SCHEMA)["data"]
    except (OSError, ValueError):
        return ""
    words = ["vicinal", "train", str(data), "--out", str(folder), "--resume"]
    return f"Resume with:\n  {shlex.join(words)}"


PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "pillow", "safetensors")
EXTRAS = ("openvino", "timm")
"""listed if they are installed"""


def environment() -> dict[str, Any]:
    """Return versions and platform, for env.json."""
    versions = {name: _version(name) for name in EXTRAS}
    extras = {name: number for name, number in versions.items() if number}
    return {
        "vicinal": _version("vicinal"),
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in PACKAGES} | extras,
        "system": f"{platform.system()} {platform.machine()}",
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def refuse_run_as_data(data: str) -> None:
    """Raise DataError where DATA is a run directory."""
    if is_run(Path(data)):
        raise DataError(
            f"{data} is a run directory that `vicinal train` wrote, not data. Use it "
            f"with `vicinal predict {data}`, `evaluate` or `report`; an interrupted "
            "run is resumed with --out and --resume."
        )
