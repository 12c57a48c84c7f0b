"""The run folder: everything one training left behind, never overwritten.

::

    settings.json env.json classes.json   data/{index,splits,quarantine}.csv
    model.safetensors model.json          checkpoints/last.safetensors
    metrics.csv metrics.json predictions.csv report.html report.txt
"""

import platform
import shlex
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from vicinal.core.storage.files import TEMPORARY, make_folder, read_json, write_json
from vicinal.errors import RunError

SETTINGS = "settings.json"
CHECKPOINT = "checkpoints/last.safetensors"
HALVES = (f".*.*{TEMPORARY}", ".tmp??????")
"""names of what a kill in mid-save leaves: our own halves, and those of safetensors"""

OWN_FOLDERS = ("", "data", "checkpoints")
"""folders of a run that files are written to"""


class Run:
    """One run folder, held by one process at a time.

    `with Run.create(path) as run:` makes a new folder (`name`, then `name-2`);
    `with Run.resume(path) as run:` goes on in one that is there. Both raise RunError
    when the folder cannot be written or another process works in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"Another process is at work in {folder}. Wait until it has ended, "
                "or choose another folder with --out."
            ) from None
        except OSError as error:
            raise RunError(_no_folder(folder, error)) from error

    @classmethod
    def create(cls, folder: str | Path) -> Self:
        folder = Path(folder)
        if folder.name in ("", ".."):
            raise RunError(
                f"{str(folder)!r} does not name a new folder. "
                "Give the run's folder a name with --out, such as runs/first."
            )
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            free = _first_free(folder)
        except OSError as error:
            raise RunError(_no_folder(folder, error)) from error
        return cls(free)

    @classmethod
    def resume(cls, folder: str | Path) -> Self:
        folder = Path(folder)
        if not folder.is_dir():
            raise RunError(
                f"There is no run to resume at {folder}. Leave --resume out to begin, "
                "or name the run's folder with --out."
            )
        # a run that was killed at once holds its lock, and half of a file at most
        visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if visible and not is_run(folder):
            raise RunError(
                f"{folder} is no run that could be resumed: it holds files, but no "
                f"{SETTINGS}. Name the run's folder with --out."
            )
        run = cls(folder)
        for place in OWN_FOLDERS:
            for pattern in HALVES:
                for half in (folder / place).glob(pattern):
                    half.unlink()
        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def path(self, name: str) -> Path:
        """Path of a file in the run; its folder is made if need be."""
        path = self.folder / name
        make_folder(path.parent)
        return path

    def write(self, name: str, value: Any) -> None:
        write_json(self.path(name), value)


def _no_folder(folder: Path, error: OSError) -> str:
    return (
        f"The run folder {folder} cannot be used: {error.strerror}. "
        "Choose a folder that you may write to with --out."
    )


def _first_free(folder: Path) -> Path:
    """Make `folder`, or the first of `folder-2`, `folder-3` ... that is not there."""
    candidate, number = folder, 1
    while True:
        try:
            candidate.mkdir()
            return candidate
        except FileExistsError:
            number += 1
            candidate = folder.with_name(f"{folder.name}-{number}")


def read(folder: Path, name: str) -> Any:
    """Read a JSON file of a run; RunError when it is not there or damaged."""
    path = Path(folder) / name
    try:
        return read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(
            f"{folder} holds no {name}, so it is not a finished run of vicinal. "
            + (how_to_resume(folder) or "Name the folder that `vicinal train` wrote.")
        ) from None
    except ValueError as error:
        raise RunError(
            f"{path} is damaged ({error}). Train again, or resume with --resume."
        ) from None


def is_run(folder: Path) -> bool:
    """Whether `vicinal train` made this folder."""
    return (folder / SETTINGS).is_file() and (folder / ".lock").exists()


def how_to_resume(folder: Path) -> str:
    """What to type to finish a run that was interrupted; nothing for other folders."""
    try:
        data = read_json(folder / SETTINGS)["data"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    words = ["vicinal", "train", str(data), "--out", str(folder), "--resume"]
    return f"Go on with:\n  {shlex.join(words)}"


PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "pillow", "safetensors")
EXTRAS = ("openvino", "timm")
"""told where they are installed"""


def environment() -> dict[str, Any]:
    """Versions and machine, for env.json: what a later reader needs to compare."""
    found = {name: _version(name) for name in EXTRAS}
    extras = {name: number for name, number in found.items() if number}
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
