"""`vicinal train` on images, interrupted, resumed, locked, or on a full disk."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vicinal
from vicinal.core.storage.run_folder import CHECKPOINT, Run

pytestmark = pytest.mark.usefixtures("without_plots")

QUICK = ("--epochs", "2", "--deterministic", "--no-cache", "--augment", "none")


def environment() -> dict[str, str]:
    root = str(Path(vicinal.__file__).parents[1])
    return os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_an_interrupted_run_continues_where_it_stopped(
    image_directory, tmp_path, run_command
):
    run = tmp_path / "my run"
    flags = ("--epochs", "2000", "--no-cache")
    words = ["train", str(image_directory), "--out", str(run), *flags]
    with subprocess.Popen(
        [sys.executable, "-m", "vicinal", *words],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.startswith("epoch    3"):
                break
        process.send_signal(signal.SIGINT)
        rest, error = process.stdout.read(), process.stderr.read()
    assert process.returncode == 128 + signal.SIGINT and "report:" not in rest
    message = error[error.index("vicinal: ") :].splitlines()
    assert message[0] == "vicinal: Interrupted. Resume with:"
    command = shlex.split(message[1])
    assert command[0] == "vicinal" and "--resume" in command
    output = run_command(*command[1:], "--minutes", "0.005", "--json")
    found = output.json()
    epochs = [int(n) for n in re.findall(r"^epoch +(\d+)", output.err, re.MULTILINE)]
    assert epochs[0] >= 4 and epochs[-1] == found["epochs"]  # none is trained twice
    assert found["run"] == str(run) and (run / "report.html").exists()


def test_an_interrupt_while_images_are_read(
    image_directory, tmp_path, run_command, monkeypatch
):
    monkeypatch.setattr(
        "vicinal.core.report.console.Console.progress_bar",
        lambda self, task: lambda done, total: signal.raise_signal(signal.SIGINT),
    )
    run = tmp_path / "run"
    output = run_command("train", image_directory, "--out", run, *QUICK, "--json")
    assert (output.code, output.out) == (128 + signal.SIGINT, "")
    monkeypatch.undo()
    command = shlex.split(output.err.splitlines()[-1])
    found = run_command(*command[1:], "--json").json()
    parameters = json.loads((run / "settings.json").read_text())["parameters"]
    assert parameters["epochs"] == found["epochs"] == 2 and parameters["deterministic"]


def test_a_finished_run_is_evaluated_again(
    image_run, image_directory, tmp_path, run_command
):
    run = shutil.copytree(image_run, tmp_path / "run")
    output = run_command("train", image_directory, "--out", run, *QUICK, "--resume")
    assert output.code == 0 and "this run is finished" in output.out
    before, after = (
        json.loads((folder / "metrics.json").read_text()) for folder in (image_run, run)
    )
    assert after["score"] == before["score"]


def test_a_run_is_resumed_with_its_own_images(
    image_run, image_directory, tmp_path, refused
):
    run = shutil.copytree(image_run, tmp_path / "run")
    data = shutil.copytree(image_directory, tmp_path / "data")
    shutil.copy(data / "dark" / "0.png", data / "dark" / "10.png")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    message = refused("train", data, "--out", run, "--resume")
    assert "other images or another split" in message
    assert "Resume with" not in message  # it has just failed
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {"settings.json"}


def test_a_damaged_file_of_a_run_is_one_message(
    image_run, image_directory, tmp_path, refused
):
    run = shutil.copytree(image_run, tmp_path / "run")
    splits = (run / "data" / "splits.csv").read_text()
    for text in ("", splits.replace("path", "name", 1)):
        (run / "data" / "splits.csv").write_text(text)
        message = refused("train", image_directory, "--out", run, "--resume")
        assert "splits.csv" in message and "Restore the file" in message
        assert "Resume with" not in message
    (run / "data" / "splits.csv").write_text(splits)
    settings = json.loads((run / "settings.json").read_text())
    for device in ([], None):
        settings["parameters"]["device"] = device
        (run / "settings.json").write_text(json.dumps(settings))
        message = refused("train", image_directory, "--out", run, "--resume")
        assert "settings.json is damaged (parameters.device must be a text" in message


def test_a_directory_that_is_not_a_run_is_left_unchanged(
    image_directory, tmp_path, refused
):
    partial = tmp_path / "films" / "checkpoints" / ".a.b.part"
    partial.parent.mkdir(parents=True)
    partial.write_text("mine")
    words = ("train", image_directory, "--out", tmp_path / "films", "--resume", *QUICK)
    assert "is not a run directory" in refused(*words)
    assert partial.read_text() == "mine"
    assert [p.name for p in (tmp_path / "films").iterdir()] == ["checkpoints"]


def test_a_run_is_used_by_one_process_at_a_time(image_directory, tmp_path, refused):
    with Run.create(tmp_path / "run"):
        words = ("--out", tmp_path / "run", "--resume", *QUICK)
        message = refused("train", image_directory, *words)
    assert "Another process is using" in message and "--out" in message


def fill(path: Path) -> None:
    """Write to a file until the disk is full."""
    with pytest.raises(OSError), path.open("wb", 0) as file:
        while file.write(bytes(4096)):
            pass


def test_a_full_disk_is_reported_and_the_run_can_be_resumed(
    small_disk, image_directory, image_run, run_command
):
    flags: tuple[Any, ...] = (*QUICK, "--json", "--checkpoint-seconds", "0")
    words = ("train", image_directory, "--out", small_disk / "run", *flags)
    (small_disk / "filler").write_bytes(bytes(600_000))
    output = run_command(*words)
    assert (output.code, output.out) == (2, "") and "Traceback" not in output.err
    assert output.err.count("vicinal: ") == 1
    assert "The disk is full: free some space" in output.err
    checkpoints = (small_disk / "run" / CHECKPOINT).parent
    names = sorted(path.name for path in checkpoints.iterdir())
    assert names in ([], ["last.safetensors"])
    (small_disk / "filler").unlink()
    assert run_command(*words, "--resume").code == 0

    fill(small_disk / "filler")
    path = small_disk / "predictions.csv"
    output = run_command("predict", image_run, image_directory, "--output", path)
    assert output.code == 2 and "The disk is full" in output.err
    assert not path.exists()
