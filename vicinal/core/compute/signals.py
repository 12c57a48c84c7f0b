"""Ctrl-C (SIGINT) and SIGTERM stop the command promptly; finished work is saved first.

In `with raise_on_signals():` (the whole command line) they raise SignalInterrupt,
whatever is running. Where work has to be saved first, `with defer_signals():` holds
them back; a training loop polls `stop_requested()`, saves and stops. A second signal
raises in any case.
"""

import _thread
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from vicinal.errors import Interruption

SIGNALS = (signal.SIGINT, signal.SIGTERM)

SAME_REQUEST_SECONDS = 0.5
"""seconds within which further signals are the same request: `timeout`, terminals and
torchrun send one to a process, and again to its whole group"""

RAISE_AGAIN_SECONDS = 0.5
"""seconds after which an exception that had no effect is raised again: in a destructor
or in the clean-up of an import Python prints it and goes on"""


class SignalInterrupt(KeyboardInterrupt):
    """Raised in the main thread by a signal."""


class _Request:
    """The signals that have come since `raise_on_signals`."""

    def __init__(self) -> None:
        self.number = 0
        """of the last signal; 0: none has come"""

        self.came_at = 0.0
        self.deferrals = 0
        """blocks of `defer_signals` that are running; 0: signals raise"""

        self.waits = False
        """it was held back and has not been raised"""

        self.is_repeated = False
        """the handler is called by `_raise_again`"""

        self.ended = threading.Event()
        self.repeater: threading.Thread | None = None
        """calls the handler until the block has ended"""

    def end(self) -> None:
        """End the block: nothing more is raised, and no late call is left behind."""
        self.waits = False
        self.ended.set()
        if self.repeater is not None:
            self.repeater.join()


_request = _Request()


@contextlib.contextmanager
def raise_on_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise SignalInterrupt in the `with` block.

    The previous handlers are restored at the end. In another thread than the main one,
    which may not set handlers, it does nothing.
    """
    global _request
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    own = _request = _Request()
    before = {number: signal.signal(number, _handle) for number in SIGNALS}
    try:
        yield
    finally:
        own.end()
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def stop_requested() -> bool:
    """Return whether a signal has come; False outside of `raise_on_signals`."""
    return _request.number != 0 and not _request.ended.is_set()


def exit_code() -> int:
    """Return the exit code of a program that a signal ended: 128 + its number."""
    return 128 + (_request.number or signal.SIGINT)


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """Hold signals back in the `with` block; one that has come is raised at its end."""
    request = _request
    request.deferrals += 1
    try:
        yield
    finally:
        request.deferrals -= 1
    _raise_waiting(request)


@contextlib.contextmanager
def allow_signals() -> Iterator[None]:
    """Let signals raise in the `with` block, which lies inside `defer_signals`."""
    request = _request
    deferrals, request.deferrals = request.deferrals, 0
    try:
        _raise_waiting(request)
        yield
    finally:
        request.deferrals += deferrals


@contextlib.contextmanager
def block_signals() -> Iterator[None]:
    """Block signals; processes that are started in the `with` block never get them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _raise_waiting(request: _Request) -> None:
    if request.waits and not request.deferrals:
        _interrupt(request)


def _handle(number: int, frame: FrameType | None) -> None:
    request, now = _request, time.monotonic()
    if request.is_repeated:
        request.is_repeated = False
        if not (request.deferrals or _is_unwinding() or request.ended.is_set()):
            raise SignalInterrupt
        return
    is_first = not request.number
    if not is_first and now - request.came_at < SAME_REQUEST_SECONDS:
        return
    request.number, request.came_at = number, now
    if is_first and request.deferrals:
        request.waits = True
    else:
        _interrupt(request)


def _interrupt(request: _Request) -> None:
    request.waits = False
    if request.repeater is None:
        thread = threading.Thread(target=_raise_again, args=(request,), daemon=True)
        with contextlib.suppress(RuntimeError):  # no thread can be started: raise once
            thread.start()
            request.repeater = thread
    raise SignalInterrupt


def _raise_again(request: _Request) -> None:
    """Call the handler until the block of `raise_on_signals` has been left."""
    while not request.ended.wait(RAISE_AGAIN_SECONDS):
        request.is_repeated = True
        _thread.interrupt_main(signal.Signals(request.number))


def _is_unwinding() -> bool:
    """Return whether an interruption is on its way up, through clean-up code."""
    error = sys.exception()
    while error is not None and not isinstance(error, SignalInterrupt | Interruption):
        error = error.__context__
    return error is not None
