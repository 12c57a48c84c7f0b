"""The settings of a resumed run: those that it began with, on any device."""

from pathlib import Path
from typing import Any

import pytest

from vicinal.core.storage.resuming import settings_to_resume
from vicinal.core.storage.run_folder import SETTINGS, Run
from vicinal.errors import SettingError

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
