"""The settings of a resumed run: those that it began with, on any device."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vicinal.core.storage.files import write_json
from vicinal.core.storage.resuming import (
    check_same_data,
    restore_options,
    settings_to_resume,
)
from vicinal.core.storage.run_folder import SETTINGS, Run
from vicinal.errors import ResumeError, RunError, SettingError

BEGAN: dict[str, Any] = {
    "domain": "images",
    "data": "/data",
    "options": {"target": None},
    "parameters": {"random_state": 0, "device": "cpu", "hidden": 8},
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return the directory of a run that began with these settings."""
    with Run.create(tmp_path / "run") as run:
        run.write(SETTINGS, BEGAN)
    return run.folder


def asked(**changed: Any) -> dict[str, Any]:
    return BEGAN | {"parameters": BEGAN["parameters"] | changed}


def test_a_run_is_resumed_on_another_device(folder):
    now = asked(device="cuda")
    found = settings_to_resume(folder, now, frozenset({"device"}), frozenset(), False)
    assert found == now
    found = settings_to_resume(folder, now, frozenset(), frozenset(), False)
    assert found == BEGAN  # the default of a flag that was not typed changes nothing


def test_another_value_of_a_fixed_setting_is_refused_beside_another_device(folder):
    now, typed = asked(device="cuda", hidden=16), frozenset({"device", "hidden"})
    with pytest.raises(SettingError, match=r"now: hidden \(was 8, now 16\)\. Leave"):
        settings_to_resume(folder, now, typed, frozenset(), False)


def test_settings_of_another_version_are_one_message(folder):
    began = BEGAN | {"parameters": BEGAN["parameters"] | {"removed": 1}}
    write_json(folder / SETTINGS, began)
    with pytest.raises(RunError, match=r"settings\.json is damaged.*'removed'"):
        settings_to_resume(folder, asked(), frozenset(), frozenset(), False)


def test_options_of_another_type_are_one_message():
    @dataclass
    class Options:
        target: str | None = None
        directed: bool = False

    assert restore_options(Options, {"target": "y"}) == Options("y")
    for wrong in ({"target": 3}, {"directed": "no"}, {"other": 1}):
        with pytest.raises(RunError, match=r"settings\.json is damaged"):
            restore_options(Options, wrong)


def test_a_damaged_fingerprint_does_not_ask_to_resume_again(folder):
    with Run.resume(folder) as run:
        check_same_data(run, "abc")
        check_same_data(run, "abc")
        run.path("data/fingerprint.json").write_text("[")
        with pytest.raises(ResumeError, match=r"fingerprint\.json is damaged"):
            check_same_data(run, "abc")
