"""The command line itself: help, errors, exit codes, --json, --debug, info, demo."""

import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

import vicinal
from vicinal.cli.app import COMMANDS, OK, USER_ERROR
from vicinal.core.report.console import warnings_as_notes
from vicinal.core.training.trainer import TrainingInterrupted
from vicinal.errors import CacheWarning, NoDataError
from vicinal.images import demo
from vicinal.images.demo import Digits, load_digits


def environment() -> dict[str, str]:
    root = str(Path(vicinal.__file__).parents[1])
    return os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}


# --- help ------------------------------------------------------------------------


def test_help_describes_every_command(run_command):
    output = run_command("--help")
    assert output.code == OK and "vicinal demo" in output.out
    for name, text in COMMANDS.items():
        assert f"{name:<11}{text}" in output.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_without_data(command, run_command):
    output = run_command(command, "--help")
    assert output.code == OK and "--json" in output.out and output.err == ""
    assert COMMANDS[command].capitalize() in " ".join(output.out.split())


def test_python_m_vicinal_is_the_command():
    words = [sys.executable, "-m", "vicinal", "trian"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment())
    assert done.returncode == USER_ERROR and done.stdout == ""
    assert done.stderr.startswith("vicinal: There is no command 'trian'. Did you mean")


# --- errors ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train DATA --epoch 3", "Perhaps you meant: --epochs"),
        ("train DATA --epochs many", "--epochs.*'many'"),
        ("train DATA --task guess", "'classification'"),
        ("evaluate RUN", "Missing from vicinal evaluate: DATA"),
    ],
)
def test_an_error_of_the_parser_names_the_flag(
    words, message, image_directory, image_run, run_command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    paths = {"DATA": image_directory, "RUN": image_run}
    output = run_command(*(paths.get(word, word) for word in words.split()))
    text = " ".join(output.err.replace("│", " ").split())
    assert output.code == USER_ERROR and re.search(message, text)
    assert "Traceback" not in output.err and "parser" not in output.err
    assert list(tmp_path.iterdir()) == []


def test_debug_raises_the_error(tmp_path, run_command):
    words = ("check", tmp_path / "gone")
    assert "Traceback" not in run_command(*words).err
    with pytest.raises(NoDataError, match="There is nothing at"):
        run_command(*words, "--debug")


def test_an_error_of_the_system_is_one_message(image_run, run_command, monkeypatch):
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "secret.png")

    monkeypatch.setattr("vicinal.images.commands.evaluate.list_images", fail)
    output = run_command("predict", image_run, "secret.png")
    assert output == (USER_ERROR, "", "vicinal: secret.png: Permission denied.\n")


def test_a_bug_keeps_its_traceback(run_command, monkeypatch):
    monkeypatch.setattr("vicinal.cli.info.describe_installation", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_command("info")


def test_a_deleted_current_directory_is_one_message(refused, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "Change to one that exists" in refused("info")


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), TrainingInterrupted("interrupted")]
)
def test_an_interrupt_is_one_message(error, run_command, monkeypatch):
    def interrupt() -> None:
        raise error

    monkeypatch.setattr("vicinal.cli.info.describe_installation", interrupt)
    assert run_command("info") == (130, "", "vicinal: interrupted\n")


def test_a_name_that_is_too_long_for_a_file(image_run, image_directory, refused):
    name = "x" * 5000
    for words in (
        ("train", name),
        ("check", name),
        ("evaluate", image_run, name),
        ("predict", name, image_directory),
        ("predict", image_run, name),
    ):
        assert "File name too long" in refused(*words)


@pytest.mark.slow
def test_a_reader_that_stops_reading_gets_no_error(image_directory, image_run):
    words = [sys.executable, "-m", "vicinal", "predict", str(image_run)]
    words += [str(image_directory)] * 400
    done = subprocess.run(
        f"{shlex.join(words)} | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.stderr == "" and done.stdout.count("\n") == 1


@pytest.mark.parametrize("rule", ["error", "ignore"])
def test_a_cache_warning_is_a_note_whatever_the_filter(rule, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter(rule)
        with warnings_as_notes():
            warnings.warn("The cache cannot be written.", CacheWarning, stacklevel=1)
    assert capsys.readouterr().err == "note: The cache cannot be written.\n"


# --- info and demo ---------------------------------------------------------------


def test_info_lists_versions_networks_and_weights(run_command):
    output = run_command("info")
    assert output.code == OK and torch.__version__ in output.out
    assert "resnet18" in output.out and "weights:" in output.out
    found = run_command("info", "--json").json()
    assert {"resnet18", "mobilenet_v2"} <= found["weights"].keys()
    assert found["vicinal"] == vicinal.__version__ and found["device"]
    assert {"small", "mobilenet_v2"} <= set(found["image_networks"])


@pytest.mark.slow
def test_demo_of_images(run_command, monkeypatch):
    for name in ("EPOCHS", "SHORT", "LONG"):
        monkeypatch.setattr(demo, name, 1)
    x, y, x_test, y_test = load_digits()
    few = Digits(x[:300], y[:300], x_test[:100], y_test[:100])
    monkeypatch.setattr(demo, "load_digits", lambda: few)
    output = run_command("demo", "--seeds", "1", "--json")
    found = output.json()
    for score in (found["score"], found["baselines"]["dense network"]):
        assert list(score) == ["metric", "value", "low", "high", "n"]
        assert (score["metric"], score["n"]) == ("accuracy", 100)
        assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
    assert found["seconds"] > 0
    assert "vicinal train DATA" in output.err.splitlines()[-2]  # what to run next


def test_an_error_that_names_a_hostile_file_is_escaped(tmp_path, run_command):
    output = run_command("train", tmp_path / "no\x1b[2Jwhere\u202e")
    assert output.code == USER_ERROR and "no\\x1b[2Jwhere\\u202e" in output.err


def test_a_damaged_model_is_named_and_not_called_missing(tmp_path, refused):
    (tmp_path / "model.json").write_text('{"format": 2')
    for command in ("predict", "evaluate", "explain", "inspect", "report"):
        assert "model.json is damaged" in refused(command, tmp_path, "x")
