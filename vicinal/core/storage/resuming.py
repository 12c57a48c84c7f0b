"""The settings of a resumed run: those it began with, and the few that may change."""

from pathlib import Path
from typing import Any, TypeVar

from vicinal.core.storage.run_folder import (
    RESTORE,
    SETTINGS,
    Run,
    is_run,
    read,
    read_settings,
)
from vicinal.core.storage.schema import (
    Object,
    SchemaError,
    Text,
    schema_of_dataclass,
)
from vicinal.errors import ResumeError, RunError, SettingError

Options = TypeVar("Options")

FINGERPRINT = "data/fingerprint.json"
"""of the data and the settings that a run began with"""


def check_same_data(run: Run, fingerprint: str) -> None:
    """Write the fingerprint of a new run; ResumeError if a resumed run has another.

    To be called before anything of the run is replaced.
    """
    path, found = run.path(FINGERPRINT), {"fingerprint": fingerprint}
    if path.exists() and _read_fingerprint(run) != found:
        raise ResumeError(
            f"The run in {run.folder} began with other data or settings. Restore them, "
            "or start a new run."
        )
    run.write(FINGERPRINT, found)


def _read_fingerprint(run: Run) -> dict[str, str]:
    try:
        return read(run.folder, FINGERPRINT, Object({"fingerprint": Text()}))
    except RunError as error:  # resuming again would not help
        raise ResumeError(str(error)) from error


def settings_to_resume(
    folder: Path,
    asked: dict[str, Any],
    explicit: frozenset[str],
    free: frozenset[str],
    data_may_move: bool,
) -> dict[str, Any]:
    """Return the settings.json of a run, with the free settings that were typed now.

    asked: what settings.json would hold for what was typed. explicit: names of the
    flags that were typed. free: settings that may change. Raises RunError for other
    data, SettingError for a setting that may not change.
    """
    if not is_run(folder):  # killed before it had written anything
        return asked
    began = read_settings(folder)
    if began["domain"] != asked["domain"]:
        raise SettingError(
            f"The run in {folder} is of the domain {began['domain']}, not "
            f"{asked['domain']}. Leave --domain out, or start a new run."
        )
    if began["data"] != asked["data"] and not data_may_move:
        raise RunError(
            f"The run in {folder} began with {began['data']}, not {asked['data']}. "
            "Give the same data, or start a new run without --resume."
        )
    for part in ("options", "parameters"):
        unknown = began[part].keys() - asked[part].keys()
        if unknown:
            raise RunError(
                f"{folder / SETTINGS} is damaged: there is no setting "
                f"{min(unknown)!r}. {RESTORE}"
            )
    before = began["options"] | began["parameters"]
    now = asked["options"] | asked["parameters"]
    typed = {"random_state" if name == "seed" else name for name in explicit} & {*now}
    free = free | {"device"}
    changed = [
        f"{name} (was {before.get(name)!r}, now {now[name]!r})"
        for name in sorted(typed - free)
        if _as_json(now[name]) != before.get(name)
    ]
    if changed:
        raise SettingError(
            "A run is resumed with the settings it began with. Different now: "
            f"{', '.join(changed)}. Leave them out, or start a new run."
        )
    parameters = began["parameters"] | {name: now[name] for name in typed & free}
    return began | {"data": asked["data"], "parameters": parameters}


def restore_options(kind: type[Options], values: dict[str, Any]) -> Options:
    """Return the options for reading that settings.json holds.

    RunError for a value of another type.
    """
    try:
        schema_of_dataclass(kind).check(values)
    except SchemaError as error:
        raise RunError(f"{SETTINGS} is damaged: {error}. {RESTORE}") from error
    return kind(**values)


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
