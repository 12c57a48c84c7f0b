"""Ctrl-C and kill: the first is remembered, the second interrupts at once."""

import signal

import pytest

from vicinal.core.compute.signals import SIGNALS, stop_on_signal


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_is_remembered_and_the_second_interrupts(number):
    with stop_on_signal() as asked:
        assert not asked()
        signal.raise_signal(number)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    with stop_on_signal() as asked:
        assert not asked()


def test_the_handlers_of_before_are_put_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyError), stop_on_signal():
        assert [signal.getsignal(number) for number in SIGNALS] != before
        raise KeyError
    assert [signal.getsignal(number) for number in SIGNALS] == before
