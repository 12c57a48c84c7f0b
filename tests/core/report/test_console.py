"""Console output: which stream, tables and progress, on a terminal and in a log."""

import io
import sys
import time

import pytest

from vicinal.core.report.console import Console

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
