"""Ctrl-C and SIGTERM: raised at once, or held back until work is saved."""

import contextlib
import signal
import threading
import time

import pytest

from vicinal.core.compute import signals
from vicinal.core.compute.signals import (
    SIGNALS,
    SignalInterrupt,
    allow_signals,
    defer_signals,
    exit_code,
    raise_on_signals,
    stop_requested,
)
from vicinal.errors import Interruption


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_at_once(number):
    with raise_on_signals():
        assert not stop_requested()
        with pytest.raises(SignalInterrupt):
            signal.raise_signal(number)
        assert stop_requested()
    assert exit_code() == 128 + number
    assert not stop_requested()  # a program may train later


def test_a_deferred_signal_is_raised_at_the_end_of_the_block(monkeypatch):
    done = []
    with pytest.raises(SignalInterrupt), raise_on_signals():
        with defer_signals():
            with defer_signals():
                signal.raise_signal(signal.SIGTERM)
                assert stop_requested()
            done.append("inner")
        done.append("outer")
    assert done == ["inner"]


def test_a_deferred_signal_is_raised_where_signals_are_allowed():
    with pytest.raises(SignalInterrupt), raise_on_signals(), defer_signals():
        signal.raise_signal(signal.SIGINT)
        with allow_signals():
            pytest.fail("not raised")
    with pytest.raises(SignalInterrupt), raise_on_signals(), defer_signals():
        with allow_signals():
            signal.raise_signal(signal.SIGINT)
            pytest.fail("not raised")


def test_the_second_signal_raises_in_any_case(monkeypatch):
    monkeypatch.setattr(signals, "SAME_REQUEST_SECONDS", 0.0)
    with pytest.raises(SignalInterrupt), raise_on_signals(), defer_signals():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("not raised")


def test_a_signal_to_a_process_and_to_its_group_is_one_request(monkeypatch):
    monkeypatch.setattr(signals, "SAME_REQUEST_SECONDS", 60.0)
    saved = False
    with pytest.raises(SignalInterrupt), raise_on_signals(), defer_signals():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        saved = True
    assert saved


def test_an_exception_that_a_destructor_swallowed_is_raised_again(monkeypatch):
    monkeypatch.setattr(signals, "RAISE_AGAIN_SECONDS", 0.001)
    with pytest.raises(SignalInterrupt), raise_on_signals():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        for _ in range(10_000):
            time.sleep(0.001)
        pytest.fail("not raised")


def test_clean_up_code_is_not_interrupted_by_the_same_signal(monkeypatch):
    monkeypatch.setattr(signals, "RAISE_AGAIN_SECONDS", 0.001)
    cleaned = False
    with pytest.raises(SignalInterrupt), raise_on_signals():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            with contextlib.suppress(KeyError):  # hides the interruption
                raise KeyError
            time.sleep(0.02)
            cleaned = True
    assert cleaned


def test_a_late_repetition_does_not_reach_the_next_command(monkeypatch):
    """The thread that raises again may lose the processor before it does."""
    interrupt_main, late = signals._thread.interrupt_main, threading.Event()

    def interrupt_late(number: signal.Signals) -> None:
        late.set()
        time.sleep(0.1)
        interrupt_main(number)

    monkeypatch.setattr(signals, "RAISE_AGAIN_SECONDS", 0.001)
    monkeypatch.setattr(signals._thread, "interrupt_main", interrupt_late)
    with pytest.raises(SignalInterrupt), raise_on_signals():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            assert late.wait(60)
    with raise_on_signals():
        time.sleep(0.2)
        assert not stop_requested()


def test_the_previous_handlers_are_restored():
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyError), raise_on_signals():
        assert [signal.getsignal(number) for number in SIGNALS] != before
        raise KeyError
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_another_thread_leaves_the_handlers_alone():
    """A service may run a command in a thread, which must not set handlers."""
    found = []

    def work() -> None:
        with raise_on_signals():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


def test_a_signal_raises_where_no_thread_can_be_started(monkeypatch):
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(SignalInterrupt), raise_on_signals():
        signal.raise_signal(signal.SIGINT)


def test_clean_up_code_behind_a_message_is_not_interrupted(monkeypatch):
    """The command turns the signal into a message, which then unwinds its blocks."""
    monkeypatch.setattr(signals, "RAISE_AGAIN_SECONDS", 0.05)
    cleaned = False
    with pytest.raises(Interruption), raise_on_signals():
        with contextlib.suppress(SignalInterrupt):
            signal.raise_signal(signal.SIGINT)
        try:
            raise Interruption("Interrupted.")
        finally:
            time.sleep(0.2)
            cleaned = True
    assert cleaned
