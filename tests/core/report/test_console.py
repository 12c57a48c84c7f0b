"""Console output: which stream, tables and progress, on a terminal and in a log."""

import io
import logging
import os
import sys
import time
import warnings

import pytest

from vicinal.core.report.console import (
    Console,
    open_closed_streams,
    print_note,
    warnings_as_notes,
)

VALUES = {"network": "resnet18", "parameters": {"lr": 0.1, "epochs": 3}, "n": 12}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("json", "stream"), [(False, "stdout"), (True, "stderr")])
def test_text_goes_to_stderr_with_json(json, stream, monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, stream, out)
    console = Console(json)
    console.print("a line")
    console.print_table(VALUES)
    assert out.getvalue().startswith("a line\n") and "resnet18" in out.getvalue()


def test_messages_of_modules_are_printed_during_a_command(capsys):
    logger = logging.getLogger("vicinal.core.compute.runtime")
    logger.info("unheard")
    with warnings_as_notes():
        logger.info("timing a training step")
    logger.info("unheard")
    assert capsys.readouterr() == ("", "timing a training step\n")


def test_a_table_in_a_log_is_plain_and_aligned(capsys):
    Console(json=False).print_table(VALUES)
    assert capsys.readouterr().out.splitlines() == [
        "network     resnet18",
        "parameters:",
        "  lr      0.1",
        "  epochs  3",
        "n           12",
    ]


def test_a_table_on_a_terminal_shows_the_same_values(monkeypatch):
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    Console(json=False).print_table({**VALUES, "[bold]": ":smile:"})
    for text in ("network", "resnet18", "epochs", "0.1", "[bold]", ":smile:"):
        assert text in out.getvalue()


def test_a_log_shows_progress_now_and_then(capsys, monkeypatch):
    clock = iter([0.0, 5.0, 10.0, 12.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    progress = Console(json=True).progress_bar("read")
    for done in (1, 2, 3):
        progress(done, 1000)
    assert capsys.readouterr() == ("", "read: 2 of 1,000\n")


def test_a_bar_on_a_terminal_restores_the_cursor_on_exit(capsys, monkeypatch):
    at_exit = []
    monkeypatch.setattr("atexit.register", at_exit.append)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress = Console(json=False).progress_bar("read")
    progress(1, 3)
    (stop,) = at_exit
    capsys.readouterr()
    stop()
    assert "\x1b[?25h" in capsys.readouterr().err
    progress(3, 3)


def test_a_terminal_does_not_act_on_names(capsys):
    Console(json=False).print("id \x1b[2J\u202eevil\tb")
    assert capsys.readouterr().out == "id \\x1b[2J\\u202eevil\tb\n"


def test_a_note_on_stderr_is_escaped(capsys):
    print_note("class \x1b[31mred\u202e")
    assert capsys.readouterr() == ("", "class \\x1b[31mred\\u202e\n")


def test_closed_streams_are_opened_to_nowhere(tmp_path):
    """Else a model file could become the stream that a library prints warnings to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other threads
        child = os.fork()
    if not child:
        for number in (1, 2):
            os.close(number)
        sys.stdout = sys.stderr = None
        open_closed_streams()
        with (tmp_path / "model").open("w") as file:
            print("lost", file=sys.stdout)
            print("lost", file=sys.stderr, flush=True)
            os._exit(0 if file.fileno() > 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "model").read_text() == ""
