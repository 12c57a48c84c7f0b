"""Run directories: never overwritten, locked by one process, clear about errors."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from vicinal.core.storage.run_folder import (
    CHECKPOINT,
    Run,
    environment,
    read,
    read_settings,
    read_table,
)
from vicinal.errors import RunError


def test_a_run_is_never_overwritten(tmp_path):
    for name in ("first", "first-2", "first-3"):
        with Run.create(tmp_path / "first") as run:
            assert run.folder == tmp_path / name
            run.write("settings.json", {"name": name})
    (tmp_path / "first-2" / "settings.json").unlink()
    (tmp_path / "v1.0").mkdir()  # empty, and still somebody's
    with Run.create(str(tmp_path / "v1.0")) as run:
        assert run.folder == tmp_path / "v1.0-2"
    assert read(tmp_path / "first", "settings.json") == {"name": "first"}
    assert read(tmp_path / "first-3", "settings.json") == {"name": "first-3"}


def test_parent_directories_are_created(tmp_path):
    with Run.create(tmp_path / "a" / "b" / "c") as run:
        assert run.folder.is_dir()
        run.write("data/deep/index.json", [1])
        assert run.path("data/x.csv").parent.is_dir()
        assert read(run.folder, "data/deep/index.json") == [1]


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_run_needs_a_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="is not the name of a new directory"):
        Run.create(name)


def test_a_run_that_cannot_be_created(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "run", tmp_path / "file" / "a" / "run"):
        with pytest.raises(RunError, match=r"cannot be used.*Choose a directory"):
            Run.create(path)
    with Run.create(tmp_path / "run") as run:
        run.write("data", {})
        with pytest.raises(RunError, match="cannot be written"):
            run.path("data/index.csv")


def test_a_run_that_cannot_be_locked(tmp_path):
    (tmp_path / "run" / ".lock").mkdir(parents=True)
    with pytest.raises(RunError, match=r"cannot be used.*Choose a directory"):
        Run.resume(tmp_path / "run")


def test_a_resumed_run_has_the_same_directory(tmp_path):
    with Run.create(tmp_path / "run") as run:
        run.write("settings.json", {"epochs": 3})
        run.path(CHECKPOINT).write_bytes(b"kept")
        run.path(CHECKPOINT).with_name(".last.safetensors.x1.part").write_bytes(b"half")
    with Run.resume(tmp_path / "run") as run:
        assert run.folder == tmp_path / "run"
        assert read(run.folder, "settings.json") == {"epochs": 3}
        left = [p.name for p in run.path(CHECKPOINT).parent.iterdir()]
        assert left == ["last.safetensors"]  # and not what a kill left of a save


def test_a_directory_without_a_run_cannot_be_resumed(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("missing", "file"):
        with pytest.raises(RunError, match=r"no run to resume.*--resume"):
            Run.resume(tmp_path / name)


def test_a_run_is_locked_by_one_process(tmp_path, start):
    with start(__file__, tmp_path / "run") as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="Another process is using"):
            Run.resume(tmp_path / "run")
        with Run.create(tmp_path / "run") as run:
            assert run.folder == tmp_path / "run-2"
        other.kill()
    # a lock dies with its process, even a killed one
    with Run.resume(tmp_path / "run") as run:
        assert run.folder == tmp_path / "run"


def test_the_lock_is_released_after_the_with_block(tmp_path):
    with Run.create(tmp_path / "run"), pytest.raises(RunError, match="Another process"):
        Run.resume(tmp_path / "run")
    with pytest.raises(KeyError), Run.resume(tmp_path / "run"):
        raise KeyError
    with Run.resume(tmp_path / "run"):
        pass


def test_reading_a_missing_file(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(RunError, match=r"has no metrics\.json.*Name a directory"):
            read(folder, "metrics.json")


@pytest.mark.parametrize("data", [b"", b'{"score": 0.', b"\xff\xfe{}"])
def test_reading_a_damaged_file(tmp_path, data):
    (tmp_path / "metrics.json").write_bytes(data)
    with pytest.raises(RunError, match=r"metrics\.json is damaged"):
        read(tmp_path, "metrics.json")


def test_the_environment_lists_versions():
    import torch

    messages = environment()
    assert json.loads(json.dumps(messages)) == messages
    assert messages["python"] == ".".join(map(str, sys.version_info[:3]))
    # the wheel's version has no "+cpu", torch's own has
    assert torch.__version__.startswith(messages["packages"]["torch"].split("+")[0])
    assert set(messages["packages"]) >= {"torch", "numpy", "safetensors"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", messages["started"])


def test_a_missing_package_has_no_version(monkeypatch):
    monkeypatch.setattr(
        "vicinal.core.storage.run_folder.PACKAGES", ("no-such-package-at-all",)
    )
    monkeypatch.setattr("vicinal.core.storage.run_folder.EXTRAS", ("another", "pip"))
    messages = environment()["packages"]
    assert messages.pop("no-such-package-at-all") is None
    assert list(messages) == ["pip"]  # an extra is listed only if it is installed


def hold(folder: Path) -> None:
    """Hold a run until killed."""
    with Run.create(folder):
        print("held", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    hold(Path(sys.argv[1]))


@pytest.mark.parametrize("name", [".lock", "data", "checkpoints"])
def test_links_inside_a_run_are_refused(tmp_path, name):
    with Run.create(tmp_path / "run") as run:
        run.write("settings.json", {})
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / ".a.1.part").write_text("kept")
    if name == ".lock":
        (tmp_path / "run" / ".lock").unlink(missing_ok=True)
    (tmp_path / "run" / name).symlink_to(victim)
    with pytest.raises(RunError, match="symbolic link"):
        Run.resume(tmp_path / "run")
    assert (victim / ".a.1.part").read_text() == "kept"


def test_a_file_of_a_run_is_not_written_through_a_link(tmp_path):
    (tmp_path / "diary.txt").write_text("dear diary")
    with Run.create(tmp_path / "run") as run:
        (run.folder / "env.json").symlink_to(tmp_path / "diary.txt")
        with pytest.raises(RunError, match="symbolic link"):
            run.write("env.json", {})
    assert (tmp_path / "diary.txt").read_text() == "dear diary"


@pytest.mark.parametrize("name", ["checkpoints/network-0.safetensors", "data/x.csv"])
def test_a_run_with_links_to_files_is_not_resumed(tmp_path, name):
    with Run.create(tmp_path / "run") as run:
        run.write("settings.json", {})
        run.path(name).symlink_to(tmp_path / "victim")
    with pytest.raises(RunError, match="symbolic link"):
        Run.resume(tmp_path / "run")


BEGAN = {"domain": "nodes", "data": "/data", "options": {}, "parameters": {}}


def test_settings_that_are_damaged_are_one_message(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(BEGAN))
    assert read_settings(tmp_path) == BEGAN
    for change in (
        {"data": 3}, {"domain": None}, {"options": []}, {"parameters": "x"},
        {"options": {"target": 5}}, {"estimator": ["x"]},
        {"parameters": {"device": []}}, {"parameters": {"device": None}},
    ):  # fmt: skip
        path.write_text(json.dumps(BEGAN | change))
        with pytest.raises(RunError, match=r"settings\.json is damaged.*--out"):
            read_settings(tmp_path)


@pytest.mark.parametrize("text", [b"", b"path\na\n", b"id,split\n\xff,x", b'id\n"a'])
def test_a_damaged_table_of_a_run_is_one_message(tmp_path, text):
    (tmp_path / "splits.csv").write_bytes(text)
    with pytest.raises(RunError, match=r"splits\.csv.*Restore the file"):
        read_table(tmp_path, "splits.csv", ["id", "split"])
    (tmp_path / "splits.csv").write_bytes(b"id,split\na,train\n")
    assert read_table(tmp_path, "splits.csv", ["id"])["split"].tolist() == ["train"]


def test_a_pipe_in_place_of_a_table_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "splits.csv")
    with pytest.raises(RunError, match=r"splits\.csv cannot be read: not a regular"):
        read_table(tmp_path, "splits.csv", ["id"])
